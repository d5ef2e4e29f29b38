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
from slidescreen.statistics.bootstrap import PairedDifference, ScalarStatistic, scalar_statistic
from slidescreen.statistics.clusters import LEAST_SLIDES, Spread, bounded_limits, jackknife, no_limits, tested
from slidescreen.statistics.intervals import Interval

_STEP = 1e-3  # of a cell: the change of a count for a numerical derivative


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
    lowest = -1.0 if statistic == "kappa" else 0.0
    return bounded_limits(value, spread, _worth(tables, statistic), level, lowest)


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
    calls = _PairedCalls.of(true, predicted_a, predicted_b, n_types)
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


def _worth(tables: SlideTables, statistic: ScalarStatistic) -> float:
    """The effective number of cells of a statistic."""
    cells = tables.whole.sum(axis=1)
    if statistic != "macro_f1":
        return float(cells.sum())
    present = cells[cells > 0]
    return float(len(present) ** 2 / np.sum(1 / present))


@dataclass(frozen=True)
class _PairedCalls:
    """The kinds of cells, by their type and both models' calls, each of shape (kinds,); the number of cells of each
    kind; and both models' matrices, (2, K, K)."""

    rows: Ints
    columns: tuple[Ints, Ints]
    cells: Ints
    tables: Ints

    @classmethod
    def of(cls, true: ArrayLike, predicted_a: ArrayLike, predicted_b: ArrayLike, n_types: int) -> "_PairedCalls":
        sides = [type_indices(each, n_types, "types") for each in (true, predicted_a, predicted_b)]
        kinds, cells = np.unique(np.stack(sides, axis=1), axis=0, return_counts=True)
        rows, a, b = kinds.T
        tables = np.zeros((2, n_types, n_types), dtype=np.int64)
        for table, columns in zip(tables, (a, b), strict=True):
            np.add.at(table, (rows, columns), cells)
        return cls(rows, (a, b), cells, tables)

    def variance_of_single_cells(self, score: Callable[[Ints], Floats]) -> float:
        """The variance of the difference of both scores, by the cells' influences, as if cells were independent."""
        difference = self._influences(0, score) - self._influences(1, score)
        count = int(self.cells.sum())
        centred = difference - np.average(difference, weights=self.cells)
        return float(np.sum(self.cells * centred**2) * count / max(1, count - 1))

    def variance_of_exchanges(self, score: Callable[[Ints], Floats]) -> float:
        """The variance of the difference if chance decided for each cell which model made which of its two calls.

        Source: the randomisation test of two systems' F1 by Yeh, Proceedings of COLING 2000: 947-953, to first order:
        half the change by exchanging one cell's calls is the deviation that this cell contributes.
        """
        one_less, one_more = (self._unit(columns) for columns in self.columns)
        first, second = score(self.tables[0] - one_less + one_more), score(self.tables[1] + one_less - one_more)
        change = first - second - (score(self.tables[0]) - score(self.tables[1]))
        return float(np.sum(self.cells * (change / 2) ** 2))

    def _influences(self, model: int, score: Callable[[Ints], Floats]) -> Floats:
        """The influence of each kind of cell on a model's score: the derivative by its count, shape (kinds,)."""
        moved = _STEP * self._unit(self.columns[model])
        more, less = (score(self.tables[model] + sign * moved) for sign in (1, -1))
        return np.asarray((more - less) / (2 * _STEP))

    def _unit(self, columns: Ints) -> Ints:
        """One cell of each kind in a matrix of its own, (kinds, K, K)."""
        units = np.zeros((len(self.rows), *self.tables.shape[1:]), dtype=np.int64)
        units[np.arange(len(self.rows)), self.rows, columns] = 1
        return units
