"""Limits of accuracy, macro F1 and kappa of cells from several slides, and of their difference between two models.

See `clusters` for the method.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import (
    Floats,
    Ints,
    at_least,
    fraction,
    one_dimensional,
    positive_integer,
    same_length,
    type_indices,
)
from slidescreen.statistics.clusters import LEAST_SLIDES, Spread, bounded_limits, jackknife, no_limits, tested
from slidescreen.statistics.intervals import Interval
from slidescreen.statistics.overall_scores import LOWEST, ScalarStatistic, scalar_statistic, worth
from slidescreen.statistics.paired import PairedDifference
from slidescreen.statistics.paired_calls import PairedCalls


@dataclass(frozen=True)
class SlideTables:
    """Each slide's confusion matrix, (G, K, K), in the order of the slides' names."""

    counts: Ints

    @property
    def whole(self) -> Ints:
        """The matrix (K, K) of all slides."""
        result: Ints = self.counts.sum(axis=0)
        return result


def tabulate(true: ArrayLike, predicted: ArrayLike, n_types: int, slides: ArrayLike) -> SlideTables:
    """Count each slide's cells.

    Args:
        true: type index of each cell, shape (n,), n at least 1.
        predicted: type index that each cell was called, shape (n,).
        n_types: K.
        slides: name or number of each cell's slide, shape (n,).

    Raises:
        ValueError: shapes differ, an index is outside 0 to K - 1, or there are no cells.
    """
    n_types = positive_integer(n_types, "n_types")
    rows, columns = type_indices(true, n_types, "true"), type_indices(predicted, n_types, "predicted")
    names = one_dimensional(slides, "slides")
    same_length(true=rows, predicted=columns, slides=names)
    at_least(rows, 1, "true")
    distinct, slide = np.unique(names, return_inverse=True)
    size = n_types**2
    flat = np.bincount(slide * size + rows * n_types + columns, minlength=len(distinct) * size)
    return SlideTables(flat.astype(np.int64).reshape(len(distinct), n_types, n_types))


def statistic_limits(tables: SlideTables, statistic: ScalarStatistic, level: float = 0.95) -> Interval[float]:
    """Limits of accuracy, macro F1 or kappa over slides.

    Returns:
        Limits within the statistic's ends; NaN, noted "too few slides", for fewer than three, or if the statistic is
        undefined without one of the slides.

    Raises:
        ValueError: unknown statistic, or the level is not between 0 and 1.
    """
    score = scalar_statistic(statistic)
    fraction(level, "level")
    if len(tables.counts) < LEAST_SLIDES:
        return no_limits(level)
    value, spread = _spread([tables], score, _weights(tables, statistic))
    if np.isnan(value):
        return Interval(np.nan, np.nan, level)
    if np.isnan(spread.variance):
        return no_limits(level)
    return bounded_limits(value, spread, worth(tables.whole, statistic), level, LOWEST[statistic])


def paired_difference(
    true: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    n_types: int,
    statistic: ScalarStatistic,
    slides: ArrayLike,
    level: float = 0.95,
) -> PairedDifference:
    """Compare two models' accuracy, macro F1 or kappa on the same cells of the same slides (a - b).

    The variance is never below that of independent cells, nor below that of independent cells whose two calls chance
    exchanges.

    Args:
        true, predicted_a, predicted_b: type indices, shape (n,), n at least 1.
        n_types: K.
        statistic: "accuracy", "macro_f1" or "kappa".
        slides: name or number of each cell's slide, shape (n,).
        level: confidence level.

    Returns:
        Limits and p of Student's t; NaN, noted "too few slides", for fewer than three, or if the statistic is undefined
        without one of the slides. If all calls are the same, p is 1, and the limits are NaN, noted "no cells differ".

    Raises:
        ValueError: as `tabulate`, or unknown statistic, or the level is not between 0 and 1.
    """
    score = scalar_statistic(statistic)
    fraction(level, "level")
    both = [tabulate(true, predicted, n_types, slides) for predicted in (predicted_a, predicted_b)]
    if len(both[0].counts) < LEAST_SLIDES:
        difference = float(score(both[0].whole) - score(both[1].whole))
        return PairedDifference(difference, no_limits(level), float("nan"))
    difference, spread = _spread(both, score, _weights(both[0], statistic))
    if np.isnan(spread.variance):
        return PairedDifference(difference, no_limits(level), float("nan"))
    calls = PairedCalls.of(true, predicted_a, predicted_b, n_types)
    least = max(calls.variance_of_single_cells(score), calls.variance_of_exchanges(score))
    return tested(difference, spread, least, level)


def _spread(sides: Sequence[SlideTables], score: Callable[[Ints], Floats], weights: Floats) -> tuple[float, Spread]:
    """A statistic of one model, or its difference between two models, and the spread of that value."""
    values = [float(score(side.whole)) for side in sides]
    without = [score(side.whole - side.counts) for side in sides]
    if len(sides) == 1:
        return values[0], jackknife(values[0], without[0], weights)
    difference = values[0] - values[1]
    return difference, jackknife(difference, without[0] - without[1], weights)


def _weights(tables: SlideTables, statistic: ScalarStatistic) -> Floats:
    """Each slide's weight in a statistic: its part of all cells, or of each type's cells if types count equally."""
    if statistic != "macro_f1":
        cells = tables.counts.sum(axis=(1, 2))
        return np.asarray(cells / cells.sum())
    cells = tables.counts.sum(axis=2)
    present = cells.sum(axis=0) > 0
    return np.asarray((cells[:, present] / cells[:, present].sum(axis=0)).mean(axis=1))
