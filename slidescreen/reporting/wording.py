"""The wording of an evaluation's figures, on the terminal and on pages."""

import math
from collections.abc import Iterator
from typing import Protocol

from slidescreen import cells
from slidescreen.evaluation import Comparison, Evaluation, LabelReview, ModelScores, Unscored
from slidescreen.evaluation.predictions import WHY_UNSCORED
from slidescreen.evaluation.review_summary import ReviewSummary
from slidescreen.models.backbones import BACKBONES
from slidescreen.statistics.clusters import LEAST_SLIDES, TOO_FEW
from slidescreen.statistics.intervals import Interval


class Named(Protocol):
    """Scores of something that has a name."""

    @property
    def name(self) -> str: ...


def model_name(name: str) -> str:
    """The full name of a backbone, with its number if it has one. Other models keep their names."""
    backbone, bracket, number = name.partition(" (")
    return f"{BACKBONES.get(backbone, backbone)}{bracket}{number}"


def display_name(scored: Named) -> str:
    """A cell type, group or contrast in words."""
    return cells.DISPLAY_NAMES.get(scored.name, scored.name.replace("_", " ").capitalize())


def as_number(value: float) -> str:
    """A figure with four digits; a dash if undefined."""
    return "–" if math.isnan(value) else f"{value:.4f}"


def with_limits(value: float, limits: Interval[float]) -> str:
    """A figure and its limits, or why there are none."""
    if math.isnan(value) or math.isnan(limits.low):
        return f"{as_number(value)} ({limits.note})" if limits.note and not math.isnan(value) else as_number(value)
    to = " to " if limits.low < 0 else "–"  # a dash before a minus sign is hard to read
    return f"{value:.4f} ({as_limit(limits.low)}{to}{as_limit(limits.high)})"


def as_limit(value: float) -> str:
    """A limit with three digits, or infinity if it is unbounded."""
    return f"{round(value, 3) + 0.0:.3f}".replace("inf", "∞")  # + 0.0 turns -0.0 into 0.0


def p_text(value: float) -> str:
    """A p-value with its sign; a dash if the slides are too few for a test."""
    if math.isnan(value):
        return "–"
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def limits_sentence(evaluation: Evaluation, place: str = "in brackets") -> str:
    """How the limits that stand at this place were computed, when there are none, and when figures are too good."""
    models = [*evaluation.models, *(model for _, model in evaluation.sources)]
    kinds = sorted({model.limits_by for model in models}, reverse=True)
    text = f"95% limits {place}, computed by {' or '.join(kinds)}."
    if any(
        limits.note == TOO_FEW for model in models for value, limits in _with_limits(model) if not math.isnan(value)
    ):
        text += f" Where a figure has {TOO_FEW}, no limits are given ({LEAST_SLIDES} slides are needed)."
    return text + trained_on_sentence(evaluation.predictions.trained_on)


def trained_on_sentence(count: int) -> str:
    """What figures of cells that the networks were trained on are worth; nothing if there are no such cells."""
    if not count:
        return ""
    return f" The networks were trained on {count} of these cells: the figures are too good for new cells."


def _with_limits(model: ModelScores) -> Iterator[tuple[float, Interval[float]]]:
    yield from ((model.accuracy, model.accuracy_limits), (model.macro_f1, model.macro_f1_limits))
    for scores in model.rows:
        yield from ((scores.recall, scores.recall_limits), (scores.f1, scores.f1_limits))
        yield scores.auroc, scores.auroc_limits


def comparison_sentence(comparison: Comparison) -> str:
    """What the tests between two models found."""
    ranked = [t for t in comparison.types if t.auroc_p_holm is not None and not math.isnan(t.auroc_p_holm)]
    text = (
        f"{model_name(comparison.model)} against {model_name(comparison.other)}: only the first is correct on "
        f"{comparison.only_first_right} cells, only the second on {comparison.only_other_right}"
    )
    if comparison.tested_by == "cells":
        text += f" (McNemar p {p_text(comparison.mcnemar_p_holm)}), macro F1 {comparison.macro_f1_difference:+.4f}"
        text += f" (p {p_text(comparison.macro_f1_p_holm)})"
    else:
        text += f", accuracy {_difference(comparison.accuracy_difference, comparison.accuracy_p_holm)}"
        text += f", macro F1 {_difference(comparison.macro_f1_difference, comparison.macro_f1_p_holm)}"
        if math.isnan(comparison.accuracy_p):
            return f"{text}. Every cell called."
    if ranked:
        differing = [t.name for t in ranked if (t.auroc_p_holm or 0.0) < 0.05]
        text += f", AUROC differs (p < 0.05) in {len(differing)} of {len(ranked)} types"
    recalls = [t.name for t in comparison.types if t.recall_p_holm < 0.05]
    text += f", recall differs (p < 0.05) in {', '.join(map(_plain_name, recalls)) or 'no type'}"
    return f"{text}. Every cell called; p-values Holm-adjusted, tested by {comparison.tested_by}."


def _difference(value: float, p: float) -> str:
    return f"{value:+.4f} ({TOO_FEW} to test)" if math.isnan(p) else f"{value:+.4f} (p {p_text(p)})"


def unscored_sentence(left: Unscored) -> str:
    """What was not evaluated, and why. It gives the first few names, unless the user excluded them."""
    said = f"{WHY_UNSCORED[left.why]}: {left.count}"
    if left.why in ("left_out", "other_split"):
        return said
    return f"{said} ({', '.join(left.first)}{', …' if left.count > len(left.first) else ''})"


def review_sentences(review: ReviewSummary | None) -> list[str]:
    """What reviewers changed, and the share of signed slides on which they changed nothing."""
    if review is None:
        return []
    said = [
        f"Reviewed: {review.signed} of {review.slides} slides signed. Nothing was changed on {review.unchanged} of them"
        f"{f' ({100 * review.unchanged / review.signed:.0f}%)' if review.signed else ''}. "
        f"{review.changed} of {review.cells} reviewed cells were changed."
    ]
    kept = ", ".join(f"{_plain_name(each.name)} {each.kept} of {each.cells}" for each in review.agreement)
    said.append(f"Calls that reviewers kept: {kept}.")
    changes = ", ".join(f"{_plain_name(e.called)} → {_plain_name(e.reviewed)} {e.cells}" for e in review.changes)
    return [*said, f"Changed: {changes}."] if changes else said


def label_review_sentences(review: LabelReview | None) -> list[str]:
    """How reviewers changed labels, and the effect on the scores."""
    if review is None:
        return []
    neither = review.disagreements - review.call_upheld - review.label_upheld
    said = (
        f"Labels reviewed: {review.cells} cells, {review.changed} labels changed. Of {review.disagreements} reviewed "
        f"disagreements, reviewers decided {review.call_upheld} for the call, {review.label_upheld} for the label, "
        f"{neither} for neither."
    )
    changes = ", ".join(f"{_plain_name(e.label)} → {_plain_name(e.reviewed)} {e.cells}" for e in review.changes)
    return [f"{said} Changed: {changes}." if changes else said, *map(_as_reviewed, review.models[:1])]


def _as_reviewed(model: ModelScores) -> str:
    """The scores by the reviewed labels, and why these scores are too favourable."""
    return (
        f"With the labels as reviewed, {model_name(model.model)}: accuracy "
        f"{with_limits(model.accuracy, model.accuracy_limits)}, macro F1 "
        f"{with_limits(model.macro_f1, model.macro_f1_limits)} on {model.called} called cells. All other figures here "
        "are with the labels as they were. Reviewed figures flatter: reviewers saw the calls, and where label and call "
        "share an error nobody looked."
    )


def _plain_name(name: str) -> str:
    return name.replace("_", " ")
