"""Which processor to use."""

import torch

from slidescreen.errors import InputError

DEVICES = ("auto", "cuda", "cpu")


def choose_device(name: str) -> torch.device:
    """The torch device that `auto`, `cuda` or `cpu` means on this machine.

    Raises:
        InputError: another name, or no usable NVIDIA GPU where one was asked for.
    """
    if name not in DEVICES:
        raise InputError(f"--device must be one of {', '.join(DEVICES)}, not {name}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("no usable NVIDIA GPU was found; say --device cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def describe(device: torch.device, dtype: torch.dtype) -> str:
    """The device and its arithmetic in words, for the run's record."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"{name}, {str(dtype).removeprefix('torch.')}"
