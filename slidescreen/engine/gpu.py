"""Inference on an NVIDIA GPU, with PyTorch.

A network has its weights in its own arithmetic, channels last, its normalisation folded into its convolutions. Pixels
are copied as 8 bits, beside the computation, and prepared on the GPU. All batches have one size. An image that half
precision cannot hold (float16 ends at 65,504) is computed in float32.

Everything but the copying stream runs on a processor too, which is how it is tested.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slidescreen.data.images import Pixels
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.fixed_batches import FixedBatches, Forward, KernelThread
from slidescreen.engine.fusion import fold_normalisation, multiply_single_pixels
from slidescreen.engine.interface import NetworkOutputs
from slidescreen.engine.options import Precision
from slidescreen.engine.transfer import PixelTransfer
from slidescreen.models.checkpoints import load_network
from slidescreen.models.features import classify_with_features

AT_ONCE = 3
"""Batches in progress: the pixels of one are copied, and the answers of another judged, while the third is computed."""
BATCH = 256  # more images at once were not computed faster
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
        graphs: whether a GPU is given the network as a CUDA graph (see `fixed_batches`).
        compiled: the mode of `torch.compile`, such as `default`; empty if it is not used.
    """

    channels_last: bool = True
    graphs: bool = True
    compiled: str = ""


class GpuEngine:
    """One checkpoint's network, ready to classify batches of prepared pixels."""

    def __init__(
        self,
        checkpoint: Path,
        device: torch.device,
        precision: str,
        transfer: PixelTransfer,
        kernels: KernelThread,
        execution: Execution = Execution(),
    ) -> None:
        """Load a checkpoint onto a device. An ensemble's engines share `transfer` and `kernels`.

        Raises:
            InputError: the file is no checkpoint, or its weights do not fit.
        """
        description, network = load_network(checkpoint)
        self.image_size = description.preprocessing.image_size
        self._transfer, self._kernels, self._precision = transfer, kernels, precision
        from_pixels = _FromPixels(network, description.preprocessing, _TYPES[precision], execution.channels_last)
        forward: Forward = from_pixels.to(device)
        if execution.compiled:
            forward = torch.compile(forward, mode=execution.compiled, dynamic=False)
        self._network = FixedBatches(forward, execution.graphs and device.type == "cuda")
        self._load_exact = partial(GpuEngine, checkpoint, device, Precision.FP32, transfer, kernels, execution)
        self._exact: GpuEngine | None = None
        self._loading = threading.Lock()

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Classify a batch: (N, K), rows adding up to 1, of pixels (N, S, S, 3)."""
        return self.outputs(pixels).probabilities

    def outputs(self, pixels: Pixels) -> NetworkOutputs:
        """The probabilities of a batch, as `probabilities` has them, and its features (N, F)."""
        probabilities, features = (each.cpu().numpy() for each in self._kernels(self._network, self._transfer(pixels)))
        if self._precision != Precision.FP32:
            overflowed = ~(np.isfinite(probabilities).all(axis=1) & np.isfinite(features).all(axis=1))
            if overflowed.any():
                exact = self._in_float32().outputs(pixels[overflowed])
                probabilities[overflowed], features[overflowed] = exact.probabilities, exact.features
        return NetworkOutputs(probabilities, features)

    def _in_float32(self) -> "GpuEngine":
        """The same network in float32, loaded at its first use, which may never come."""
        with self._loading:
            if self._exact is None:
                self._exact = self._load_exact()
            return self._exact


class _FromPixels(nn.Module):
    """A network that takes pixels (N, 3, S, S), 8 bits, and gives probabilities and features."""

    def __init__(self, network: nn.Module, prepared: Preprocessing, kind: torch.dtype, channels_last: bool) -> None:
        super().__init__()
        self._type = kind
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        fewer_passes = fold_normalisation(network)
        if channels_last:
            fewer_passes = multiply_single_pixels(fewer_passes)
        self._network = _placed(fewer_passes, kind, self._format)
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


def load(
    checkpoints: Sequence[Path],
    device: torch.device,
    precisions: Sequence[str],
    execution: Execution = Execution(),
    batch: int | None = None,
) -> tuple[list[GpuEngine], int]:
    """Load an ensemble's networks, and find the size of their batches by trying it. The first use is over then.

    Args:
        checkpoints: the networks.
        device: where to.
        precisions: one for each network.
        execution: how they are run.
        batch: images of a batch; None for the best number. It is halved while memory runs out.

    Returns:
        The engines, and their batch.

    Raises:
        InputError: a file is no checkpoint, or its weights do not fit.
    """
    transfer, kernels = PixelTransfer(device), KernelThread(batch or BATCH)
    engines = [
        GpuEngine(checkpoint, device, precision, transfer, kernels, execution)
        for checkpoint, precision in zip(checkpoints, precisions, strict=True)
    ]
    tried = 0
    while tried != kernels.size:  # again if it was too large for one of them
        tried = kernels.size
        for engine in engines:
            engine.outputs(np.zeros((1, engine.image_size, engine.image_size, 3), np.uint8))
    return engines, kernels.size
