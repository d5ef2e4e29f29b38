"""Inference on an NVIDIA GPU, with PyTorch.

A network has its weights in its own arithmetic, channels last, its normalisation folded into its convolutions. Pixels
are copied as 8 bits, beside the computation, and prepared on the GPU. The batch is as large as memory allows.

Everything but the copying stream runs on a processor too, which is how it is tested.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slidescreen.data.images import Pixels
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.fixed_batches import FixedBatches, Forward
from slidescreen.engine.fusion import fold_normalisation
from slidescreen.engine.interface import NetworkOutputs
from slidescreen.engine.options import Precision
from slidescreen.engine.transfer import PixelTransfer
from slidescreen.errors import memory_ran_out
from slidescreen.models.checkpoints import load_network
from slidescreen.models.features import classify_with_features

AT_ONCE = 2
"""Batches in progress: the pixels of one are copied, and its answers fetched, while the other is computed."""
LARGEST_BATCH, LEAST_BATCH = 512, 16
_SHARE = 0.6  # of the free memory: the rest is for what else the GPU has to hold, and for fragments
_TYPES: dict[str, torch.dtype] = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}


@dataclass(frozen=True)
class Execution:
    """How a network is run.

    Attributes:
        channels_last: whether the channels of a pixel lie side by side in memory.
        graphs: whether the network is captured as CUDA graphs (see `fixed_batches`).
        compiled: the mode of `torch.compile`, such as `default`; empty if it is not used.
    """

    channels_last: bool = True
    graphs: bool = False
    compiled: str = ""

    @property
    def fixed(self) -> bool:
        """Whether the network runs on batches of fixed sizes only."""
        return self.graphs or bool(self.compiled)


class GpuEngine:
    """One checkpoint's network, ready to classify batches of prepared pixels."""

    def __init__(
        self,
        checkpoint: Path,
        device: torch.device,
        precision: str,
        transfer: PixelTransfer,
        execution: Execution = Execution(),
    ) -> None:
        """Load a checkpoint onto a device.

        Raises:
            InputError: the file is no checkpoint, or its weights do not fit.
        """
        description, network = load_network(checkpoint)
        self.image_size = description.preprocessing.image_size
        self._device, self._transfer, self._execution = device, transfer, execution
        from_pixels = _FromPixels(network, description.preprocessing, _TYPES[precision], execution.channels_last)
        self._forward: Forward = from_pixels.to(device)
        if execution.compiled:
            self._forward = torch.compile(self._forward, mode=execution.compiled, dynamic=False)
        self._run = self._forward

    @torch.inference_mode()
    def settle(self, batch: int) -> None:
        """Prepare for batches of at most this size, if the way of execution has fixed sizes."""
        if self._execution.fixed:
            least = batch if self._execution.compiled else min(batch, LEAST_BATCH)  # each size is compiled anew
            sizes = [batch // 2**power for power in range(batch.bit_length()) if batch // 2**power >= least]
            self._run = FixedBatches(self._forward, sizes, self.image_size, self._device, self._execution.graphs)

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Classify a batch: (N, K), rows adding up to 1, of pixels (N, S, S, 3)."""
        return self.outputs(pixels).probabilities

    @torch.inference_mode()
    def outputs(self, pixels: Pixels) -> NetworkOutputs:
        """The probabilities of a batch, as `probabilities` has them, and its features (N, F)."""
        probabilities, features = self._run(self._transfer(pixels))
        return NetworkOutputs(probabilities.cpu().numpy(), features.cpu().numpy())


class _FromPixels(nn.Module):
    """A network that takes pixels (N, 3, S, S), 8 bits, and gives probabilities and features."""

    def __init__(self, network: nn.Module, prepared: Preprocessing, kind: torch.dtype, channels_last: bool) -> None:
        super().__init__()
        self._type = kind
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._network = _placed(fold_normalisation(network), kind, self._format)
        # (pixel / 255 - mean) / std as one multiplication and one addition
        self._scale = nn.Buffer(torch.tensor([1 / (255 * s) for s in prepared.std]).view(1, 3, 1, 1))
        pairs = zip(prepared.mean, prepared.std, strict=True)
        self._offset = nn.Buffer(torch.tensor([-m / s for m, s in pairs]).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        images = pixels.float().mul_(self._scale).add_(self._offset).to(self._type)
        logits, features = classify_with_features(self._network, images.contiguous(memory_format=self._format))
        return logits.double().softmax(dim=1), features.float()


def _placed(network: nn.Module, kind: torch.dtype, memory_format: torch.memory_format) -> nn.Module:
    placed: nn.Module = network.to(dtype=kind, memory_format=memory_format)  # type: ignore[call-overload]
    return placed


def exact_float32() -> None:
    """Let float32 be float32: convolutions on a GPU otherwise round their inputs to 10 bits (TF32)."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def fitting_batch(peak: Callable[[int], int], free: int, at_once: int = AT_ONCE) -> int:
    """How many images a batch may have: a power of two, from what two small batches claim.

    Args:
        peak: the most memory, bytes, that a batch of so many images claims at once; it grows in a straight line.
        free: memory, bytes, that there is.
        at_once: batches that are in progress at the same time.
    """
    small, double = peak(LEAST_BATCH), peak(2 * LEAST_BATCH)
    an_image = max(1.0, (double - small) / LEAST_BATCH)
    fixed = max(0.0, small - LEAST_BATCH * an_image)
    room = (_SHARE * free / at_once - fixed) / an_image
    size = LEAST_BATCH
    while 2 * size <= min(room, LARGEST_BATCH):
        size *= 2
    return size


def batch_on(engines: Sequence[GpuEngine], device: torch.device) -> int:
    """The batch that fits into a GPU's memory for each of the engines."""

    def peak_of(engine: GpuEngine) -> Callable[[int], int]:
        def peak(count: int) -> int:
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            engine.outputs(_blank(count, engine))
            return torch.cuda.max_memory_allocated(device) - before

        engine.outputs(_blank(LEAST_BATCH, engine))  # the first batch also claims the libraries' memory
        return peak

    try:
        sizes = [fitting_batch(peak_of(engine), torch.cuda.mem_get_info(device)[0]) for engine in engines]
    except Exception as error:  # another program holds the memory: batches are halved until they fit
        if not memory_ran_out(error):
            raise
        sizes = [LEAST_BATCH]
    torch.cuda.empty_cache()
    return min(sizes)


def _blank(count: int, engine: GpuEngine) -> Pixels:
    return np.zeros((count, engine.image_size, engine.image_size, 3), np.uint8)
