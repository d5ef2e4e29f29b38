"""Prepared pixels in, an ensemble's probabilities out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.images import Pixels
from slidescreen.engine.interface import MemberEngines
from slidescreen.ensembles.ensemble import Ensemble


class Vote:
    """An ensemble and its engines. If one engine classifies first, the others see only the cells that it leaves.

    Attributes:
        preprocessings: in which images are wanted; members that prepare alike share the pixels.
    """

    def __init__(self, ensemble: Ensemble, engines: MemberEngines) -> None:
        self._ensemble = ensemble
        self._engines = engines
        wanted = [member.checkpoint.preprocessing for member in ensemble.members]
        self.preprocessings = tuple(dict.fromkeys(wanted))
        self._inputs = [self.preprocessings.index(p) for p in wanted]

    def __call__(self, pixels: Sequence[Pixels]) -> NDArray[np.float64]:
        """Classify images, given as (N, S, S, 3) for each of `preprocessings`: calibrated probabilities (N, K)."""
        cascade = self._ensemble.validation.cascade
        if self._engines.first is None or cascade is None:
            return self._by_all(pixels)
        result = self._ensemble.alone(self._engines.first.probabilities(pixels[self._inputs[cascade.first]]))
        left = ~cascade.decides(result, self._ensemble.cell_types)
        if left.any():
            result[left] = self._by_all([each[left] for each in pixels])
        return result

    def _by_all(self, pixels: Sequence[Pixels]) -> NDArray[np.float64]:
        pairs = zip(self._engines.members, self._inputs, strict=True)
        return self._ensemble.combine([engine.probabilities(pixels[place]) for engine, place in pairs])
