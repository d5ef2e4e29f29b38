"""Inference on an NVIDIA GPU, with PyTorch.

A network has its weights in its own arithmetic, channels last, its normalisation folded into its convolutions. Pixels
are copied as 8 bits, beside the computation, and prepared on the GPU. The batch is as large as memory allows.

Everything but the copying stream runs on a processor too, which is how it is tested.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from slidescreen.data.images import Pixels
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


class GpuEngine:
    """One checkpoint's network, ready to classify batches of prepared pixels."""

    def __init__(self, checkpoint: Path, device: torch.device, precision: str, transfer: PixelTransfer) -> None:
        """Load a checkpoint onto a device.

        Raises:
            InputError: the file is no checkpoint, or its weights do not fit.
        """
        description, network = load_network(checkpoint)
        self.image_size = description.preprocessing.image_size
        self._type, self._transfer = _TYPES[precision], transfer
        folded = fold_normalisation(network)
        self._network = folded.to(device, self._type, memory_format=torch.channels_last)  # type: ignore[call-overload]
        prepared = description.preprocessing
        # (pixel / 255 - mean) / std as one multiplication and one addition
        self._scale = torch.tensor([1 / (255 * s) for s in prepared.std], device=device).view(1, 3, 1, 1)
        pairs = zip(prepared.mean, prepared.std, strict=True)
        self._offset = torch.tensor([-m / s for m, s in pairs], device=device).view(1, 3, 1, 1)

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Classify a batch: (N, K), rows adding up to 1, of pixels (N, S, S, 3)."""
        return self.outputs(pixels).probabilities

    @torch.inference_mode()
    def outputs(self, pixels: Pixels) -> NetworkOutputs:
        """The probabilities of a batch, as `probabilities` has them, and its features (N, F)."""
        images = self._transfer(pixels).float().mul_(self._scale).add_(self._offset)
        images = images.to(self._type).contiguous(memory_format=torch.channels_last)
        logits, features = classify_with_features(self._network, images)
        return NetworkOutputs(logits.double().softmax(dim=1).cpu().numpy(), features.float().cpu().numpy())


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
            engine.outputs(np.zeros((count, engine.image_size, engine.image_size, 3), np.uint8))
            return torch.cuda.max_memory_allocated(device) - before

        return peak

    try:
        sizes = [fitting_batch(peak_of(engine), torch.cuda.mem_get_info(device)[0]) for engine in engines]
    except Exception as error:  # another program holds the memory: batches are halved until they fit
        if not memory_ran_out(error):
            raise
        sizes = [LEAST_BATCH]
    torch.cuda.empty_cache()
    return min(sizes)
