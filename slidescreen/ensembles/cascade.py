"""A fast mode: one network decides the cells of which it is certain, and the whole ensemble decides the others.

One network alone never decides a cell that may be a blast or an immature granulocyte, however certain it is. All
members call the cells that a slide's verdict depends on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.engine.exactness import PrecisionAgreement

MOST_CALLS_CHANGED = 0.001
_CRITICAL = frozenset(name for group in cells.TESTED_GROUPS.values() for name in group)

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Cascade:
    """The settings of the fast mode, and its measurement on the validation split.

    Attributes:
        first: position of the member that classifies first, in 8-bit integers.
        gate: the lowest probability at which this member decides a cell alone, 0–1.
        decided: the share of validation images that it decided.
        agreement: the agreement of the result with the whole ensemble in float32.
    """

    first: int
    gate: float
    decided: float
    agreement: PrecisionAgreement

    def decides(self, alone: Probabilities, cell_types: Sequence[str]) -> NDArray[np.bool_]:
        """Which cells (N,) the first member decides, by its probabilities (N, K), scaled like the ensemble's."""
        return decided_from(self.gate, alone, may_decide(alone, cell_types))


def may_decide(alone: Probabilities, cell_types: Sequence[str]) -> NDArray[np.bool_]:
    """Which cells (N,) have calls on which no verdict depends."""
    may: NDArray[np.bool_] = np.isin(alone.argmax(axis=1), cells.indices(cell_types, _CRITICAL), invert=True)
    return may


def decided_from(gate: float, alone: Probabilities, may: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which cells (N,) the network may decide and calls with a probability that reaches the gate."""
    certain: NDArray[np.bool_] = alone.max(axis=1) >= gate
    return may & certain


def find_gate(differs: NDArray[np.bool_], alone: Probabilities, may: NDArray[np.bool_]) -> float | None:
    """The lowest gate at which at most 0.1% of all calls differ from the ensemble's.

    Args:
        differs: (N,) whether the first member's call differs from the ensemble's; unidentified is a call too.
        alone: (N, K) the first member's probabilities, scaled like the ensemble's.
        may: (N,) which cells the first member may decide, see `may_decide`.

    Returns:
        The gate, or None if even the member's most certain calls differ too often.
    """
    certainty = np.where(may, alone.max(axis=1), -1.0)
    order = np.argsort(-certainty, kind="stable")
    changed = np.cumsum(differs[order] & (certainty[order] >= 0))
    allowed = np.flatnonzero((changed <= MOST_CALLS_CHANGED * len(differs)) & (certainty[order] >= 0))
    # The gate lies above the first cell that is not allowed, and so above all cells with the same probability.
    for last in allowed[::-1]:
        if last + 1 == len(order) or certainty[order[last + 1]] < certainty[order[last]]:
            return float(certainty[order[last]])
    return None
