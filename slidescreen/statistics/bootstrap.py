"""Confidence limits by resampling cells, for scores without a formula. For cells from several slides see `clusters`.

Percentile limits: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics import rates
from slidescreen.statistics.arrays import (
    Floats,
    Ints,
    at_least,
    fraction,
    numbers,
    one_dimensional,
    positive_integer,
    same_length,
    square_counts,
    type_indices,
)
from slidescreen.statistics.classification import confusion_matrix
from slidescreen.statistics.intervals import Interval

ScalarStatistic = Literal["accuracy", "macro_f1", "kappa"]

# The number of weights drawn at once (32 MB). It bounds the memory and does not change the draws.
_BLOCK_ENTRIES = 4_000_000

_SCALARS: dict[str, Callable[[Ints], Floats]] = {
    "accuracy": rates.accuracy,
    "macro_f1": rates.macro_f1,
    "kappa": rates.kappa,
}


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
class _Kinds:
    """Kinds of cells: cells with the same true type and the same calls are interchangeable.

    Drawing the number of each kind is equivalent to drawing cells, and far faster.

    Attributes:
        tables: for each model, the place of each kind in the model's matrix, shape (kinds, K * K).
        cells: the number of cells of each kind, shape (kinds,).
    """

    tables: tuple[Floats, ...]
    cells: Ints


def bootstrap_matrices(
    true: ArrayLike,
    predicted: ArrayLike,
    n_types: int,
    resamples: int = 2000,
    seed: int = 0,
) -> Ints:
    """Confusion matrices of resampled cells.

    Args:
        true: type index of each cell, shape (n,), n at least 1.
        predicted: type index that each cell was called, shape (n,).
        n_types: K.
        resamples: number of matrices.
        seed: the same seed gives the same matrices.

    Returns:
        int64 of shape (resamples, K, K).

    Raises:
        ValueError: shapes differ, an index is outside 0 to K - 1, or there are no cells.
    """
    (matrices,) = _resample(true, (predicted,), n_types, resamples, seed)
    return matrices


def percentile_interval(samples: ArrayLike, level: float = 0.95) -> Interval[float]:
    """Percentile limits of a statistic from its resampled values, shape (resamples,).

    Resamples in which the statistic is undefined (NaN) are left out. If all are undefined, the limits are NaN.

    Raises:
        ValueError: wrong shape, no samples, or the level is not between 0 and 1.
    """
    array = one_dimensional(samples, "samples").astype(np.float64)
    at_least(array, 1, "samples")
    defined = numbers(array[~np.isnan(array)], "samples")
    tail = (1 - fraction(level, "level")) / 2
    low, high = np.quantile(defined, (tail, 1 - tail)) if defined.size else (np.nan, np.nan)
    return Interval(float(low), float(high), float(level))


@overload
def statistic_interval(matrices: ArrayLike, statistic: ScalarStatistic, level: float = ...) -> Interval[float]: ...
@overload
def statistic_interval(matrices: ArrayLike, statistic: Literal["f1"], level: float = ...) -> Interval[Floats]: ...
def statistic_interval(
    matrices: ArrayLike, statistic: ScalarStatistic | Literal["f1"], level: float = 0.95
) -> Interval[float] | Interval[Floats]:
    """Percentile limits of a statistic over `bootstrap_matrices`.

    Args:
        matrices: counts, shape (resamples, K, K).
        statistic: "accuracy", "macro_f1" and "kappa" give limits as floats; "f1" gives arrays of shape (K,), one
            value for each type. If a resample holds no cell of a type, it does not count for this type's F1, and the
            type does not count for this resample's macro F1.
        level: confidence level.

    Raises:
        ValueError: wrong shape, no resamples, unknown statistic, or the level is not between 0 and 1.
    """
    checked = square_counts(matrices, "matrices", stack=True)
    if statistic != "f1":
        return percentile_interval(scalar_statistic(statistic)(checked), level)
    of_types = [percentile_interval(samples, level) for samples in rates.f1(checked).T]
    low = np.array([limits.low for limits in of_types])
    high = np.array([limits.high for limits in of_types])
    return Interval(low, high, float(level))


def paired_difference(
    true: ArrayLike,
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    n_types: int,
    statistic: ScalarStatistic = "macro_f1",
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> PairedDifference:
    """Compare two models' accuracy, macro F1 or kappa on the same cells, scored on the same resamples.

    Args:
        true: type index of each cell, shape (n,), n at least 1.
        predicted_a: type index that the first model called each cell, shape (n,).
        predicted_b: type index that the second model called each cell, shape (n,).
        n_types: K.
        statistic: "accuracy", "macro_f1" or "kappa".
        resamples: number of resamples.
        seed: the same seed gives the same result.
        level: confidence level.

    Returns:
        Percentile limits and p. p is about the smallest 1 - level whose limits exclude 0, at least 2 / (resamples + 1).

    Raises:
        ValueError: as `bootstrap_matrices`, or unknown statistic, or the level is not between 0 and 1.

    Source: p by inverting the percentile limits, with the added one of Davison and Hinkley, Bootstrap Methods
    and their Application, 1997, section 4.2.
    """
    score = scalar_statistic(statistic)
    fraction(level, "level")
    a, b = _resample(true, (predicted_a, predicted_b), n_types, resamples, seed)
    observed_a, observed_b = (score(confusion_matrix(true, p, n_types)) for p in (predicted_a, predicted_b))
    differences = score(a) - score(b)
    return PairedDifference(
        difference=float(observed_a - observed_b),
        interval=percentile_interval(differences, level),
        p=_two_sided(differences),
    )


def scalar_statistic(statistic: str) -> Callable[[Ints], Floats]:
    """Accuracy, macro F1 or kappa of matrices (..., K, K).

    Raises:
        ValueError: unknown statistic.
    """
    if statistic not in _SCALARS:
        raise ValueError(f"statistic must be one of {', '.join(_SCALARS)}, received {statistic!r}")
    return _SCALARS[statistic]


def _resample(true: ArrayLike, calls: Sequence[ArrayLike], n_types: int, resamples: int, seed: int) -> list[Ints]:
    """For each model, the matrices of the same resamples, each of shape (resamples, K, K)."""
    n_types = positive_integer(n_types, "n_types")
    rows = type_indices(true, n_types, "true")
    columns = [type_indices(call, n_types, "predicted") for call in calls]
    for column in columns:
        same_length(true=rows, predicted=column)
    at_least(rows, 1, "true")
    kinds = _kinds([rows * n_types + column for column in columns], n_types)
    sums = [np.empty((positive_integer(resamples, "resamples"), n_types**2), dtype=np.int64) for _ in columns]
    for block, weights in _draw(kinds, resamples, seed):
        for total, table in zip(sums, kinds.tables, strict=True):
            # In float64, because BLAS multiplies it fast. Whole numbers far below 2**53 stay exact.
            total[block] = weights @ table
    return [total.reshape(resamples, n_types, n_types) for total in sums]


def _kinds(pairs: list[Ints], n_types: int) -> _Kinds:
    kinds, cells = np.unique(np.stack(pairs, axis=1), axis=0, return_counts=True)
    return _Kinds(tuple(np.eye(n_types**2)[kinds[:, model]] for model in range(len(pairs))), cells)


def _draw(kinds: _Kinds, resamples: int, seed: int) -> Iterator[tuple[slice, Floats]]:
    """Blocks of resamples, each with the number of draws of every kind of cell, shape (block, kinds)."""
    generator = np.random.default_rng(seed)
    step = max(1, _BLOCK_ENTRIES // len(kinds.cells))
    count = int(kinds.cells.sum())
    for start in range(0, resamples, step):
        block = slice(start, min(start + step, resamples))
        drawn = generator.multinomial(count, kinds.cells / count, size=block.stop - block.start)
        yield block, drawn.astype(np.float64)


def _two_sided(differences: Floats) -> float:
    defined = differences[~np.isnan(differences)]
    if len(defined) == 0:
        return float("nan")
    smaller = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    return float(min(1.0, 2 * (1 + smaller) / (len(defined) + 1)))
