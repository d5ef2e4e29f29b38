"""Which processors there are."""

import ctypes
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slidescreen.engine.interface import DEVICES
from slidescreen.errors import InputError

if TYPE_CHECKING:
    import torch

_CPUINFO = Path("/proc/cpuinfo")  # Linux
_8_BIT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"})


def usable_threads() -> int:
    """How many processor threads this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def has_8_bit_products() -> bool:
    """Whether the processor multiplies and adds 8-bit integers in one instruction; True where that cannot be told.

    Elsewhere sums of products are cut off at 16 bits: networks in such integers are then neither fast nor exact.
    """
    try:
        words = _CPUINFO.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return True
    return not _8_BIT_PRODUCTS.isdisjoint(words)


def choose_device(name: str) -> "torch.device":
    """The torch device that `auto`, `cuda` or `cpu` means on this machine.

    Raises:
        InputError: another name, or no usable NVIDIA GPU where one was asked for.
    """
    import torch

    if name not in DEVICES:
        raise InputError(f"--device must be one of {', '.join(DEVICES)}, not {name}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("no usable NVIDIA GPU was found; say --device cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
