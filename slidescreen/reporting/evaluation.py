"""An evaluation for people and scripts: terminal, CSV, JSON, page."""

import base64
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slidescreen import __version__, cells
from slidescreen.evaluation import Comparison, Evaluation, ModelScores, TypeScores
from slidescreen.files import printable, write_text
from slidescreen.networks import BACKBONES
from slidescreen.reporting.plots import draw_plots
from slidescreen.reporting.tables import to_csv
from slidescreen.statistics.intervals import Interval

_PER_TYPE = ("precision", "recall", "specificity", "f1", "auroc", "average_precision")


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write the figures as JSON and CSV, the pictures, and `evaluation.html` that shows them all."""
    write_text(folder / "metrics.json", json.dumps(to_dict(evaluation), indent=2, allow_nan=False) + "\n")
    write_text(folder / "per_type.csv", to_csv(_per_type_rows(evaluation)))
    write_text(folder / "confusion_matrix.csv", to_csv(_confusion_rows(evaluation)))
    if evaluation.comparisons:
        write_text(folder / "comparison.csv", to_csv(_comparison_rows(evaluation.comparisons)))
    pictures = draw_plots(evaluation, folder)
    write_text(folder / "evaluation.html", _page(evaluation, folder, pictures))


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation under stable keys; undefined values are null.

    Keys: `slidescreen` (version), `cell_types`, `models` (a list; the first is the one reported), `sources` (the
    first model's scores for each source of the data) and `comparisons`. A model has the fields of `ModelScores`,
    with `types` and `groups` as lists, and limits as {low, high, level}.
    """
    return {
        "slidescreen": __version__,
        "cell_types": list(evaluation.cell_types),
        "models": [_model_to_dict(model) for model in evaluation.models],
        "sources": {name: _model_to_dict(model) for name, model in evaluation.sources},
        "comparisons": [_plain(asdict(comparison)) for comparison in evaluation.comparisons],
    }


def show_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Print the compact summary."""
    console = Console(highlight=False)
    console.print(_models_table(evaluation))
    if evaluation.sources:
        console.print()
        console.print(_sources_table(evaluation))
    console.print()
    console.print(_types_table(evaluation.models[0]))
    for comparison in evaluation.comparisons:
        console.print(f"\n{escape(_comparison_sentence(comparison))}")
    console.print(f"\nevaluation: {escape(printable(folder / 'evaluation.html'))}", soft_wrap=True)


def _model_name(name: str) -> str:
    return BACKBONES.get(name, name)


def _models_table(evaluation: Evaluation) -> Table:
    table = _table("model", "cells", "called", "accuracy", "macro F1", "κ", "AUROC")
    for model in evaluation.models:
        table.add_row(
            escape(_model_name(model.model)), str(model.cells), str(model.called),
            _with_limits(model.accuracy, model.accuracy_limits), _with_limits(model.macro_f1, model.macro_f1_limits),
            _number(model.kappa), _number(model.macro_auroc),
        )  # fmt: skip
    return table


def _sources_table(evaluation: Evaluation) -> Table:
    table = _table("source", "cells", "called", "accuracy", "macro F1", "types")
    for name, model in evaluation.sources:
        table.add_row(
            escape(name), str(model.cells), str(model.called),
            _with_limits(model.accuracy, model.accuracy_limits), _with_limits(model.macro_f1, model.macro_f1_limits),
            str(model.types_with_support),
        )  # fmt: skip
    return table


def _types_table(model: ModelScores) -> Table:
    table = _table("cell type", "cells", "precision", "recall", "F1", "AUROC")
    for number, scores in enumerate((*model.types, *model.groups)):
        if number == len(model.types):
            table.add_section()
        table.add_row(
            _display(scores), str(scores.support),
            *(_number(v) for v in (scores.precision, scores.recall, scores.f1, scores.auroc)),
        )  # fmt: skip
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table


def _display(scores: TypeScores) -> str:
    return cells.DISPLAY_NAMES.get(scores.name, scores.name.replace("_", " ").capitalize())


def _comparison_sentence(comparison: Comparison) -> str:
    significant = [name for name, _, _, p in comparison.auroc if p < 0.05]
    text = (
        f"{comparison.model} against {_model_name(comparison.other)}: right alone {comparison.only_first_right} and "
        f"{comparison.only_other_right} times (McNemar p {_p(comparison.mcnemar_p_holm)}), macro F1 "
        f"{comparison.macro_f1_difference:+.4f} (p {_p(comparison.macro_f1_p_holm)})"
    )
    if comparison.auroc:
        text += f", AUROC differs in {len(significant)} of {len(comparison.auroc)} types (DeLong)"
    return f"{text}. Every cell called; p after Holm."


def _per_type_rows(evaluation: Evaluation) -> Iterable[Sequence[str]]:
    yield ["model", "cell_type", "support", "predicted", *_PER_TYPE, *(
        f"{name}_{end}" for name in ("precision", "recall", "auroc") for end in ("low", "high")
    )]  # fmt: skip
    for model in evaluation.models:
        for scores in (*model.types, *model.groups):
            limits = (scores.precision_limits, scores.recall_limits, scores.auroc_limits)
            defined = (not math.isnan(v) for v in (scores.precision, scores.recall, scores.auroc))
            yield [
                model.model, scores.name, str(scores.support), str(scores.predicted),
                *(_exact(getattr(scores, name)) for name in _PER_TYPE),
                *(_exact(end) if known else "" for limit, known in zip(limits, defined, strict=True)
                  for end in (limit.low, limit.high)),
            ]  # fmt: skip


def _confusion_rows(evaluation: Evaluation) -> Iterable[Sequence[str]]:
    yield ["true\\predicted", *evaluation.cell_types]
    for name, row in zip(evaluation.cell_types, evaluation.models[0].confusion.tolist(), strict=True):
        yield [name, *map(str, row)]


def _comparison_rows(comparisons: Sequence[Comparison]) -> Iterable[Sequence[str]]:
    yield ["model", "other", "test", "of", "difference", "p", "p_holm"]
    for c in comparisons:
        alone = c.only_first_right - c.only_other_right
        yield [c.model, c.other, "McNemar", "correctness", str(alone), _exact(c.mcnemar_p), _exact(c.mcnemar_p_holm)]
        yield [
            c.model, c.other, "bootstrap", "macro_f1",
            _exact(c.macro_f1_difference), _exact(c.macro_f1_p), _exact(c.macro_f1_p_holm),
        ]  # fmt: skip
        for name, difference, p, p_holm in c.auroc:
            yield [c.model, c.other, "DeLong", f"auroc {name}", _exact(difference), _exact(p), _exact(p_holm)]


def _page(evaluation: Evaluation, folder: Path, pictures: Sequence[str]) -> str:
    environment = Environment(
        loader=PackageLoader("slidescreen.reporting"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "display": _display, "model": _model_name}
    encoded = [(name, base64.b64encode((folder / name).read_bytes()).decode("ascii")) for name in pictures]
    return environment.get_template("evaluation.html.j2").render(
        evaluation=evaluation,
        with_limits=_with_limits,
        sentences=[_comparison_sentence(c) for c in evaluation.comparisons],
        pictures=encoded,
        version=__version__,
    )


def _model_to_dict(model: ModelScores) -> dict[str, Any]:
    content = asdict(model)
    content["confusion"] = model.confusion.tolist()
    result: dict[str, Any] = _plain(content)
    return result


def _plain(value: Any) -> Any:
    """As JSON can hold it: undefined numbers become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _exact(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.10g}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _with_limits(value: float, limits: Interval[float]) -> str:
    if math.isnan(value) or math.isnan(limits.low):
        return _number(value)
    return f"{value:.4f} ({limits.low:.3f}–{limits.high:.3f})"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"
