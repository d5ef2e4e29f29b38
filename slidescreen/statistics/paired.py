"""Tests for paired calls of two models or raters on the same cells, and Holm's correction."""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Floats, one_dimensional, same_length, square_counts, truth_values
from slidescreen.statistics.intervals import Interval

_EXACT_BELOW = 25


@dataclass(frozen=True)
class PairedDifference:
    """Difference of a statistic between two models (a - b) on the same cells.

    Attributes:
        difference: the observed difference.
        interval: its confidence limits; NaN if there are none.
        p: two-sided p for the hypothesis of no difference; NaN if there is no test.
    """

    difference: float
    interval: Interval[float]
    p: float


@dataclass(frozen=True)
class McNemar:
    """The cells on which two classifiers differ, and the test of them.

    Attributes:
        only_a: number of cells that only a calls right.
        only_b: number of cells that only b calls right.
        statistic: chi-square with one degree of freedom; NaN if the test is exact.
        p: two-sided.
        exact: whether p is binomial.
    """

    only_a: int
    only_b: int
    statistic: float
    p: float
    exact: bool


@dataclass(frozen=True)
class ChiSquareTest:
    """A statistic, its degrees of freedom and its p."""

    statistic: float
    degrees: int
    p: float


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """Test whether two classifiers are right equally often on the same cells.

    The test compares accuracy. It does not test precision, recall or F1. If the two differ on fewer than 25 cells, p
    is exact binomial; otherwise it is from chi-square with continuity correction. If they never differ, p is 1.

    Args:
        correct_a: whether the first classifier is right, booleans of shape (n,).
        correct_b: whether the second classifier is right, shape (n,).

    Raises:
        ValueError: shapes differ, or not booleans.

    Source: McNemar, Psychometrika 1947; 12: 153-157; the correction is Edwards', 1948; 13: 185-187.

    >>> mcnemar([True] * 8 + [False] * 2, [False] * 6 + [True] * 2 + [False] * 2).p
    0.03125
    """
    a, b = truth_values(correct_a, "correct_a"), truth_values(correct_b, "correct_b")
    same_length(correct_a=a, correct_b=b)
    only_a, only_b = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
    discordant = only_a + only_b
    if discordant < _EXACT_BELOW:
        tail = float(scipy.special.bdtr(min(only_a, only_b), discordant, 0.5)) if discordant else 1.0
        return McNemar(only_a, only_b, float("nan"), min(1.0, 2 * tail), exact=True)
    # The correction may reduce the difference to 0, but not below.
    statistic = max(abs(only_a - only_b) - 1, 0) ** 2 / discordant
    return McNemar(only_a, only_b, statistic, float(scipy.special.chdtrc(1, statistic)), exact=False)


def stuart_maxwell(table: ArrayLike) -> ChiSquareTest:
    """Test whether two raters of the same cells use every type equally often (marginal homogeneity).

    The degrees of freedom are the number of types, minus one for each set of types that is never confused with the
    others: K - 1 if confusions connect all types. Types on which the raters always agree add none. Without any
    disagreement the degrees of freedom are 0 and p is 1.

    Args:
        table: cells by the first rater's type (rows) and the second's (columns), shape (K, K).

    Raises:
        ValueError: not a square table of counts.

    Source: Stuart, Biometrika 1955; 42: 412-416; Maxwell, British Journal of Psychiatry 1970; 116: 651-655.
    """
    counts = square_counts(table, "table").astype(np.float64)
    difference = counts.sum(axis=1) - counts.sum(axis=0)
    exchanged = counts + counts.T
    np.fill_diagonal(exchanged, 0)
    # The covariance is always singular, because the differences sum to 0 within each connected set of types. The
    # differences lie in its range, so only its eigenvectors with a positive eigenvalue count.
    covariance = np.diag(exchanged.sum(axis=1)) - exchanged
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values.max() * len(values) * np.finfo(np.float64).eps
    projected = vectors[:, kept].T @ difference
    return _chi_square(float(np.sum(projected**2 / values[kept])), int(np.count_nonzero(kept)))


def bowker(table: ArrayLike) -> ChiSquareTest:
    """Test whether two raters confuse each pair of types equally often in both directions (symmetry).

    The degrees of freedom are the number of pairs of types with a confusion. Without any confusion p is 1.

    Args:
        table: cells by the first rater's type (rows) and the second's (columns), shape (K, K).

    Raises:
        ValueError: not a square table of counts.

    Source: Bowker, Journal of the American Statistical Association 1948; 43: 572-574.
    """
    counts = square_counts(table, "table").astype(np.float64)
    pairs = np.triu_indices(len(counts), 1)
    above, below = counts[pairs], counts.T[pairs]
    both = above + below
    confused = both > 0
    statistic = np.sum((above - below)[confused] ** 2 / both[confused])
    return _chi_square(float(statistic), int(np.count_nonzero(confused)))


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values for their number, so that the chance of any false rejection stays below the level.

    Args:
        p_values: from 0 to 1, shape (m,). A NaN is a test that was not made: it stays NaN and does not count.

    Returns:
        Adjusted p-values in the given order, shape (m,).

    Raises:
        ValueError: wrong shape, or a value outside 0 to 1.

    Source: Holm, Scandinavian Journal of Statistics 1979; 6: 65-70.

    >>> holm([0.01, float("nan"), 0.5]).tolist()
    [0.02, nan, 0.5]
    """
    adjusted = one_dimensional(p_values, "p_values").astype(np.float64)
    made = np.flatnonzero(~np.isnan(adjusted))
    values = adjusted[made]
    refused = (values < 0) | (values > 1)
    if refused.any():
        raise ValueError(f"p_values must be from 0 to 1, received {values[refused][0]}")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted[made[order]] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _chi_square(statistic: float, degrees: int) -> ChiSquareTest:
    return ChiSquareTest(statistic, degrees, float(scipy.special.chdtrc(degrees, statistic)) if degrees else 1.0)
