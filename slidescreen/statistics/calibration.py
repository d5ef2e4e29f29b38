"""Do probabilities mean what they say: how far off they are, how to mend them, when to abstain."""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike
from scipy import special

from slidescreen.statistics.arrays import (
    SUM_TOLERANCE,
    Bools,
    Floats,
    Ints,
    at_least,
    fraction,
    numbers,
    positive_integer,
    probability_rows,
    same_length,
    truth_values,
    type_indices,
)
from slidescreen.statistics.roc import midranks

# Networks compute in float32, where what lies below its smallest normal number comes out as 0. A 0 therefore
# means "less than this"; without a floor one such cell would make a mean log-likelihood infinite.
FLOOR = float(np.finfo(np.float32).tiny)

COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class ReliabilityCurve:
    """For each bin, from the lowest: its mean confidence, its accuracy and its cells. Shape (bins,)."""

    confidence: Floats
    accuracy: Floats
    cells: Ints


@dataclass(frozen=True)
class RiskCoverage:
    """What abstaining below a confidence leaves: one point for each distinct confidence, from the highest.

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
    """The confidence from which a cell is kept, the fraction of cells kept, and the accuracy of those."""

    threshold: float
    coverage: float
    accuracy: float


def reliability_curve(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> ReliabilityCurve:
    """Accuracy against confidence, in bins of equal numbers of cells.

    Cells of equal confidence share a bin, so that their order cannot matter; where many are equal there are
    fewer and unequal bins.

    Args:
        confidence: probability of the called type, from 0 to 1, shape (n,).
        correct: whether the call is right, booleans of shape (n,).
        bins: how many at most.

    Raises:
        ValueError: shapes differ, values out of range.
    """
    sureness, right = _checked_confidence(confidence, correct)
    n_bins = positive_integer(bins, "bins")
    # A cell's midrank less a half says which bin it falls in; doubled, it is whole and divides exactly.
    position = (2 * midranks(sureness) - 1) * n_bins // max(2 * len(sureness), 1)
    used, bin_of_cell, cells = np.unique(position, return_inverse=True, return_counts=True)
    return ReliabilityCurve(
        confidence=np.bincount(bin_of_cell, weights=sureness, minlength=len(used)) / cells,
        accuracy=np.bincount(bin_of_cell, weights=right, minlength=len(used)) / cells,
        cells=cells.astype(np.int64),
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Mean distance, over the cells, of their bin's accuracy from its mean confidence: 0 if calibrated.

    Bins of equal numbers rather than equal widths: confidences crowd near 1, and a bin of a few cells is
    noise. Arguments and errors as `reliability_curve`; NaN without cells.

    Source: Nguyen and O'Connor, EMNLP 2015, pages 1587-1598 (adaptive bins).
    """
    curve = reliability_curve(confidence, correct, bins)
    if len(curve.cells) == 0:
        return float("nan")
    return float(np.average(np.abs(curve.accuracy - curve.confidence), weights=curve.cells))


def brier_score(true: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over the cells of the squared distance of the probabilities from the truth: 0 best, 2 worst.

    Args:
        true: type indices, shape (n,).
        probabilities: shape (n, K).

    Returns:
        The score, summed over all types (Brier's own, twice the usual one for two types); NaN without cells.

    Raises:
        ValueError: shapes do not fit, values out of range.

    Source: Brier, Monthly Weather Review 1950; 78: 1-3.
    """
    types, table = _checked(true, probabilities)
    if len(types) == 0:
        return float("nan")
    return float(np.mean(np.sum((table - np.eye(table.shape[1])[types]) ** 2, axis=1)))


def negative_log_likelihood(true: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of -log (natural) of the probability given to the true type; NaN without cells.

    A probability below 1.2e-38, the least that float32 holds to full precision, counts as that.

    Args:
        true: type indices, shape (n,).
        probabilities: shape (n, K).

    Raises:
        ValueError: shapes do not fit, values out of range.
    """
    types, table = _checked(true, probabilities)
    if len(types) == 0:
        return float("nan")
    return float(-np.mean(_logarithms(table)[np.arange(len(types)), types]))


def fit_temperature(probabilities: ArrayLike, true: ArrayLike) -> float:
    """The temperature T at which softmax(log probabilities / T) makes the true types most likely.

    Above 1 the model was too sure of itself, below 1 not sure enough. The mean log-likelihood is concave in
    the sharpness 1 / T, so the maximum is the one root of its derivative.

    Args:
        probabilities: of cells that the model was not trained on, shape (n, K).
        true: type indices, shape (n,), n at least 1.

    Returns:
        From 0.05 to 20; a bound if the maximum lies beyond it (every cell right, or worse than chance). 1 if
        no temperature changes anything (all probabilities equal).

    Raises:
        ValueError: shapes do not fit, values out of range, no cells.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
    """
    types, table = _checked(true, probabilities)
    at_least(types, 1, "true")
    logarithms = _logarithms(table)
    if np.all(logarithms == logarithms[:, :1]):
        return 1.0
    against_true = logarithms - logarithms[np.arange(len(types)), types][:, None]

    def surplus(sharpness: float) -> float:
        return float(np.mean(np.sum(special.softmax(sharpness * logarithms, axis=1) * against_true, axis=1)))

    # Rises with sharpness: below the maximum the expected log-probability is less than that of the truth.
    if surplus(1 / COLDEST) <= 0:
        return COLDEST
    if surplus(1 / HOTTEST) >= 0:
        return HOTTEST
    return 1 / float(scipy.optimize.brentq(surplus, 1 / HOTTEST, 1 / COLDEST, xtol=1e-12))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """softmax(log probabilities / T), float64 of shape (n, K); no two types of a cell change their order.

    Args:
        probabilities: shape (n, K).
        temperature: above 0; 1 changes nothing but the rounding.

    Raises:
        ValueError: wrong shape, values out of range, a temperature that is not a number above 0.
    """
    table = probability_rows(probabilities)
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be a finite number above 0, received {temperature!r}")
    result: Floats = special.softmax(_logarithms(table) / temperature, axis=1)
    return result


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """How wrong the kept cells are, against how many are kept, at every threshold of confidence.

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
        The threshold, one of the confidences, from which (itself included) cells are kept; or 0, which keeps
        every later cell too, if all cells together reach the target. None if no threshold does, not even the
        highest confidence, or without cells.

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
    """Confidences from 0 to 1 and whether the calls are right, both of shape (n,), or ValueError."""
    sureness = numbers(confidence, "confidence")
    right = truth_values(correct, "correct")
    same_length(confidence=sureness, correct=right)
    refused = (sureness < 0) | (sureness > 1 + SUM_TOLERANCE)
    if refused.any():
        raise ValueError(f"confidence must be from 0 to 1, received {sureness[refused][0]}")
    return sureness, right


def _checked(true: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    table = probability_rows(probabilities)
    types = type_indices(true, table.shape[1], "true")
    same_length(true=types, probabilities=table)
    return types, table


def _logarithms(table: Floats) -> Floats:
    result: Floats = np.log(np.maximum(table, FLOOR))
    return result


def _kept_and_errors(sureness: Floats, right: Bools) -> tuple[Floats, Ints, Ints]:
    """Distinct confidences from the highest, at each the cells kept, and the wrong among those."""
    distinct, inverse = np.unique(-sureness, return_inverse=True)
    kept = np.cumsum(np.bincount(inverse, minlength=len(distinct)))
    errors = np.cumsum(np.bincount(inverse[~right], minlength=len(distinct)))
    return -distinct, kept, errors
