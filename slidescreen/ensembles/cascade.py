"""A fast way to classify: one network decides the cells it is certain of, the whole ensemble all others.

A cell that might be a blast or an immature granulocyte is never decided by one network alone, however certain it is:
what a slide's verdict rests on is called by all members.
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
    """What was found on the validation split.

    Attributes:
        first: position of the member that classifies first, in 8-bit integers.
        gate: how probable a call of it must be to stand, 0–1.
        decided: share of the validation images that it decided.
        agreement: of the outcome with the whole ensemble in float32.
    """

    first: int
    gate: float
    decided: float
    agreement: PrecisionAgreement

    def decides(self, alone: Probabilities, cell_types: Sequence[str]) -> NDArray[np.bool_]:
        """Which cells (N,) the first member decides, by its probabilities (N, K), scaled as the ensemble's are."""
        return decided_from(self.gate, alone, may_decide(alone, cell_types))


def may_decide(alone: Probabilities, cell_types: Sequence[str]) -> NDArray[np.bool_]:
    """Which cells (N,) are called something that no verdict rests on."""
    may: NDArray[np.bool_] = np.isin(alone.argmax(axis=1), cells.indices(cell_types, _CRITICAL), invert=True)
    return may


def decided_from(gate: float, alone: Probabilities, may: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the cells (N,) that the network may decide reach the gate."""
    certain: NDArray[np.bool_] = alone.max(axis=1) >= gate
    return may & certain


def find_gate(differs: NDArray[np.bool_], alone: Probabilities, may: NDArray[np.bool_]) -> float | None:
    """The lowest gate at which at most 0.1% of all calls differ from the ensemble's.

    Args:
        differs: (N,) whether the first member's call is another than the ensemble's; unidentified is a call too.
        alone: (N, K) its probabilities, scaled as the ensemble's are.
        may: (N,) which cells it may decide, see `may_decide`.

    Returns:
        The gate, or None if even its surest calls differ too often.
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
