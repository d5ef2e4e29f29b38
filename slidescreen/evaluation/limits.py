"""95% limits of one model's scores: over slides if they are known, else over cells taken as independent."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slidescreen.statistics import clustered_tables, roc, single_cells
from slidescreen.statistics.classification import confusion_matrix
from slidescreen.statistics.clusters import LEAST_SLIDES, auroc_limits, no_limits, rate_limits
from slidescreen.statistics.intervals import Interval, wilson
from slidescreen.statistics.overall_scores import ScalarStatistic

Types = tuple[int, ...]
UNKNOWN = Interval(float("nan"), float("nan"), 0.95)


class Limits(Protocol):
    """The limits of each kind of score. Types `inside` count as positive, types `outside` as negative."""

    by: str

    def statistic(self, name: ScalarStatistic) -> Interval[float]: ...

    def precision(self, inside: Types, outside: Types) -> Interval[float]: ...

    def recall(self, inside: Types, outside: Types) -> Interval[float]: ...

    def f1(self, inside: Types, outside: Types) -> Interval[float]: ...

    def auroc(
        self, positive: NDArray[np.bool_], ranked: NDArray[np.float64], among: NDArray[np.bool_]
    ) -> Interval[float]:
        """Limits of the AUROC among the cells `among`. All arguments have the shape (N,)."""
        ...


def limits_of(
    truth: NDArray[np.int64],
    called: NDArray[np.int64],
    n_types: int,
    slides: Sequence[str] | None,
) -> Limits:
    """Set up the limits of a model's calls.

    Args:
        truth, called: (N,) type indices.
        n_types: K.
        slides: (N,) names; None if no slide is known.
    """
    if slides is None or len(truth) == 0:
        return _OfCells(truth, called, n_types)
    return _OfSlides(truth, called, n_types, slides)


class _OfCells:
    """Limits over cells: Wilson's for rates, DeLong's for AUROC, `statistics.single_cells` for the rest."""

    by = "cells"

    def __init__(self, truth: NDArray[np.int64], called: NDArray[np.int64], n_types: int) -> None:
        self._matrix = confusion_matrix(truth, called, n_types)

    def statistic(self, name: ScalarStatistic) -> Interval[float]:
        if name == "accuracy":
            return wilson(int(np.trace(self._matrix)), int(self._matrix.sum()))
        return single_cells.statistic_limits(self._matrix, name)

    def precision(self, inside: Types, outside: Types) -> Interval[float]:
        (_, false), (_, hit) = two_by_two(self._matrix, inside, outside).tolist()
        return wilson(hit, hit + false)

    def recall(self, inside: Types, outside: Types) -> Interval[float]:
        _, (missed, hit) = two_by_two(self._matrix, inside, outside).tolist()
        return wilson(hit, hit + missed)

    def f1(self, inside: Types, outside: Types) -> Interval[float]:
        (_, false), (missed, hit) = two_by_two(self._matrix, inside, outside).tolist()
        return single_cells.f1_limits(hit, missed, false)

    def auroc(
        self, positive: NDArray[np.bool_], ranked: NDArray[np.float64], among: NDArray[np.bool_]
    ) -> Interval[float]:
        return roc.delong_interval(positive[among], ranked[among])


class _OfSlides:
    """Limits over slides, by `statistics.clusters`. Cells on fewer than three slides have none."""

    by = "slides"

    def __init__(
        self, truth: NDArray[np.int64], called: NDArray[np.int64], n_types: int, slides: Sequence[str]
    ) -> None:
        self._slides = np.asarray(slides)
        self._tables = clustered_tables.tabulate(truth, called, n_types, self._slides)

    def statistic(self, name: ScalarStatistic) -> Interval[float]:
        return clustered_tables.statistic_limits(self._tables, name)

    def precision(self, inside: Types, outside: Types) -> Interval[float]:
        tables = two_by_two(self._tables.counts, inside, outside)
        return rate_limits(tables[:, 1, 1], tables[:, :, 1].sum(axis=1))

    def recall(self, inside: Types, outside: Types) -> Interval[float]:
        tables = two_by_two(self._tables.counts, inside, outside)
        return rate_limits(tables[:, 1, 1], tables[:, 1].sum(axis=1))

    def f1(self, inside: Types, outside: Types) -> Interval[float]:
        tables = two_by_two(self._tables.counts, inside, outside)
        if np.count_nonzero(tables[:, 1].sum(axis=1)) < LEAST_SLIDES:  # the others only hold cells falsely called so
            return no_limits(0.95)
        hit, either = tables[:, 1, 1], tables[:, 0, 1] + tables[:, 1, 0] + tables[:, 1, 1]
        return rate_limits(2 * hit, either + hit, most_cells=float(either.sum()))

    def auroc(
        self, positive: NDArray[np.bool_], ranked: NDArray[np.float64], among: NDArray[np.bool_]
    ) -> Interval[float]:
        return auroc_limits(positive[among], ranked[among], self._slides[among])


def two_by_two(matrices: NDArray[np.int64], inside: Types, outside: Types) -> NDArray[np.int64]:
    """Reduce confusion matrices (..., K, K) to two sides: (..., 2, 2), the negative side first."""
    sides = (list(outside), list(inside))
    return np.stack(
        [
            np.stack([matrices[..., true, :][..., called].sum(axis=(-2, -1)) for called in sides], axis=-1)
            for true in sides
        ],
        axis=-2,
    )
