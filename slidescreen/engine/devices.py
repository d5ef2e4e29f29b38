"""The available processors, and the threads and instructions that this process may use."""

import ctypes
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slidescreen.choices import check_choice
from slidescreen.engine import quota
from slidescreen.engine.options import Device
from slidescreen.errors import InputError

if TYPE_CHECKING:
    import torch

_CPUINFO = Path("/proc/cpuinfo")  # Linux
_8_BIT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp")
_BFLOAT16_PRODUCTS = ("avx512_bf16", "amx_bf16", "bf16")

# oneDNN computes for OpenVINO and PyTorch. A variable can limit it to a level of instructions. Each level is a set of
# bits, mostly a superset of the lower levels. Source: oneDNN's developer guide, "CPU Dispatcher Control", and
# dnnl_cpu_isa_t.
_LEVEL_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_HINT_VARIABLES = ("ONEDNN_CPU_ISA_HINTS", "DNNL_CPU_ISA_HINTS")
_LEVELS = {
    "SSE41": 0x1,
    "AVX": 0x3,
    "AVX2": 0x7,
    "AVX2_VNNI": 0xF,
    "AVX2_VNNI_2": 0x1F,
    "AVX512_CORE": 0x27,
    "AVX512_CORE_VNNI": 0x67,
    "AVX512_CORE_BF16": 0xE7,
    "AVX512_CORE_FP16": 0x1EF,
    "AVX10_1_512": 0x1EF,
    "AVX512_CORE_AMX": 0xFEF,
    "AVX10_1_512_AMX": 0xFEF,
}
_EVERYTHING = ~0  # also for higher levels and for unknown words
_NEEDED = {
    "avx_vnni": _LEVELS["AVX2_VNNI"],
    "avx_ne_convert": _LEVELS["AVX2_VNNI_2"],
    "avx512f": _LEVELS["AVX512_CORE"],
    "avx512_vnni": _LEVELS["AVX512_CORE_VNNI"],
    "avx512_bf16": _LEVELS["AVX512_CORE_BF16"],
    "amx_int8": _LEVELS["AVX512_CORE_AMX"],
    "amx_bf16": _LEVELS["AVX512_CORE_AMX"],
    "asimddp": 0,  # Arm; these levels do not apply
    "bf16": 0,
}


def usable_threads() -> int:
    """The number of processor threads that this process may use, by its affinity and its container's quota.

    A quota of one and a half processors gives two threads, which share that time.
    """
    present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = quota.processors()
    return present if allowed is None else max(1, min(present, math.ceil(allowed)))


def threads_in_words(count: int) -> str:
    """`1 thread`, `2 threads`."""
    return "1 thread" if count == 1 else f"{count} threads"


def gpu_present() -> bool:
    """Whether the NVIDIA driver knows a GPU. The driver is asked directly, because importing torch takes seconds."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def held_back() -> str:
    """The variable that bars some of the processor's instructions, as `NAME=VALUE`; empty if there is none."""
    name, value = _told()
    return f"{name}={value}" if value.upper() in _LEVELS else ""


def instructions() -> tuple[str, ...]:
    """A key for the instructions that compiled networks may use. Machines with equal keys may use the same ones.

    It holds the processor's own description and the environment variables that bar instructions.
    """
    told = [f"{name}={os.environ.get(name, '').upper()}" for name in (*_LEVEL_VARIABLES, *_HINT_VARIABLES)]
    return (*told, *sorted(_present() or ()))


def has_8_bit_products() -> bool:
    """Whether the processor may multiply and add 8-bit integers in one instruction. True if that is unknown.

    Without this instruction, sums of products saturate at 16 bits. Networks in 8-bit integers are then neither fast
    nor exact.
    """
    return _any_usable(_8_BIT_PRODUCTS)


def has_bfloat16_products() -> bool:
    """Whether the processor may multiply bfloat16 natively. True if that is unknown."""
    return _any_usable(_BFLOAT16_PRODUCTS)


def has_bfloat16() -> bool:
    """Whether the processor may compute in bfloat16 at all, natively or emulated.

    Without the instructions OpenVINO computes in float32 instead. If they exist but are barred, it crashes.
    """
    return _any_usable(("avx512f", "avx_ne_convert"))


def _any_usable(instructions: Sequence[str]) -> bool:
    present, allowed = _present(), _LEVELS.get(_told()[1].upper(), _EVERYTHING)
    # If the instructions are unknown, the allowed ones decide. Arm's count only if the processor lists them.
    usable = [each for each in instructions if (_NEEDED[each] if present is None else each in present)]
    return any(_NEEDED[each] & ~allowed == 0 for each in usable)


def _told() -> tuple[str, str]:
    """The first variable that is set, and its value. oneDNN reads them in the same order."""
    return next(((name, value) for name in _LEVEL_VARIABLES if (value := os.environ.get(name))), ("", ""))


def _present() -> frozenset[str] | None:
    """The processor's instructions, by their Linux names; None if unknown."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":") for line in lines)
    # Processors of one machine may differ. Only the instructions that all of them have count.
    flags = [set(words.split()) for name, _, words in named if name.strip() in ("flags", "Features")]
    return frozenset(set.intersection(*flags)) if flags else frozenset()


def choose_device(name: str) -> "torch.device":
    """The torch device that `auto`, `cuda` or `cpu` means on this machine.

    Raises:
        InputError: the name is unknown, or `cuda` was chosen and there is no usable NVIDIA GPU.
    """
    check_choice("--device", name, Device)
    import torch

    available = torch.cuda.is_available()
    if name == Device.CUDA and not available:
        raise InputError("no usable NVIDIA GPU was found; use --device cpu")
    return torch.device("cuda" if available and name != Device.CPU else "cpu")
