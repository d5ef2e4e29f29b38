"""Which processors there are."""

import ctypes
import os
import sys
from typing import TYPE_CHECKING

from slidescreen.engine.interface import DEVICES
from slidescreen.errors import InputError

if TYPE_CHECKING:
    import torch


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
