"""Limits of F1, macro F1 and kappa of independent cells, and of their difference between two models.

This is the method of `clusters` with every cell as a slide of its own: limits are exact binomial limits for the
effective number of cells, so figures of 0 and 1 have limits too. The variance of a difference is never below that of
independent cells whose two calls chance exchanges.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import fraction, square_counts
from slidescreen.statistics.clusters import Spread, bounded_limits, no_limits, tested
from slidescreen.statistics.intervals import Interval, clopper_pearson
from slidescreen.statistics.overall_scores import LOWEST, ScalarStatistic, scalar_statistic, worth
from slidescreen.statistics.paired import PairedDifference, mcnemar
from slidescreen.statistics.paired_calls import PairedCalls

TOO_FEW = "too few cells"


def f1_limits(hit: int, missed: int, false: int, level: float = 0.95) -> Interval[float]:
    """Exact limits of an F1.

    Of the cells that are of the type or called it, a share J is both. F1 = 2 J / (1 + J), so the exact limits of this
    share give those of F1.

    Args:
        hit: cells of the type that were called it.
        missed: cells of the type that were called another.
        false: cells of another type that were called it.
        level: confidence level.

    Raises:
        ValueError: not whole counts, or the level is not between 0 and 1.
    """
    share = clopper_pearson(hit, hit + missed + false, level)
    return Interval(2 * share.low / (1 + share.low), 2 * share.high / (1 + share.high), level)


def statistic_limits(matrix: ArrayLike, statistic: ScalarStatistic, level: float = 0.95) -> Interval[float]:
    """Limits of accuracy, macro F1 or kappa.

    Args:
        matrix: counts, shape (K, K), rows true.
        statistic: "accuracy", "macro_f1" or "kappa".
        level: confidence level.

    Returns:
        Limits within the statistic's ends; NaN without cells, or if the statistic is undefined; NaN, noted "too few
        cells", if it is undefined without one of the cells.

    Raises:
        ValueError: not whole counts, unknown statistic, or the level is not between 0 and 1.
    """
    score, counts = scalar_statistic(statistic), square_counts(matrix, "matrix")
    fraction(level, "level")
    value = float(score(counts))
    if np.isnan(value):
        return Interval(np.nan, np.nan, level)
    places = np.argwhere(counts > 0)
    units = np.zeros((len(places), *counts.shape), dtype=np.int64)
    units[np.arange(len(places)), places[:, 0], places[:, 1]] = 1
    change = score(counts - units) - value
    number = int(counts.sum())
    variance = (number - 1) / number * float(np.sum(counts[counts > 0] * change**2))
    if np.isnan(variance):
        return no_limits(level, TOO_FEW)
    return bounded_limits(value, Spread(variance, np.inf), worth(counts, statistic), level, LOWEST[statistic])


def paired_difference(
    true: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    n_types: int,
    statistic: ScalarStatistic,
    level: float = 0.95,
) -> PairedDifference:
    """Compare two models' accuracy, macro F1 or kappa on the same cells (a - b).

    Args:
        true, predicted_a, predicted_b: type indices, shape (n,), n at least 1.
        n_types: K.
        statistic: "accuracy", "macro_f1" or "kappa".
        level: confidence level.

    Returns:
        Limits and p of Student's t. For accuracy, p is never below McNemar's. If all calls are the same, p is 1, and
        the limits are NaN, noted "no cells differ"; if the statistic is undefined, p is NaN too.

    Raises:
        ValueError: shapes differ, an index is outside 0 to K - 1, there are no cells, unknown statistic, or the level
            is not between 0 and 1.
    """
    score, level = scalar_statistic(statistic), fraction(level, "level")
    calls = PairedCalls.of(true, predicted_a, predicted_b, n_types)
    difference = float(score(calls.tables[0]) - score(calls.tables[1]))
    least = max(calls.variance_of_single_cells(score), calls.variance_of_exchanges(score))
    if np.isnan(difference) or np.isnan(least):
        return PairedDifference(difference, no_limits(level, TOO_FEW), np.nan)
    found = tested(difference, Spread(least, max(1.0, worth(calls.tables[0], statistic) - 1)), least, level)
    most = 1 - LOWEST[statistic]
    low, high = max(found.interval.low, -most), min(found.interval.high, most)
    within = replace(found, interval=replace(found.interval, low=low, high=high))
    if statistic != "accuracy":
        return within
    right = (np.asarray(true) == np.asarray(predicted) for predicted in (predicted_a, predicted_b))
    return replace(within, p=max(within.p, mcnemar(*right).p))
