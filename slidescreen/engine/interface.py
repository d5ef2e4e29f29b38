"""What an engine is, and what can be asked of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slidescreen.errors import InputError
from slidescreen.images import Pixels

DEVICES = ("auto", "cuda", "cpu")
KINDS = ("auto", "openvino", "pytorch")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


class Engine(Protocol):
    """One network, ready to classify prepared pixels (N, S, S, 3): probabilities (N, K), in order."""

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class EngineOptions:
    """What the user asked for. `threads`: of the processor; None for all that this process may use."""

    device: str = "auto"
    kind: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        asked = (
            ("device", self.device, DEVICES),
            ("engine", self.kind, KINDS),
            ("precision", self.precision, PRECISIONS),
        )
        for option, value, allowed in asked:
            if value not in allowed:
                raise InputError(f"--{option} must be one of {', '.join(allowed)}, not {value}")


@dataclass(frozen=True)
class Choice:
    """What runs, where, and in which arithmetic; nothing is `auto` any more."""

    kind: str
    device: str
    precision: str


@dataclass(frozen=True)
class Engines:
    """An ensemble's engines, one for each member, in its order.

    Attributes:
        description: of engine, processor and arithmetic, in words.
        batch_size: images that an engine is best given at once.
        at_once: how many batches may be classified at the same time.
    """

    members: Sequence[Engine]
    description: str
    batch_size: int = 32
    at_once: int = 1


NO_ENGINES = Engines((), "")
"""For where there is nothing to classify."""
