"""What an engine is, and what it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.images import Pixels
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.engine.options import Device, EngineKind


@dataclass(frozen=True)
class NetworkOutputs:
    """What a network makes of N images: probabilities (N, K), and features (N, F) as `models.features` has them."""

    probabilities: NDArray[np.float64]
    features: NDArray[np.float32]


class Engine(Protocol):
    """One network, ready to classify prepared pixels (N, S, S, 3), in order."""

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """(N, K), rows adding up to 1."""
        ...

    def outputs(self, pixels: Pixels) -> NetworkOutputs:
        """The probabilities, and the features beside them."""
        ...


class DecidesFirst(Protocol):
    """How one member decides some cells before the others see them. The engine needs to know which member that is."""

    @property
    def first(self) -> int:
        """The member's position."""
        ...


class Measured(Protocol):
    """What was measured of an ensemble, as far as it says which arithmetic may be used."""

    @property
    def precisions(self) -> Mapping[str, PrecisionAgreement]:
        """How calls in other arithmetic than float32 agree with those in it."""
        ...

    @property
    def cascade(self) -> DecidesFirst | None:
        """How one member may decide some cells alone; None where none may."""
        ...


@dataclass(frozen=True)
class EngineConfiguration:
    """What runs, where, and in which arithmetic (see `options.for_each`); nothing is `auto` any more.

    `cascade`: by which one member decides some cells alone; None where all members see every cell.
    """

    kind: EngineKind
    device: Device
    precision: str
    cascade: DecidesFirst | None = None


@dataclass(frozen=True)
class MemberEngines:
    """An ensemble's engines, one for each member, in its order.

    Attributes:
        description: of engine, processor and arithmetic, in words.
        batch_size: images that an engine is best given at once.
        at_once: how many batches may be classified at the same time.
        first: the engine that classifies before all others; None where there is none.
        arithmetics: of each member; empty where all compute in float32.
    """

    members: Sequence[Engine]
    description: str
    batch_size: int = 32
    at_once: int = 1
    first: Engine | None = None
    arithmetics: Sequence[str] = ()


NO_ENGINES = MemberEngines((), "")
"""For where there is nothing to classify."""
