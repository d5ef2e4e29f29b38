"""What a model made of cells whose truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
        images: (N,) names of the images; empty where none is known.
    """

    model: str
    cell_types: tuple[str, ...]
    truth: NDArray[np.int64]
    called: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None
    slides: tuple[str, ...]
    sources: tuple[str, ...]
    images: tuple[str, ...] = ()

    def forced(self) -> NDArray[np.int64]:
        """(N,) calls without abstention: the most probable type where probabilities are known."""
        return self.called if self.probabilities is None else self.probabilities.argmax(axis=1)

    def where(self, chosen: NDArray[np.bool_]) -> "Predictions":
        """Those of the chosen cells, (N,) booleans."""
        positions = np.flatnonzero(chosen).tolist()
        return replace(
            self,
            truth=self.truth[chosen],
            called=self.called[chosen],
            probabilities=None if self.probabilities is None else self.probabilities[chosen],
            slides=tuple(self.slides[p] for p in positions),
            sources=tuple(self.sources[p] for p in positions),
            images=tuple(self.images[p] for p in positions) if self.images else (),
        )


def clusters(slides: Sequence[str]) -> tuple[list[str] | None, str]:
    """What a bootstrap draws, and in words: slides (a cell whose slide is not known is drawn alone), or cells."""
    names = [name or f"\0{number}" for number, name in enumerate(slides)]
    if len({name for name in names if not name.startswith("\0")}) < 2:
        return None, "cells"
    return names, "slides"
