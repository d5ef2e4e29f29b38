"""Calibration of probabilities: their errors, and when to abstain. `scaling` corrects them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import (
    SUM_TOLERANCE,
    Bools,
    Floats,
    Ints,
    fraction,
    numbers,
    positive_integer,
    probability_rows,
    same_length,
    truth_values,
    type_indices,
)
from slidescreen.statistics.roc import midranks

# Networks compute in float32 and give 0 for numbers below its smallest normal one. A 0 therefore means "less than
# this". Without a floor one such cell would make the mean log-likelihood infinite.
FLOOR = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class ReliabilityCurve:
    """Mean confidence, accuracy and number of cells of each bin, from the lowest. Shape (bins,)."""

    confidence: Floats
    accuracy: Floats
    cells: Ints


@dataclass(frozen=True)
class RiskCoverage:
    """The result of abstaining below a confidence: one point for each distinct confidence, from the highest.

    Attributes:
        thresholds: a cell is kept if its confidence is at least this, shape (points,).
        coverage: fraction of the cells kept.
        risk: fraction of the kept cells called wrong.
    """

    thresholds: Floats
    coverage: Floats
    risk: Floats


@dataclass(frozen=True)
class RejectionThreshold:
    """The lowest confidence at which a cell is kept, the fraction of cells kept, and their accuracy."""

    threshold: float
    coverage: float
    accuracy: float


def reliability_curve(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> ReliabilityCurve:
    """Accuracy against confidence, in bins of equal numbers of cells.

    Cells of equal confidence share a bin, so that their order does not matter. Many equal confidences give fewer and
    unequal bins.

    Args:
        confidence: probability of the called type, from 0 to 1, shape (n,).
        correct: whether the call is right, booleans of shape (n,).
        bins: the largest number of bins.

    Raises:
        ValueError: shapes differ, values out of range.
    """
    sureness, right = _checked_confidence(confidence, correct)
    n_bins = positive_integer(bins, "bins")
    # A cell's midrank minus a half gives its bin. Doubled, it is a whole number and divides exactly.
    position = (2 * midranks(sureness) - 1) * n_bins // max(2 * len(sureness), 1)
    used, bin_of_cell, cells = np.unique(position, return_inverse=True, return_counts=True)
    return ReliabilityCurve(
        confidence=np.bincount(bin_of_cell, weights=sureness, minlength=len(used)) / cells,
        accuracy=np.bincount(bin_of_cell, weights=right, minlength=len(used)) / cells,
        cells=cells.astype(np.int64),
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """The distance of a bin's accuracy from its mean confidence, averaged over the cells: 0 if calibrated.

    The bins have equal numbers of cells, not equal widths: most confidences lie near 1, and a bin of a few cells is
    noise. Arguments and errors are those of `reliability_curve`. The result is NaN without cells.

    Source: Nguyen and O'Connor, EMNLP 2015, pages 1587-1598 (adaptive bins).
    """
    curve = reliability_curve(confidence, correct, bins)
    if len(curve.cells) == 0:
        return float("nan")
    return float(np.average(np.abs(curve.accuracy - curve.confidence), weights=curve.cells))


def brier_score(true: ArrayLike, probabilities: ArrayLike) -> float:
    """The squared distance of the probabilities from the truth, averaged over the cells: 0 best, 2 worst.

    Args:
        true: type indices, shape (n,).
        probabilities: shape (n, K).

    Returns:
        The score, summed over all types as in Brier's paper; for two types it is twice the usual score. NaN without
        cells.

    Raises:
        ValueError: shapes do not fit, values out of range.

    Source: Brier, Monthly Weather Review 1950; 78: 1-3.
    """
    types, table = checked(true, probabilities)
    if len(types) == 0:
        return float("nan")
    return float(np.mean(np.sum((table - np.eye(table.shape[1])[types]) ** 2, axis=1)))


def negative_log_likelihood(true: ArrayLike, probabilities: ArrayLike) -> float:
    """The mean of the negative natural logarithm of the true type's probability; NaN without cells.

    A probability below 1.2e-38 counts as 1.2e-38, the smallest number that float32 holds to full precision.

    Args:
        true: type indices, shape (n,).
        probabilities: shape (n, K).

    Raises:
        ValueError: shapes do not fit, values out of range.
    """
    types, table = checked(true, probabilities)
    if len(types) == 0:
        return float("nan")
    return float(-np.mean(logarithms(table)[np.arange(len(types)), types]))


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """The error rate of the kept cells and the fraction kept, at every threshold of confidence.

    Args:
        confidence: probability of the called type, from 0 to 1, shape (n,).
        correct: whether the call is right, booleans of shape (n,).

    Raises:
        ValueError: shapes differ, values out of range.

    Source: El-Yaniv and Wiener, Journal of Machine Learning Research 2010; 11: 1605-1641.
    """
    sureness, right = _checked_confidence(confidence, correct)
    thresholds, kept, errors = _kept_and_errors(sureness, right)
    return RiskCoverage(thresholds, kept / max(len(sureness), 1), errors / kept)


def rejection_threshold(confidence: ArrayLike, correct: ArrayLike, target_accuracy: float) -> RejectionThreshold | None:
    """The lowest threshold of confidence at which the accuracy of the kept cells reaches a target.

    Args:
        confidence: probability of the called type, from 0 to 1, shape (n,).
        correct: whether the call is right, booleans of shape (n,).
        target_accuracy: from 0 to 1.

    Returns:
        The threshold: one of the confidences. Cells at or above it are kept. If all cells together reach the target,
        it is 0, so that every later cell is kept too. None if no threshold reaches the target, or without cells.

    Raises:
        ValueError: shapes differ, values out of range.
    """
    target = fraction(target_accuracy, "target_accuracy", ends=True)
    sureness, right = _checked_confidence(confidence, correct)
    thresholds, kept, errors = _kept_and_errors(sureness, right)
    accuracies = (kept - errors) / kept
    reached = np.flatnonzero(accuracies >= target)
    if len(reached) == 0:
        return None
    last = reached[-1]
    threshold = 0.0 if last == len(thresholds) - 1 else float(thresholds[last])
    return RejectionThreshold(threshold, float(kept[last] / len(sureness)), float(accuracies[last]))


def _checked_confidence(confidence: ArrayLike, correct: ArrayLike) -> tuple[Floats, Bools]:
    """Check and return the confidences (n,), 0 to 1, and the booleans (n,) that say which calls are right."""
    sureness = numbers(confidence, "confidence")
    right = truth_values(correct, "correct")
    same_length(confidence=sureness, correct=right)
    refused = (sureness < 0) | (sureness > 1 + SUM_TOLERANCE)
    if refused.any():
        raise ValueError(f"confidence must be from 0 to 1, received {sureness[refused][0]}")
    return sureness, right


def checked(true: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    """Check and return type indices (n,) and probabilities (n, K) that fit each other.

    Raises:
        ValueError: they do not fit, or values are out of range.
    """
    table = probability_rows(probabilities)
    types = type_indices(true, table.shape[1], "true")
    same_length(true=types, probabilities=table)
    return types, table


def logarithms(table: Floats) -> Floats:
    """Natural logarithms of probabilities. 0 counts as `FLOOR`."""
    result: Floats = np.log(np.maximum(table, FLOOR))
    return result


def _kept_and_errors(sureness: Floats, right: Bools) -> tuple[Floats, Ints, Ints]:
    """Distinct confidences from the highest, with the number of cells kept and of wrong ones among them."""
    distinct, inverse = np.unique(-sureness, return_inverse=True)
    kept = np.cumsum(np.bincount(inverse, minlength=len(distinct)))
    errors = np.cumsum(np.bincount(inverse[~right], minlength=len(distinct)))
    return -distinct, kept, errors
