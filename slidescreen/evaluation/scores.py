"""The scores of one model, and their limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.evaluation.limits import UNKNOWN, Limits, limits_of, two_by_two
from slidescreen.evaluation.predictions import Predictions
from slidescreen.statistics import calibration, classification, roc
from slidescreen.statistics.intervals import Interval

NAN = float("nan")

GROUPS: Mapping[str, Sequence[str]] = {**cells.GROUPS, "other_objects": cells.OTHER_OBJECTS}
_IMMATURE = cells.BLASTS + cells.IMMATURE_GRANULOCYTES
CONTRASTS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "myeloblast_against_lymphoblast": (("myeloblast",), ("lymphoblast",)),
    "immature_against_mature": (_IMMATURE, tuple(name for name in cells.LEUKOCYTES if name not in _IMMATURE)),
}
"""Pairs of groups to tell apart, among the cells whose true type is in one of them. The first counts as positive."""


@dataclass(frozen=True)
class TypeScores:
    """One cell type or group against the rest, or against another one. Rates are 0–1, NaN if undefined.

    `support` counts the cells that truly belong to it, `predicted` the cells that were called it.
    """

    name: str
    support: int
    predicted: int
    precision: float
    precision_limits: Interval[float]
    recall: float
    recall_limits: Interval[float]
    specificity: float
    f1: float
    f1_limits: Interval[float]
    auroc: float
    auroc_limits: Interval[float]
    average_precision: float


@dataclass(frozen=True)
class ProbabilityCalibration:
    """Calibration of the calls' probabilities, with every cell called. Curves are (x, y) pairs."""

    expected_error: float
    brier: float
    negative_log_likelihood: float
    reliability: tuple[tuple[float, float], ...]
    risk_coverage: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ModelScores:
    """One model's scores. Unless noted otherwise they are for the cells that it called.

    `limits_by` is the unit that the limits take as independent: `slides` if known, else `cells`.
    """

    model: str
    cells: int
    called: int
    accuracy: float
    accuracy_limits: Interval[float]
    accuracy_every_cell_called: float
    balanced_accuracy: float
    kappa: float
    kappa_limits: Interval[float]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    macro_f1_limits: Interval[float]
    types_with_support: int
    micro_f1: float
    weighted_f1: float
    leukocyte_macro_f1: float
    top_2_accuracy: float
    macro_auroc: float
    limits_by: str
    types: tuple[TypeScores, ...]
    groups: tuple[TypeScores, ...]
    contrasts: tuple[TypeScores, ...]
    calibration: ProbabilityCalibration | None
    confusion: NDArray[np.int64]

    @property
    def rows(self) -> tuple[TypeScores, ...]:
        """Types, groups and contrasts, in the order of every table."""
        return (*self.types, *self.groups, *self.contrasts)


def score(predictions: Predictions) -> ModelScores:
    """Score one model; see `evaluate`."""
    kept = predictions.called >= 0
    truth, called = predictions.truth[kept], predictions.called[kept]
    types = predictions.cell_types
    matrix = classification.confusion_matrix(truth, called, len(types))
    scores = classification.per_type(matrix)
    macro = classification.macro(scores.f1)
    limits = limits_of(truth, called, len(types), predictions.where(kept).independent_units())
    probabilities = None if predictions.probabilities is None else predictions.probabilities[kept]
    judge = _Judge(types, matrix, limits, truth, probabilities)
    of_types = tuple(judge.against_rest(name, (i,)) for i, name in enumerate(types))
    leukocytes = cells.indices(types, cells.LEUKOCYTES)
    return ModelScores(
        model=predictions.model,
        cells=len(kept),
        called=len(truth),
        accuracy=classification.accuracy(matrix),
        accuracy_limits=limits.statistic("accuracy"),
        accuracy_every_cell_called=float((predictions.forced() == predictions.truth).mean()),
        balanced_accuracy=classification.balanced_accuracy(matrix),
        kappa=classification.cohen_kappa(matrix),
        kappa_limits=limits.statistic("kappa"),
        macro_precision=classification.macro(scores.precision[scores.support > 0]).value,
        macro_recall=classification.macro(scores.recall).value,
        macro_f1=macro.value,
        macro_f1_limits=limits.statistic("macro_f1"),
        types_with_support=macro.n_types,
        micro_f1=classification.micro_f1(matrix),
        weighted_f1=classification.weighted(scores.f1, scores.support),
        leukocyte_macro_f1=classification.macro(scores.f1[leukocytes]).value,
        top_2_accuracy=NAN if probabilities is None else classification.top_k_accuracy(truth, probabilities, 2),
        macro_auroc=classification.macro([t.auroc for t in of_types]).value,
        limits_by=limits.by,
        types=of_types,
        groups=tuple(judge.against_rest(name, inside) for name, inside in _members(types, GROUPS)),
        contrasts=tuple(judge.contrast(name, *sides) for name, *sides in _contrasts(types)),
        calibration=_calibration(predictions),
        confusion=matrix,
    )


def _members(types: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each group with members among the types, and the positions of these members."""
    for name, members in groups.items():
        inside = tuple(cells.indices(types, members))
        if inside:
            yield name, inside


def _contrasts(types: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    for name, sides in CONTRASTS.items():
        positive, negative = (tuple(cells.indices(types, side)) for side in sides)
        if positive and negative:
            yield name, positive, negative


@dataclass(frozen=True)
class _Judge:
    """Scores any group on one model's called cells.

    Attributes:
        types: the K types.
        matrix: confusion matrix (K, K).
        limits: the limits of scores on these cells.
        truth: (N,) indices.
        probabilities: (N, K) or None.
    """

    types: Sequence[str]
    matrix: NDArray[np.int64]
    limits: Limits
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None

    def against_rest(self, name: str, inside: tuple[int, ...]) -> TypeScores:
        """A group against every other type."""
        rest = tuple(i for i in range(len(self.types)) if i not in inside)
        ranked = None if self.probabilities is None else self.probabilities[:, list(inside)].sum(axis=1)
        return self._scores(name, inside, rest, np.ones(len(self.truth), dtype=np.bool_), ranked)

    def contrast(self, name: str, positive: tuple[int, ...], negative: tuple[int, ...]) -> TypeScores:
        """A group against another; counts are of cells that were called one of the two."""
        among = np.isin(self.truth, positive + negative)
        ranked = None
        if self.probabilities is not None:
            first, second = (self.probabilities[:, list(side)].sum(axis=1) for side in (positive, negative))
            ranked = first / np.maximum(first + second, 1e-300)
        return self._scores(name, positive, negative, among, ranked)

    def _scores(
        self,
        name: str,
        inside: tuple[int, ...],
        outside: tuple[int, ...],
        among: NDArray[np.bool_],
        ranked: NDArray[np.float64] | None,
    ) -> TypeScores:
        """Scores among the cells `among`. `among` and `ranked` have the shape (N,)."""
        table = two_by_two(self.matrix, inside, outside)
        (_, false), (missed, hit) = table.tolist()
        scores = classification.binary_scores(table)
        positive = np.isin(self.truth, inside)
        rankable = None if ranked is None or len(np.unique(positive[among])) < 2 else ranked
        sides = None if rankable is None else (positive[among], rankable[among])
        return TypeScores(
            name=name,
            support=hit + missed,
            predicted=hit + false,
            precision=scores.precision,
            precision_limits=self.limits.precision(inside, outside),
            recall=scores.sensitivity,
            recall_limits=self.limits.recall(inside, outside),
            specificity=scores.specificity,
            f1=scores.f1 if hit + missed else NAN,
            f1_limits=self.limits.f1(inside, outside) if hit + missed else UNKNOWN,
            auroc=NAN if sides is None else roc.auroc(*sides),
            auroc_limits=UNKNOWN if rankable is None else self.limits.auroc(positive, rankable, among),
            average_precision=NAN if sides is None else roc.average_precision(*sides),
        )


def _calibration(predictions: Predictions) -> ProbabilityCalibration | None:
    probabilities = predictions.probabilities
    if probabilities is None:
        return None
    called = predictions.forced()
    confidence = probabilities[np.arange(len(called)), called]
    correct = called == predictions.truth
    curve = calibration.reliability_curve(confidence, correct)
    risk = calibration.risk_coverage(confidence, correct)
    chosen = np.unique(np.linspace(0, len(risk.coverage) - 1, 200).astype(int))
    return ProbabilityCalibration(
        expected_error=calibration.expected_calibration_error(confidence, correct),
        brier=calibration.brier_score(predictions.truth, probabilities),
        negative_log_likelihood=calibration.negative_log_likelihood(predictions.truth, probabilities),
        reliability=tuple(zip(curve.confidence.tolist(), curve.accuracy.tolist(), strict=True)),
        risk_coverage=tuple(zip(risk.coverage[chosen].tolist(), risk.risk[chosen].tolist(), strict=True)),
    )
