"""Runs a network on batches of fixed sizes: a smaller batch is filled up, and only its own rows are given back.

CUDA graphs and compiled networks are made for one batch size. A captured graph starts a network's hundreds of steps at
once, which pays where the processor needs longer to start them than the GPU to compute them.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

Forward = Callable[[Tensor], tuple[Tensor, ...]]


class Repeatable(Protocol):
    """A computation that can be repeated: it reads the same input, and writes the same outputs, each time."""

    outputs: tuple[Tensor, ...]

    def __call__(self) -> None: ...


class DirectReplay:
    """Computes anew each time."""

    def __init__(self, forward: Forward, given: Tensor) -> None:
        self._forward, self._given = forward, given
        self.outputs = forward(given)

    def __call__(self) -> None:
        self.outputs = self._forward(self._given)


class CudaReplay:
    """A CUDA graph."""

    _WARM_UPS = 3  # libraries choose their kernels and claim their memory before a capture

    def __init__(self, forward: Forward, given: Tensor, pool: Any = None) -> None:
        aside = torch.cuda.Stream(given.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(given.device))
        with torch.cuda.stream(aside):
            for _ in range(self._WARM_UPS):
                forward(given)
        torch.cuda.current_stream(given.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # Another thread may allocate memory at the same time; only this thread is watched.
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self.outputs = forward(given)

    @property
    def pool(self) -> Any:
        """The graph's memory, which further graphs may use if they never run at the same time."""
        return self._graph.pool()

    def __call__(self) -> None:
        self._graph.replay()


class FixedBatches:
    """A network that runs on batches of fixed sizes. Several threads may use it; their work is queued on one stream."""

    def __init__(self, forward: Forward, sizes: Sequence[int], side: int, device: torch.device, graphs: bool) -> None:
        """Prepare each size.

        Args:
            forward: from pixels (B, 3, S, S), 8 bits, channels last, to tensors with B rows.
            sizes: the batch sizes. A larger batch is computed in parts.
            side: S.
            device: where the network is.
            graphs: whether to capture CUDA graphs.
        """
        self._sizes = sorted(sizes)
        self._turn = threading.Lock()
        whole = torch.zeros(self._sizes[-1], side, side, 3, dtype=torch.uint8, device=device)
        self._given = whole.permute(0, 3, 1, 2)
        self._replays: dict[int, Repeatable] = {}
        pool = None
        for size in reversed(self._sizes):  # the largest claims the memory that the others share
            if graphs:
                captured = CudaReplay(forward, self._given[:size], pool)
                pool = pool or captured.pool
                self._replays[size] = captured
            else:
                self._replays[size] = DirectReplay(forward, self._given[:size])

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The outputs of pixels (N, 3, S, S)."""
        most = self._sizes[-1]
        parts = [self._part(pixels[start : start + most]) for start in range(0, len(pixels), most)]
        return parts[0] if len(parts) == 1 else tuple(torch.cat(each) for each in zip(*parts, strict=True))

    def _part(self, pixels: Tensor) -> tuple[Tensor, ...]:
        count = len(pixels)
        replay = self._replays[self._sizes[bisect_left(self._sizes, count)]]
        with self._turn:  # between its steps no other thread may fill the input or replay
            self._given[:count].copy_(pixels)
            replay()
            return tuple(each[:count].clone() for each in replay.outputs)
