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
    """The precision in which one network is computed."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"


@dataclass(frozen=True)
class EngineOptions:
    """The user's options for the engine.

    Attributes:
        device: the processor to compute on.
        kind: the library to compute with.
        precision: a `Precision`, or one for each member of the ensemble joined by `+` (see `for_each`).
        threads: processor threads to use; None for all that this process may use.
        fast: whether one member may decide the cells of which it is certain (see `cascade`).
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
    """One text for the precisions of all members: `bf16` if all are equal, else `fp32+bf16` in their order."""
    return precisions[0] if len(set(precisions)) == 1 else _JOINT.join(precisions)


def parts_of(precision: str) -> list[str]:
    """The parts of a text by `joined`: one precision for all members, or one for each."""
    return precision.split(_JOINT)


def for_each(precision: str, members: int) -> list[str]:
    """The precision of each member, from a text by `joined`.

    Raises:
        InputError: the text has more or fewer parts than there are members.
    """
    parts = parts_of(precision)
    if len(parts) == 1:
        return parts * members
    if len(parts) != members:
        raise InputError(f"--precision {precision} is for {len(parts)} members, the ensemble has {members}")
    return parts
