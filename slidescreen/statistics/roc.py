"""Ranking: ROC and precision-recall curves, the area under the ROC curve, DeLong's limits and test.

`positive`, shape (n,), says which cells are of the type. `scores`, shape (n,), are higher for cells that look more like
it. If one of the two classes is missing, areas, limits and tests are NaN.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Bools, Floats, fraction, numbers, same_length, truth_values
from slidescreen.statistics.intervals import Interval, normal_quantile
from slidescreen.statistics.rates import ratio


@dataclass(frozen=True)
class RocCurve:
    """One point for each distinct score, from the highest, after (0, 0) at the threshold infinity.

    A cell counts as called if its score is at least the threshold. Arrays of one shape (points,).
    """

    false_positive_rate: Floats
    true_positive_rate: Floats
    thresholds: Floats


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """One point for each distinct score, from the highest, without an artificial point at recall 0. Shape (points,)."""

    precision: Floats
    recall: Floats
    thresholds: Floats


@dataclass(frozen=True)
class DelongTest:
    """Difference of two AUROCs on the same cells (a - b), its z and its two-sided p."""

    difference: float
    z: float
    p: float


@dataclass(frozen=True)
class _Placements:
    """For each cell, twice the number of cells of the other class with a lower score. Ties count half."""

    of_positives: Floats
    of_negatives: Floats


def roc_curve(positive: ArrayLike, scores: ArrayLike) -> RocCurve:
    """True positive rate against false positive rate at every threshold.

    Points on a line between others are kept. Rates of a missing class are NaN.

    Raises:
        ValueError: shapes differ, scores are NaN, or `positive` is not booleans.
    """
    truth, values = _checked(positive, scores)
    hits, false_alarms, thresholds = _cumulative(truth, values)
    start = np.zeros(1)
    return RocCurve(
        false_positive_rate=ratio(np.concatenate((start, false_alarms)), np.count_nonzero(~truth)),
        true_positive_rate=ratio(np.concatenate((start, hits)), np.count_nonzero(truth)),
        thresholds=np.concatenate((start + np.inf, thresholds)),
    )


def precision_recall_curve(positive: ArrayLike, scores: ArrayLike) -> PrecisionRecallCurve:
    """Precision and recall at every threshold. Recall without positives is NaN.

    Raises:
        ValueError: shapes differ, scores are NaN, or `positive` is not booleans.
    """
    truth, values = _checked(positive, scores)
    hits, false_alarms, thresholds = _cumulative(truth, values)
    return PrecisionRecallCurve(
        precision=ratio(hits, hits + false_alarms),
        recall=ratio(hits, np.count_nonzero(truth)),
        thresholds=thresholds,
    )


def average_precision(positive: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve: the sum of precision times the step in recall.

    NaN without positives.

    Raises:
        ValueError: as `precision_recall_curve`.
    """
    curve = precision_recall_curve(positive, scores)
    if len(curve.recall) == 0:
        return float("nan")
    return float(np.sum(curve.precision * np.diff(curve.recall, prepend=0.0)))


def auroc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Probability that a positive cell scores above a negative one. Ties count half.

    Raises:
        ValueError: shapes differ, scores are NaN, or `positive` is not booleans.

    Source: the Mann-Whitney statistic, from midranks.

    >>> auroc([True, True, False, False], [0.9, 0.4, 0.4, 0.1])
    0.875
    """
    return _area(_placements(*_checked(positive, scores)))


def delong_variance(positive: ArrayLike, scores: ArrayLike) -> float:
    """Variance of the AUROC by DeLong, in O(n log n); NaN with fewer than two cells of either class.

    Raises:
        ValueError: as `auroc`.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; 44: 837-845, by the midranks of Sun and Xu,
    IEEE Signal Processing Letters 2014; 21: 1389-1393.
    """
    return _variance(_placements(*_checked(positive, scores)))


def influences(positive: ArrayLike, scores: ArrayLike) -> Floats:
    """The influence of each cell on the AUROC, shape (n,).

    The influences add up to 0. To first order, leaving out a group of cells changes the AUROC by minus the sum of their
    influences. NaN if one of the two classes is missing.

    Raises:
        ValueError: as `auroc`.

    Source: DeLong's structural components, see `delong_variance`.
    """
    truth, values = _checked(positive, scores)
    placements = _placements(truth, values)
    area, m, n = _area(placements), np.count_nonzero(truth), np.count_nonzero(~truth)
    result = np.full(len(truth), np.nan)
    if m and n:
        result[truth] = (placements.of_positives / (2 * n) - area) / m
        result[~truth] = (1 - placements.of_negatives / (2 * m) - area) / n
    return result


def delong_interval(positive: ArrayLike, scores: ArrayLike, level: float = 0.95) -> Interval[float]:
    """Confidence limits of the AUROC from DeLong's variance, symmetric on the logit scale.

    AUROCs of cell types lie close to 1. Limits on the plain scale would reach past 1 and, once clipped, cover too
    seldom (Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2).

    At an AUROC of exactly 1 the variance is 0 and gives no limits. The lower limit is then that of min(m, n) successes
    in min(m, n) trials: m positives and n negatives hold min(m, n) disjoint, independent pairs, and the probability
    that all are ranked correctly is at most AUROC ** min(m, n). An AUROC of exactly 0 is treated in the same way.

    Returns:
        Limits from 0 to 1; NaN if the variance is undefined.

    Raises:
        ValueError: as `auroc`, or the level is not between 0 and 1.
    """
    level = fraction(level, "level")
    truth, values = _checked(positive, scores)
    placements = _placements(truth, values)
    area = _area(placements)
    if area in (0.0, 1.0):
        pairs = min(np.count_nonzero(truth), np.count_nonzero(~truth))
        bound = ((1 - level) / 2) ** (1 / pairs)
        return Interval(bound, 1.0, level) if area == 1.0 else Interval(0.0, 1 - bound, level)
    reach = normal_quantile(level) * np.sqrt(_variance(placements)) / (area * (1 - area))
    centre = scipy.special.logit(area)
    return Interval(float(scipy.special.expit(centre - reach)), float(scipy.special.expit(centre + reach)), level)


def delong_test(positive: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> DelongTest:
    """Test whether two scores of the same cells have the same AUROC.

    Returns:
        The difference of the AUROCs (a - b), z and the two-sided p. Two scores that rank every pair alike
        give z 0 and p 1. A difference without variance (one score perfect, the other perfectly wrong) leaves
        z and p NaN.

    Raises:
        ValueError: as `auroc`.

    Source: as `delong_variance`.
    """
    truth, values_a = _checked(positive, scores_a, "scores_a")
    _, values_b = _checked(positive, scores_b, "scores_b")
    a, b = _placements(truth, values_a), _placements(truth, values_b)
    difference = _area(a) - _area(b)
    # The variance of the placements' difference includes their covariance, without cancellation.
    variance = _variance(_Placements(a.of_positives - b.of_positives, a.of_negatives - b.of_negatives))
    if variance == 0:
        alike = np.array_equal(a.of_positives, b.of_positives)
        return DelongTest(difference, 0.0, 1.0) if alike else DelongTest(difference, np.nan, np.nan)
    z = float(difference / np.sqrt(variance))
    return DelongTest(difference, z, float(2 * scipy.special.ndtr(-abs(z))))


def midranks(values: Floats) -> Floats:
    """Rank of each value among all, from 1, shape (n,). Equal values share the mean of their ranks."""
    _, inverse, repeats = np.unique(values, return_inverse=True, return_counts=True)
    result: Floats = (np.cumsum(repeats) - (repeats - 1) / 2)[inverse]
    return result


def _checked(positive: ArrayLike, scores: ArrayLike, name: str = "scores") -> tuple[Bools, Floats]:
    truth = truth_values(positive, "positive")
    values = numbers(scores, name, finite=False)
    same_length(positive=truth, **{name: values})
    return truth, values


def _cumulative(truth: Bools, values: Floats) -> tuple[Floats, Floats, Floats]:
    """True and false positives at each distinct score, from the highest, and that score."""
    distinct, inverse = np.unique(-values, return_inverse=True)
    hits = np.bincount(inverse[truth], minlength=len(distinct))
    false_alarms = np.bincount(inverse[~truth], minlength=len(distinct))
    return np.cumsum(hits).astype(np.float64), np.cumsum(false_alarms).astype(np.float64), -distinct


def _placements(truth: Bools, values: Floats) -> _Placements:
    # The rank among all minus the rank within the cell's class is the number of lower cells of the other class (Sun and
    # Xu). Twice that is a whole number, so that constant placements have a variance of exactly 0.
    ranks = midranks(values)
    below_positive = 2 * (ranks[truth] - midranks(values[truth]))
    below_negative = 2 * (ranks[~truth] - midranks(values[~truth]))
    return _Placements(below_positive, below_negative)


def _area(placements: _Placements) -> float:
    m, n = len(placements.of_positives), len(placements.of_negatives)
    return float(ratio(np.sum(placements.of_positives), 2.0 * m * n))


def _variance(placements: _Placements) -> float:
    m, n = len(placements.of_positives), len(placements.of_negatives)
    if m < 2 or n < 2:
        return float("nan")
    of_positives = np.var(placements.of_positives, ddof=1) / (2 * n) ** 2
    of_negatives = np.var(placements.of_negatives, ddof=1) / (2 * m) ** 2
    return float(of_positives / m + of_negatives / n)
