"""The variance of the difference between two models' scores on the same cells."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Floats, Ints, at_least, positive_integer, same_length, type_indices

_STEP = 1e-3  # of a cell: the change of a count for a numerical derivative


@dataclass(frozen=True)
class PairedCalls:
    """The kinds of cells, by their type and both models' calls, each of shape (kinds,); the number of cells of each
    kind; and both models' matrices, (2, K, K)."""

    rows: Ints
    columns: tuple[Ints, Ints]
    cells: Ints
    tables: Ints

    @classmethod
    def of(cls, true: ArrayLike, predicted_a: ArrayLike, predicted_b: ArrayLike, n_types: int) -> "PairedCalls":
        """Count the kinds of cells.

        Raises:
            ValueError: shapes differ, an index is outside 0 to K - 1, or there are no cells.
        """
        n_types = positive_integer(n_types, "n_types")
        named = {"true": true, "predicted_a": predicted_a, "predicted_b": predicted_b}
        sides = {name: type_indices(each, n_types, name) for name, each in named.items()}
        same_length(**sides)
        at_least(sides["true"], 1, "true")
        kinds, cells = np.unique(np.stack(list(sides.values()), axis=1), axis=0, return_counts=True)
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
