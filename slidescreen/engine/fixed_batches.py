"""Runs networks on batches of one size: a smaller batch is filled up, and only its own rows are given back.

A GPU's libraries choose their kernels anew for each size of batch, and PyTorch keeps the choice of cuDNN for one thread
only. Choosing takes a second or more for each network. CUDA graphs and compiled networks are made for one size, too. So
one thread starts all kernels, and all batches have one size.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from slidescreen.errors import memory_ran_out

Outputs = tuple[Tensor, ...]
Forward = Callable[[Tensor], Outputs]


class CudaReplay:
    """A computation captured as a CUDA graph: it reads the same input, and writes the same outputs, each time.

    A graph starts a network's hundreds of steps at once. That pays where the processor needs longer to start them than
    the GPU to compute them.
    """

    _WARM_UPS = 3  # libraries choose their kernels and claim their memory before a capture

    def __init__(self, forward: Forward, given: Tensor) -> None:
        aside = torch.cuda.Stream(given.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(given.device))
        with torch.cuda.stream(aside):
            for _ in range(self._WARM_UPS):
                forward(given)
        torch.cuda.current_stream(given.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # Another thread may allocate memory at the same time; only this thread is watched.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._outputs = forward(given)

    def __call__(self) -> Outputs:
        self._graph.replay()
        return self._outputs


class FixedBatches:
    """A network that runs on batches of one size."""

    def __init__(self, forward: Forward, graphs: bool = False) -> None:
        """Set up.

        Args:
            forward: from pixels (B, 3, S, S), 8 bits, channels last, to tensors with B rows.
            graphs: whether to capture a CUDA graph.
        """
        self._forward, self._graphs = forward, graphs
        self._prepared: tuple[Tensor, Callable[[], Outputs]] | None = None

    def __call__(self, pixels: Tensor, size: int) -> Outputs:
        """The outputs of pixels (N, 3, S, S), computed in batches of a size."""
        if self._prepared is None or len(self._prepared[0]) != size:
            self._prepared = None  # the memory of the former size first
            self._prepared = self._prepare(size, pixels)
        given, compute = self._prepared
        parts = []
        for start in range(0, len(pixels), size):
            part = pixels[start : start + size]
            given[: len(part)].copy_(part)
            parts.append(tuple(each[: len(part)].clone() for each in compute()))
        return parts[0] if len(parts) == 1 else tuple(torch.cat(each) for each in zip(*parts, strict=True))

    def _prepare(self, size: int, pixels: Tensor) -> tuple[Tensor, Callable[[], Outputs]]:
        """Where the pixels of a batch must lie, and what computes their outputs."""
        _, channels, height, width = pixels.shape
        given = pixels.new_zeros(size, height, width, channels).permute(0, 3, 1, 2)
        if self._graphs:
            try:
                return given, CudaReplay(self._forward, given)
            except Exception as error:
                if memory_ran_out(error):
                    raise
                self._graphs = False  # this driver or network cannot be captured; without a graph it is only slower
        return given, partial(self._forward, given)


class KernelThread:
    """The thread that starts the kernels of an ensemble's networks. Any threads may call it; their work is queued.

    Attributes:
        size: images of a batch. It is halved when memory runs out.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._thread = ThreadPoolExecutor(1, "kernels")

    def __call__(self, network: FixedBatches, pixels: Tensor) -> Outputs:
        """A network's outputs of pixels (N, 3, S, S). On a GPU they may still be being computed.

        Raises:
            Exception: memory ran out (see `memory_ran_out`) for a batch that was not filled up.
        """
        return self._thread.submit(self._fitting, network, pixels).result()

    @torch.inference_mode()
    def _fitting(self, network: FixedBatches, pixels: Tensor) -> Outputs:
        while True:
            tried = self.size
            try:
                return network(pixels, tried)
            except Exception as error:
                if not memory_ran_out(error):
                    raise
                self.size = max(1, tried // 2)
                if tried <= len(pixels):  # the caller has to give fewer; what was only filled up is filled up less
                    raise
