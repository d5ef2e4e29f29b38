"""An evaluation's main tables as Markdown, for a model card or a validation record."""

from collections.abc import Iterable, Iterator, Sequence

from slidescreen.evaluation import Comparison, Evaluation, ModelScores, SlideLevel
from slidescreen.evaluation.slide_level import SlideAgreement
from slidescreen.reporting.wording import (
    as_number,
    comparison_sentence,
    display_name,
    label_review_sentences,
    limits_sentence,
    model_name,
    review_sentences,
    unscored_sentence,
    with_limits,
)


def render_markdown(evaluation: Evaluation) -> str:
    """Models, sources, cell types, slides, and the results of the tests between models."""
    return "\n".join(_lines(evaluation)) + "\n"


def _lines(evaluation: Evaluation) -> Iterator[str]:
    first = evaluation.models[0]
    yield f"{first.cells} cells, {first.called} of them classified. {limits_sentence(evaluation)}"
    yield ""
    yield from _table(("model", *_SCORES), [[model_name(m.model), *_scores(m)] for m in evaluation.models])
    if evaluation.sources:
        yield from _table(("source", *_SCORES), [[name, *_scores(m)] for name, m in evaluation.sources])
    header = ("cell type or group", "cells", "precision", "recall", "specificity", "F1", "AUROC")
    yield from _table(header, _type_rows(first))
    if evaluation.slide_level:
        yield from _slides(evaluation.slide_level)
    yield from (f"- {sentence}" for sentence in review_sentences(evaluation.review))
    yield from (f"- {sentence}" for sentence in label_review_sentences(evaluation.label_review))
    yield from _comparisons(evaluation.comparisons)
    for left in evaluation.unscored:
        yield f"- Not evaluated: {unscored_sentence(left)}"


_SCORES = ("cells", "called", "accuracy", "macro F1", "κ", "macro AUROC", "accuracy, every cell called")


def _scores(model: ModelScores) -> list[str]:
    return [
        str(model.cells), str(model.called), with_limits(model.accuracy, model.accuracy_limits),
        with_limits(model.macro_f1, model.macro_f1_limits), as_number(model.kappa), as_number(model.macro_auroc),
        as_number(model.accuracy_every_cell_called),
    ]  # fmt: skip


def _type_rows(model: ModelScores) -> Iterator[Sequence[str]]:
    for scores in model.rows:
        if scores.support:
            yield [
                display_name(scores), str(scores.support), as_number(scores.precision),
                with_limits(scores.recall, scores.recall_limits), as_number(scores.specificity),
                with_limits(scores.f1, scores.f1_limits), with_limits(scores.auroc, scores.auroc_limits),
            ]  # fmt: skip


def _slides(level: SlideLevel) -> Iterator[str]:
    header = (f"{len(level.slides)} slides with", "from", "sensitivity", "specificity")
    rows = [
        [
            display_name(d), f"{d.cut_off:g}%", with_limits(d.sensitivity, d.sensitivity_limits),
            with_limits(d.specificity, d.specificity_limits),
        ]
        for d in level.detections
    ]  # fmt: skip
    yield from _table(header, rows)
    yield from _table(
        ("slide by slide", "bias", "limits of agreement", "Pearson's r", "Spearman's ρ"),
        map(_agreement, level.agreements_of_present),
    )


def _agreement(found: SlideAgreement) -> Sequence[str]:
    limits, r = found.bland_altman.limits, found.correlation
    return [
        display_name(found), f"{found.bland_altman.bias:+.1f}", f"{limits.low:+.1f} to {limits.high:+.1f}",
        with_limits(r.pearson, r.pearson_interval), with_limits(r.spearman, r.spearman_interval),
    ]  # fmt: skip


def _comparisons(comparisons: Sequence[Comparison]) -> Iterator[str]:
    for comparison in comparisons:
        yield f"- {comparison_sentence(comparison)}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "| --- |" + " ---: |" * (len(header) - 1)
    for row in rows:
        yield f"| {' | '.join(text.replace('|', '/') for text in row)} |"
    yield ""
