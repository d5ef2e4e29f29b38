"""Predictions against the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """What one model made of N cells whose truth is known.

    Attributes:
        model: its name, for people.
        cell_types: the K types, in order.
        truth: (N,) indices of the true types.
        called: (N,) indices of the called types; -1 where it abstained.
        probabilities: (N, K), rows adding up to 1; None where only the calls are known.
        slides: (N,) slide names; empty strings where not known.
        sources: (N,) names of the data's sources; empty strings where not known.
    """

    model: str
    cell_types: tuple[str, ...]
    truth: NDArray[np.int64]
    called: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None
    slides: tuple[str, ...]
    sources: tuple[str, ...]
