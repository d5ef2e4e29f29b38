"""The interface of an engine, and its settings."""

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
    """A network's output for N images: probabilities (N, K), and features (N, F) in the order of `models.features`."""

    probabilities: NDArray[np.float64]
    features: NDArray[np.float32]


class Engine(Protocol):
    """One network, ready to classify prepared pixels (N, S, S, 3), in order."""

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Probabilities (N, K). Each row adds up to 1."""
        ...

    def outputs(self, pixels: Pixels) -> NetworkOutputs:
        """The probabilities and the features."""
        ...


class DecidesFirst(Protocol):
    """A cascade: one member decides some cells before the others see them. An engine needs only its position."""

    @property
    def first(self) -> int:
        """The position of the member that decides first."""
        ...


class Measured(Protocol):
    """The measurements of an ensemble that decide which precision may be used."""

    @property
    def precisions(self) -> Mapping[str, PrecisionAgreement]:
        """The agreement of calls in other precisions with calls in float32."""
        ...

    @property
    def cascade(self) -> DecidesFirst | None:
        """How one member may decide some cells alone; None if no member may."""
        ...


@dataclass(frozen=True)
class EngineConfiguration:
    """The chosen engine, device and precision (see `options.for_each`). No value is `auto`.

    `cascade` lets one member decide some cells alone; None if all members see every cell.
    """

    kind: EngineKind
    device: Device
    precision: str
    cascade: DecidesFirst | None = None


@dataclass(frozen=True)
class MemberEngines:
    """An ensemble's engines, one for each member, in its order.

    Attributes:
        description: engine, processor and precision in words.
        batch_size: the best number of images in a batch.
        at_once: the number of batches that may be classified at the same time.
        first: the engine that classifies before all others; None if there is none.
        arithmetics: the precision of each member; empty if all compute in float32.
    """

    members: Sequence[Engine]
    description: str
    batch_size: int = 32
    at_once: int = 1
    first: Engine | None = None
    arithmetics: Sequence[str] = ()


NO_ENGINES = MemberEngines((), "")
"""The engines of a run without images to classify."""
