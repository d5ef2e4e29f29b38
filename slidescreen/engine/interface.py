"""What an engine is, and what can be asked of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.images import Pixels
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.errors import InputError

DEVICES = ("auto", "cuda", "cpu")
KINDS = ("auto", "openvino", "pytorch")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
_JOINT = "+"


class Engine(Protocol):
    """One network, ready to classify prepared pixels (N, S, S, 3): probabilities (N, K), in order."""

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class EngineOptions:
    """What the user asked for.

    Attributes:
        device: one of `DEVICES`.
        kind: one of `KINDS`.
        precision: one of `PRECISIONS`, or one for each member of the ensemble (see `for_each`).
        threads: of the processor; None for all that this process may use.
        fast: whether one member may decide the cells it is certain of (see `cascade`).
    """

    device: str = "auto"
    kind: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    fast: bool = False

    def __post_init__(self) -> None:
        arithmetic = [("precision", each, PRECISIONS) for each in parts_of(self.precision)]
        asked = [("device", self.device, DEVICES), ("engine", self.kind, KINDS), *arithmetic]
        for option, value, allowed in asked:
            if value not in allowed:
                raise InputError(f"--{option} must be one of {', '.join(allowed)}, not {value}")
        if self.precision != "auto" and "auto" in parts_of(self.precision):
            raise InputError("--precision auto is for all members, not for one")
        if self.fast and "int8" in parts_of(self.precision):
            raise InputError("--fast computes in 8-bit integers where that is safe: --precision is for the other cells")


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
    """What runs, where, and in which arithmetic (see `for_each`); nothing is `auto` any more.

    `cascade`: by which one member decides some cells alone; None where all members see every cell.
    """

    kind: str
    device: str
    precision: str
    cascade: DecidesFirst | None = None


def joined(precisions: Sequence[str]) -> str:
    """One text for the arithmetic of each member: `bf16` where they agree, else `fp32+bf16` in their order."""
    return precisions[0] if len(set(precisions)) == 1 else _JOINT.join(precisions)


def parts_of(precision: str) -> list[str]:
    """What `joined` joined: one arithmetic for all members, or one for each."""
    return precision.split(_JOINT)


def for_each(precision: str, members: int) -> list[str]:
    """The arithmetic of each member, as `joined` wrote it.

    Raises:
        InputError: it names more or fewer than there are.
    """
    parts = parts_of(precision)
    if len(parts) == 1:
        return parts * members
    if len(parts) != members:
        raise InputError(f"--precision {precision} is for {len(parts)} members, the ensemble has {members}")
    return parts


@dataclass(frozen=True)
class MemberEngines:
    """An ensemble's engines, one for each member, in its order.

    Attributes:
        description: of engine, processor and arithmetic, in words.
        batch_size: images that an engine is best given at once.
        at_once: how many batches may be classified at the same time.
        first: the engine that classifies before all others; None where there is none.
    """

    members: Sequence[Engine]
    description: str
    batch_size: int = 32
    at_once: int = 1
    first: Engine | None = None


NO_ENGINES = MemberEngines((), "")
"""For where there is nothing to classify."""
