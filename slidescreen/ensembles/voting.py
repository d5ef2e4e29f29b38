"""Compute an ensemble's probabilities from prepared pixels, and how unfamiliar each cell is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.images import Pixels
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.interface import Engine, MemberEngines
from slidescreen.engine.options import Precision
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import is_of_other_optics


@dataclass(frozen=True)
class Voted:
    """An ensemble's result for N images.

    Attributes:
        probabilities: (N, K), calibrated.
        unfamiliarity: (N, 2) unfamiliarity and strangeness, by `familiarity.grades`; NaN if not measured.
    """

    probabilities: NDArray[np.float64]
    unfamiliarity: NDArray[np.float64]


def preprocessings(ensemble: Ensemble) -> tuple[Preprocessing, ...]:
    """The preprocessings that an image needs. Members with equal preprocessing share pixels."""
    return tuple(dict.fromkeys(member.checkpoint.preprocessing for member in ensemble.members))


class Vote:
    """An ensemble and its engines. If one engine classifies first, the others see only the cells that it leaves.

    Attributes:
        preprocessings: see the function of this name.
    """

    def __init__(self, ensemble: Ensemble, engines: MemberEngines) -> None:
        self._ensemble = ensemble
        self._engines = engines
        self.preprocessings = preprocessings(ensemble)
        self._inputs = [self.preprocessings.index(each.checkpoint.preprocessing) for each in ensemble.members]

    def __call__(self, pixels: Sequence[Pixels]) -> Voted:
        """Classify images, given as (N, S, S, 3) for each of `preprocessings`."""
        cascade = self._ensemble.validation.cascade
        if self._engines.first is None or cascade is None:
            return self._by_all(pixels)
        result = self._by_one(self._engines.first, cascade.first, pixels[self._inputs[cascade.first]])
        left = ~cascade.decides(result.probabilities, self._ensemble.cell_types)
        if left.any():
            by_all = self._by_all([each[left] for each in pixels])
            result.probabilities[left] = by_all.probabilities
            result.unfamiliarity[left] = by_all.unfamiliarity
        return result

    def _by_one(self, engine: Engine, member: int, pixels: Pixels) -> Voted:
        familiarity = self._ensemble.familiarity
        if familiarity is None:
            return _unmeasured(self._ensemble.alone(engine.probabilities(pixels)))
        seen = engine.outputs(pixels)
        grades = familiarity.of_one(member, Precision.INT8, seen.features)
        return Voted(self._ensemble.alone(seen.probabilities, is_of_other_optics(grades)), grades)

    def _by_all(self, pixels: Sequence[Pixels]) -> Voted:
        familiarity = self._ensemble.familiarity
        pairs = zip(self._engines.members, self._inputs, strict=True)
        if familiarity is None:
            return _unmeasured(self._ensemble.combine([engine.probabilities(pixels[place]) for engine, place in pairs]))
        seen = [engine.outputs(pixels[place]) for engine, place in pairs]
        arithmetics = self._engines.arithmetics or [Precision.FP32] * len(seen)
        grades = familiarity.of_all(arithmetics, [each.features for each in seen])
        return Voted(self._ensemble.combine([each.probabilities for each in seen], is_of_other_optics(grades)), grades)


def _unmeasured(probabilities: NDArray[np.float64]) -> Voted:
    return Voted(probabilities, np.full((len(probabilities), 2), np.nan))
