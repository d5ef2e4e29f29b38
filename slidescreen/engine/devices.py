"""The available processors, and what may be used of them."""

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

# What oneDNN, which computes for OpenVINO and PyTorch, may be told to do without. Each level is a set of bits, a higher
# one mostly a superset of a lower. Source: oneDNN's developer guide, "CPU Dispatcher Control", and dnnl_cpu_isa_t.
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
_EVERYTHING = ~0  # as by levels beyond these, and words that are none
_NEEDED = {
    "avx_vnni": _LEVELS["AVX2_VNNI"],
    "avx_ne_convert": _LEVELS["AVX2_VNNI_2"],
    "avx512f": _LEVELS["AVX512_CORE"],
    "avx512_vnni": _LEVELS["AVX512_CORE_VNNI"],
    "avx512_bf16": _LEVELS["AVX512_CORE_BF16"],
    "amx_int8": _LEVELS["AVX512_CORE_AMX"],
    "amx_bf16": _LEVELS["AVX512_CORE_AMX"],
    "asimddp": 0,  # Arm's, which these levels do not concern
    "bf16": 0,
}


def usable_threads() -> int:
    """How many processor threads this process may use: by its affinity, and by the quota of its container.

    A quota of one and a half processors is two threads, which together get that much time.
    """
    present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = quota.processors()
    return present if allowed is None else max(1, min(present, math.ceil(allowed)))


def threads_in_words(count: int) -> str:
    """`1 thread`, `2 threads`."""
    return "1 thread" if count == 1 else f"{count} threads"


def gpu_present() -> bool:
    """Whether the NVIDIA driver knows of a GPU. Asks the driver itself: importing torch for that takes seconds."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def held_back() -> str:
    """What tells oneDNN to do without some of the processor's instructions, as `NAME=VALUE`; empty if nothing does."""
    name, value = _told()
    return f"{name}={value}" if value.upper() in _LEVELS else ""


def instructions() -> tuple[str, ...]:
    """All that decides which instructions a network may be compiled to: equal where that is equal.

    The processor's own words for what it has, and what this process's environment says of it.
    """
    told = [f"{name}={os.environ.get(name, '').upper()}" for name in (*_LEVEL_VARIABLES, *_HINT_VARIABLES)]
    return (*told, *sorted(_present() or ()))


def has_8_bit_products() -> bool:
    """Whether the processor multiplies and adds 8-bit integers in one instruction, and may; True where none can tell.

    Elsewhere sums of products are cut off at 16 bits: networks in such integers are then neither fast nor exact.
    """
    return _any_usable(_8_BIT_PRODUCTS)


def has_bfloat16_products() -> bool:
    """Whether the processor multiplies bfloat16 itself, and may; True where none can tell."""
    return _any_usable(_BFLOAT16_PRODUCTS)


def has_bfloat16() -> bool:
    """Whether it may compute in bfloat16 at all, be it by emulation.

    Elsewhere OpenVINO computes in float32 instead; where the instructions are there and barred, it crashes.
    """
    return _any_usable(("avx512f", "avx_ne_convert"))


def _any_usable(instructions: Sequence[str]) -> bool:
    present, allowed = _present(), _LEVELS.get(_told()[1].upper(), _EVERYTHING)
    # Where nobody says what there is, what may be used decides alone; Arm's is there by its own word only.
    usable = [each for each in instructions if (_NEEDED[each] if present is None else each in present)]
    return any(_NEEDED[each] & ~allowed == 0 for each in usable)


def _told() -> tuple[str, str]:
    """The variable that decides, and its value: the first that says anything, as oneDNN does it."""
    return next(((name, value) for name in _LEVEL_VARIABLES if (value := os.environ.get(name))), ("", ""))


def _present() -> frozenset[str] | None:
    """The processor's instructions, by their Linux names; None where nobody says."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    named = (line.partition(":") for line in lines)
    # Processors of one machine may differ: none is given what another of them lacks.
    flags = [set(words.split()) for name, _, words in named if name.strip() in ("flags", "Features")]
    return frozenset(set.intersection(*flags)) if flags else frozenset()


def choose_device(name: str) -> "torch.device":
    """The torch device that `auto`, `cuda` or `cpu` means on this machine.

    Raises:
        InputError: another name, or no usable NVIDIA GPU where one was asked for.
    """
    check_choice("--device", name, Device)
    import torch

    available = torch.cuda.is_available()
    if name == Device.CUDA and not available:
        raise InputError("no usable NVIDIA GPU was found; use --device cpu")
    return torch.device("cuda" if available and name != Device.CPU else "cpu")
