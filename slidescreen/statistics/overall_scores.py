"""Accuracy, macro F1 and kappa of confusion matrices by name, and how many cells each is worth."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from slidescreen.statistics import rates
from slidescreen.statistics.arrays import Floats, Ints

ScalarStatistic = Literal["accuracy", "macro_f1", "kappa"]

_SCALARS: Mapping[str, Callable[[Ints], Floats]] = {
    "accuracy": rates.accuracy,
    "macro_f1": rates.macro_f1,
    "kappa": rates.kappa,
}
LOWEST: Mapping[ScalarStatistic, float] = {"accuracy": 0.0, "macro_f1": 0.0, "kappa": -1.0}


def scalar_statistic(statistic: str) -> Callable[[Ints], Floats]:
    """Accuracy, macro F1 or kappa of matrices (..., K, K).

    Raises:
        ValueError: unknown statistic.
    """
    if statistic not in _SCALARS:
        raise ValueError(f"statistic must be one of {', '.join(_SCALARS)}, received {statistic!r}")
    return _SCALARS[statistic]


def worth(matrix: Ints, statistic: ScalarStatistic) -> float:
    """The effective number of cells of a statistic of a matrix (K, K): the most independent cells that it is worth.

    Macro F1 weighs types equally, so its cells are worth as many as the harmonic mean of the types' numbers times the
    number of types. Kappa is 1 - errors / errors by chance. If chance makes few errors, because most cells are of one
    type, an error weighs more. On the scale from -1 to 1 the cells are then worth fewer.
    """
    cells = matrix.sum(axis=1).astype(np.float64)
    if statistic == "macro_f1":
        present = cells[cells > 0]
        return float(len(present) ** 2 / np.sum(1 / present))
    whole = float(cells.sum())
    if statistic == "accuracy":
        return whole
    by_chance = float(cells @ matrix.sum(axis=0)) / whole**2
    return whole * min(1.0, 2 * (1 - by_chance))
