"""Predictions compared with labels: a model's scores, their limits, and tests between models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from slidescreen.evaluation.comparison import Comparison, TypeDifference, compare
from slidescreen.evaluation.label_review import LabelReview, review_labels
from slidescreen.evaluation.predictions import Predictions, Unscored
from slidescreen.evaluation.review_summary import ReviewSummary
from slidescreen.evaluation.scores import ModelScores, ProbabilityCalibration, TypeScores, score
from slidescreen.evaluation.slide_level import SlideLevel, slide_level

__all__ = [
    "Comparison",
    "Evaluation",
    "LabelReview",
    "ModelScores",
    "Predictions",
    "ProbabilityCalibration",
    "SlideLevel",
    "TypeDifference",
    "TypeScores",
    "Unscored",
    "evaluate",
]


@dataclass(frozen=True)
class Evaluation:
    """All results: the models' scores, also by source and by slide, and their comparisons.

    The first model is the reported one. `review` is what reviewers changed, if the truth is theirs. `label_review` is
    what they changed in other labels. `reviewed` are the types that they gave to cells of the predictions, by position.
    """

    cell_types: tuple[str, ...]
    models: tuple[ModelScores, ...]
    sources: tuple[tuple[str, ModelScores], ...]
    slide_level: SlideLevel | None
    comparisons: tuple[Comparison, ...]
    predictions: Predictions
    review: ReviewSummary | None = None
    label_review: LabelReview | None = None
    reviewed: Mapping[int, str] = field(default_factory=dict)

    @property
    def unscored(self) -> tuple[Unscored, ...]:
        """The cells and labels that no figure includes, and why."""
        return self.predictions.unscored


def evaluate(
    predictions: Sequence[Predictions],
    reviewed: Mapping[int, str] = MappingProxyType({}),
) -> Evaluation:
    """Score models on the same cells; the first is compared with each of the others.

    Limits are 95%. If slides are known, limits and tests allow for correlated errors within a slide; with fewer than
    three slides there are none (see `statistics.clusters`). Otherwise limits are Wilson's for proportions, DeLong's
    for AUROC, and exact for the effective number of cells for the rest (see `statistics.single_cells`).

    Args:
        predictions: one for each model, the same cells in the same order.
        reviewed: the types, by position, of cells whose labels people reviewed. The scores use the original labels;
            `label_review` has the scores with the reviewed ones.

    Raises:
        ValueError: there are no predictions, or they are not of the same cells.
    """
    if not predictions or len(predictions[0].truth) == 0:
        raise ValueError("there is nothing to evaluate")
    first = predictions[0]
    for other in predictions[1:]:
        if other.cell_types != first.cell_types or not np.array_equal(other.truth, first.truth):
            raise ValueError(f"the predictions of {first.model} and {other.model} are not for the same cells")
    sources = np.asarray(first.sources)
    named = sorted(set(first.sources) - {""})
    return Evaluation(
        cell_types=first.cell_types,
        models=tuple(score(p) for p in predictions),
        sources=tuple((name, score(first.where(sources == name))) for name in named),
        slide_level=slide_level(first),
        comparisons=compare(first, predictions[1:]),
        predictions=first,
        label_review=review_labels(predictions, reviewed),
        reviewed=reviewed,
    )
