"""Copies batches of pixels to a GPU while it computes: by pinned memory, on a stream of their own, in two buffers.

On a processor the same code copies at once, for there is nothing to wait for.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from slidescreen.data.images import Pixels

_BUFFERS = 2  # for each thread: one is filled while the other is being copied


class Lane(Protocol):
    """The way from the processor's memory to a device."""

    pinned: bool

    def beside(self) -> Any:
        """A context in which copies run beside the computation."""
        ...

    def mark(self) -> Any:
        """What tells that all copies so far have ended."""
        ...

    def wait(self, mark: Any) -> None:
        """Let this process wait for a mark."""
        ...

    def release(self, copied: Tensor, mark: Any) -> None:
        """Let the computation wait for a mark, and keep the memory of `copied` until it has used it."""
        ...


class CudaLane:
    """To an NVIDIA GPU, on a stream of its own."""

    pinned = True

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def beside(self) -> Any:
        return torch.cuda.stream(self._stream)

    def mark(self) -> Any:
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(self._stream)
        return event

    def wait(self, mark: Any) -> None:
        mark.synchronize()

    def release(self, copied: Tensor, mark: Any) -> None:
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(mark)
        copied.record_stream(computing)


class DirectLane:
    """To the processor itself: a copy has ended when the call for it returns."""

    pinned = False

    @contextmanager
    def beside(self) -> Iterator[None]:
        yield

    def mark(self) -> None:
        return None

    def wait(self, mark: None) -> None:
        """There is nothing to wait for."""

    def release(self, copied: Tensor, mark: None) -> None:
        """There is nothing to keep."""


@dataclass
class _Buffer:
    """Memory of this process for a batch, and what tells that the last copy from it has ended."""

    memory: Tensor
    mark: Any = None


class PixelTransfer:
    """Brings batches of pixels to a device. Each thread has buffers of its own; engines of an ensemble share one.

    Args:
        device: where to.
        lane: the way; None for the one that suits the device.
    """

    def __init__(self, device: torch.device, lane: Lane | None = None) -> None:
        self._device = device
        self._lane = lane or (CudaLane(device) if device.type == "cuda" else DirectLane())
        self._own = threading.local()

    def __call__(self, pixels: Pixels) -> Tensor:
        """The pixels (N, S, S, 3), 8 bits, on the device as (N, 3, S, S), channels last.

        The same array, given twice in turn by one thread, is copied once: members of one preparation share it.
        """
        if getattr(self._own, "pixels", None) is not pixels:
            self._own.copied = None  # its memory first
            self._own.copied = self._copied(pixels)
            self._own.pixels = pixels
        copied: Tensor = self._own.copied
        return copied.permute(0, 3, 1, 2)

    def _copied(self, pixels: Pixels) -> Tensor:
        buffer = self._next_buffer(pixels)
        if buffer.mark is not None:
            self._lane.wait(buffer.mark)
        filled = buffer.memory[: pixels.size].view(pixels.shape)
        filled.copy_(torch.from_numpy(pixels))
        with self._lane.beside():
            copied = filled.to(self._device, non_blocking=True, copy=True)
        buffer.mark = self._lane.mark()
        self._lane.release(copied, buffer.mark)
        return copied

    def _next_buffer(self, pixels: Pixels) -> _Buffer:
        """The buffers by turns, each made larger where it has to be."""
        buffers: list[_Buffer] = self._own.__dict__.setdefault("buffers", [])
        turn: int = self._own.__dict__.get("turn", 0)
        self._own.turn = (turn + 1) % _BUFFERS
        if len(buffers) <= turn:
            buffers.append(self._buffer(pixels.size))
        elif buffers[turn].memory.numel() < pixels.size:
            buffers[turn] = self._buffer(pixels.size)
        return buffers[turn]

    def _buffer(self, size: int) -> _Buffer:
        """A former buffer may still be being copied: its memory is kept until that has ended."""
        return _Buffer(torch.empty(size, dtype=torch.uint8, pin_memory=self._lane.pinned))
