"""The options of an engine: processor, library and precision. Imports nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from slidescreen.choices import check_choice
from slidescreen.errors import InputError

_JOINT = "+"


class Device(StrEnum):
    """Where networks run."""

    AUTO = "auto"
    CUDA = "cuda"
    CPU = "cpu"


class EngineKind(StrEnum):
    """Which library runs the networks."""

    AUTO = "auto"
    OPENVINO = "openvino"
    PYTORCH = "pytorch"


class Precision(StrEnum):
    """In which arithmetic one network is computed."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"


@dataclass(frozen=True)
class EngineOptions:
    """What the user asked for.

    Attributes:
        device: where to compute.
        kind: with which library.
        precision: a `Precision`, or one for each member of the ensemble joined by `+` (see `for_each`).
        threads: of the processor; None for all that this process may use.
        fast: whether one member may decide the cells it is certain of (see `cascade`).
    """

    device: Device = Device.AUTO
    kind: EngineKind = EngineKind.AUTO
    precision: str = Precision.AUTO
    threads: int | None = None
    fast: bool = False

    def __post_init__(self) -> None:
        check_choice("--device", self.device, Device)
        check_choice("--engine", self.kind, EngineKind)
        parts = parts_of(self.precision)
        for each in parts:
            check_choice("--precision", each, Precision)
        if len(parts) > 1 and Precision.AUTO in parts:
            raise InputError("--precision auto applies to all members: do not give it for one")
        if self.fast and Precision.INT8 in parts:
            raise InputError("--fast chooses 8-bit integers by itself: --precision applies to the other cells only")


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
