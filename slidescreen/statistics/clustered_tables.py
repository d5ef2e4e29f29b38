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
        Limits within the statistic's ends; NaN, noted "too few slides", for fewer than three.

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

    The variance is never below that of independent cells.

    Args:
        true, predicted_a, predicted_b: type indices, shape (n,), n at least 1.
        n_types: K.
        statistic: "accuracy", "macro_f1" or "kappa".
        slides: name or number of each cell's slide, shape (n,).
        level: confidence level.

    Returns:
        Limits and p of Student's t; NaN, noted "too few slides", for fewer than three.

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
    singly = _variance_of_single_cells(true, (predicted_a, predicted_b), n_types, score)
    return tested(difference, spread, singly, level)


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


def _variance_of_single_cells(
    true: ArrayLike, predicted: Sequence[ArrayLike], n_types: int, score: Callable[[Ints], Floats]
) -> float:
    """The variance of the difference of two models' scores, by the cells' influences, as if cells were independent."""
    rows = type_indices(true, n_types, "true")
    calls = [type_indices(each, n_types, "predicted") for each in predicted]
    kinds, cells = np.unique(np.stack([rows, *calls], axis=1), axis=0, return_counts=True)
    influences = [_influences(kinds[:, 0], kinds[:, column], cells, n_types, score) for column in (1, 2)]
    difference = influences[0] - influences[1]
    count = int(cells.sum())
    centred = difference - np.average(difference, weights=cells)
    return float(np.sum(cells * centred**2) * count / max(1, count - 1))


def _influences(rows: Ints, columns: Ints, cells: Ints, n_types: int, score: Callable[[Ints], Floats]) -> Floats:
    """The influence of each kind of cell on the score: the derivative by its count, shape (kinds,)."""
    whole = np.zeros((n_types, n_types))
    np.add.at(whole, (rows, columns), cells)
    moved = np.zeros((len(rows), n_types, n_types))
    moved[np.arange(len(rows)), rows, columns] = _STEP
    more, less = (score(whole + sign * moved) for sign in (1, -1))  # type: ignore[arg-type]  # not whole counts
    return np.asarray((more - less) / (2 * _STEP))
