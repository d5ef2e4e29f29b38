"""An evaluation as files: JSON and CSV for scripts, pictures, and the page that shows them all."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from slidescreen import __version__
from slidescreen.errors import InputError
from slidescreen.evaluation import Comparison, Evaluation, LabelReview, ModelScores, Predictions, SlideLevel
from slidescreen.files.existence import exists
from slidescreen.files.writing import neutralise, printable, remove_if_possible, write_text, write_whole
from slidescreen.reporting.disagreement_page import DISAGREEMENTS, UNKNOWN, CellOrigin, render_disagreements
from slidescreen.reporting.evaluation_markdown import render_markdown
from slidescreen.reporting.evaluation_page import render_evaluation
from slidescreen.reporting.plots import PICTURES, draw_plots
from slidescreen.reporting.tables import to_csv

_PER_TYPE = ("precision", "recall", "specificity", "f1", "auroc", "average_precision")
_WITH_LIMITS = ("precision", "recall", "f1", "auroc")

Rows = Iterable[Sequence[str]]


LABELS_REVIEWED = "labels_reviewed.csv"
_TABLES = (
    "per_type.csv", "confusion_matrix.csv", "comparison.csv", "slides.csv", "agreement.csv", "predictions.csv",
)  # fmt: skip
_NAMES = ("metrics.json", *_TABLES, "summary.md", "evaluation.html", DISAGREEMENTS, LABELS_REVIEWED, *PICTURES)


def check_place(folder: Path, sources: Iterable[Path]) -> None:
    """Refuse to replace files that no evaluation wrote, or that the new evaluation reads.

    Args:
        folder: the new evaluation's folder. It need not exist.
        sources: the files that the new evaluation reads.

    Raises:
        InputError: the folder holds such files. The message names them.
    """
    there = [name for name in _NAMES if exists(folder / name)]
    read = {path.resolve() for path in sources}
    kept = [name for name in there if (folder / name).resolve() in read] if _is_evaluation(folder) else there
    if kept:
        raise InputError(f"{printable(folder)} holds {', '.join(kept)}, which would be replaced: choose another --out")


def _is_evaluation(folder: Path) -> bool:
    try:
        return "slidescreen" in json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def write_evaluation(evaluation: Evaluation, folder: Path, origin: CellOrigin = UNKNOWN) -> None:
    """Write every file of an evaluation, each as a whole, into an existing folder. `origin` is that of the cells.

    Everything is made before the first file is replaced, so that no file of an earlier evaluation stands beside new
    ones. Tables and pictures that an earlier evaluation left there, and that this one does not write, are removed.
    """
    shown = render_disagreements(evaluation, origin)
    pictures = draw_plots(evaluation)
    texts = {
        "metrics.json": json.dumps(to_dict(evaluation), indent=2, allow_nan=False) + "\n",
        **{name: to_csv(rows) for name, rows in _tables(evaluation).items()},
        "summary.md": render_markdown(evaluation),
        "evaluation.html": render_evaluation(evaluation, pictures, with_disagreements=bool(shown)),
        **({DISAGREEMENTS: shown} if shown else {}),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    for name, picture in pictures.items():
        write_whole(folder / name, lambda path, picture=picture: path.write_bytes(picture))  # type: ignore[misc]
    for name in (*_TABLES, *PICTURES, DISAGREEMENTS):
        if name not in (*texts, *pictures):
            remove_if_possible(folder / name)


def _tables(evaluation: Evaluation) -> dict[str, Rows]:
    """The tables that an evaluation has, by file name."""
    tables = {
        "per_type.csv": _per_type_rows(evaluation),
        "confusion_matrix.csv": _confusion_rows(evaluation),
        "predictions.csv": _prediction_rows(evaluation.predictions),
    }
    if evaluation.comparisons:
        tables["comparison.csv"] = _comparison_rows(evaluation.comparisons)
    if evaluation.slide_level:
        tables["slides.csv"] = _slide_rows(evaluation.slide_level)
        tables["agreement.csv"] = _agreement_rows(evaluation.slide_level)
    return tables


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation under stable keys. They are the fields of the dataclasses in `slidescreen.evaluation`.

    Undefined values are null, limits are {low, high, level}. `sources` maps each source of the data to the first
    model's scores on it.
    """
    return {
        "slidescreen": __version__,
        "cell_types": list(evaluation.cell_types),
        "unscored": {left.why: {"count": left.count, "first": list(left.first)} for left in evaluation.unscored},
        "trained_on": evaluation.predictions.trained_on,
        "models": [_model_to_dict(model) for model in evaluation.models],
        "sources": {name: _model_to_dict(model) for name, model in evaluation.sources},
        "slide_level": None if evaluation.slide_level is None else _plain(asdict(evaluation.slide_level)),
        "comparisons": [_plain(asdict(comparison)) for comparison in evaluation.comparisons],
        **({"review": asdict(evaluation.review)} if evaluation.review is not None else {}),
        **({"as_reviewed": _reviewed_to_dict(evaluation.label_review)} if evaluation.label_review is not None else {}),
    }


def _reviewed_to_dict(review: LabelReview) -> dict[str, Any]:
    return {
        "cells": review.cells,
        "disagreements": review.disagreements,
        "call_upheld": review.call_upheld,
        "label_upheld": review.label_upheld,
        "changes": [asdict(change) for change in review.changes],
        "models": [_model_to_dict(model) for model in review.models],
    }


def _model_to_dict(model: ModelScores) -> dict[str, Any]:
    content = asdict(model)
    content["confusion"] = model.confusion.tolist()
    result: dict[str, Any] = _plain(content)
    return result


def _plain(value: Any) -> Any:
    """The value as JSON can hold it: undefined and unbounded numbers become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _per_type_rows(evaluation: Evaluation) -> Rows:
    yield [
        "model", "cell_type", "support", "predicted", *_PER_TYPE,
        *(f"{name}_{end}" for name in _WITH_LIMITS for end in ("low", "high")),
    ]  # fmt: skip
    for model in evaluation.models:
        for scores in model.rows:
            limits = [getattr(scores, f"{name}_limits") for name in _WITH_LIMITS]
            known = [not math.isnan(getattr(scores, name)) for name in _WITH_LIMITS]
            yield [
                neutralise(model.model), scores.name, str(scores.support), str(scores.predicted),
                *(_exact(getattr(scores, name)) for name in _PER_TYPE),
                *(_exact(end) if is_known else "" for limit, is_known in zip(limits, known, strict=True)
                  for end in (limit.low, limit.high)),
            ]  # fmt: skip


def _confusion_rows(evaluation: Evaluation) -> Rows:
    yield ["true\\predicted", *evaluation.cell_types]
    for name, row in zip(evaluation.cell_types, evaluation.models[0].confusion.tolist(), strict=True):
        yield [name, *map(str, row)]


def _comparison_rows(comparisons: Sequence[Comparison]) -> Rows:
    """One row for each test. `difference` counts cells, or is that of the statistic in `of`."""
    yield ["model", "other", "test", "of", "difference", "p", "p_holm"]
    for c in comparisons:
        pair = [neutralise(c.model), neutralise(c.other)]
        by_slides = c.tested_by == "slides"
        general, ranking = ("jackknife over slides",) * 2 if by_slides else ("Student over cells", "DeLong")
        alone = str(c.only_first_right - c.only_other_right)
        yield [*pair, "McNemar", "correctness", alone, _exact(c.mcnemar_p), _exact(c.mcnemar_p_holm)]
        yield [*pair, general, "accuracy", *map(_exact, (c.accuracy_difference, c.accuracy_p, c.accuracy_p_holm))]
        yield [*pair, general, "macro_f1", *map(_exact, (c.macro_f1_difference, c.macro_f1_p, c.macro_f1_p_holm))]
        yield [*pair, "Stuart-Maxwell", "calls", "", _exact(c.stuart_maxwell_p), _exact(c.stuart_maxwell_p_holm)]
        yield [*pair, "Bowker", "calls", "", _exact(c.bowker_p), _exact(c.bowker_p_holm)]
        for t in c.types:
            alone = str(t.only_first_right - t.only_other_right)
            yield [*pair, "McNemar", f"recall {t.name}", alone, _exact(t.mcnemar_p), _exact(t.mcnemar_p_holm)]
            if by_slides:
                yield [*pair, general, f"recall {t.name}", alone, _exact(t.recall_p), _exact(t.recall_p_holm)]
        for t in c.types:
            yield [*pair, ranking, f"auroc {t.name}", *map(_exact, (t.auroc_difference, t.auroc_p, t.auroc_p_holm))]


def _slide_rows(level: SlideLevel) -> Rows:
    """Each slide's differential by truth and by the model, in percent of its leukocytes."""
    yield ["slide", *(f"{a.name}_{side}" for a in level.agreements for side in ("true", "measured"))]
    for number, slide in enumerate(level.slides):
        yield [neutralise(slide), *(f"{side[number]:.4f}" for a in level.agreements for side in (a.true, a.measured))]


def _agreement_rows(level: SlideLevel) -> Rows:
    """One row for each type and group: the agreement of the slides' percentages, model against truth."""
    yield [
        "cell_type", "slides", "bias", "agreement_low", "agreement_high",
        "slope", "slope_low", "slope_high", "intercept",
        "pearson", "pearson_low", "pearson_high", "spearman", "spearman_low", "spearman_high",
    ]  # fmt: skip
    for a in level.agreements:
        line, found = a.passing_bablok, a.correlation
        figures = (
            a.bland_altman.bias, a.bland_altman.limits.low, a.bland_altman.limits.high,
            line.slope, line.slope_interval.low, line.slope_interval.high, line.intercept,
            found.pearson, found.pearson_interval.low, found.pearson_interval.high,
            found.spearman, found.spearman_interval.low, found.spearman_interval.high,
        )  # fmt: skip
        yield [a.name, str(found.n), *(_exact(figure) if math.isfinite(figure) else "" for figure in figures)]


def _prediction_rows(predictions: Predictions) -> Rows:
    """The first model's result for each cell, in the format that `report` reads. An empty call is an abstention."""
    types, probabilities = predictions.cell_types, predictions.probabilities
    number = len(predictions.truth)
    images = predictions.images or ("",) * number
    known = np.empty((number, 0)) if probabilities is None else probabilities
    columns = [f"p_{name}" for name in types] if probabilities is not None else []
    yield ["slide", "image", "source", "truth", "cell_type", *columns]
    for position, row in enumerate(known):
        called = int(predictions.called[position])
        place = (predictions.slides[position], images[position], predictions.sources[position])
        names = [types[predictions.truth[position]], types[called] if called >= 0 else ""]
        yield [*map(neutralise, place), *names, *(f"{p:.6f}" for p in row)]


def _exact(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.10g}"
