"""Inference with PyTorch, on an NVIDIA GPU or on the CPU."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from slidescreen.allocator import keep_memory
from slidescreen.engine.devices import choose_device
from slidescreen.errors import InputError
from slidescreen.images import Pixels
from slidescreen.networks import load_network

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_SMALLEST_BATCH = 1


class TorchEngine:
    """One checkpoint's network, ready to classify batches of prepared pixels."""

    def __init__(self, checkpoint: Path, device: torch.device, precision: str = "auto") -> None:
        """Load a checkpoint onto a device.

        Raises:
            InputError: the file is no checkpoint, or the precision is unknown.
        """
        if precision not in PRECISIONS:
            raise InputError(f"--precision must be one of {', '.join(PRECISIONS)}, not {precision}")
        description, network = load_network(checkpoint)
        self.device = device
        self.dtype = _dtype(precision, device)
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        prepared = description.preprocessing
        # (pixel / 255 - mean) / std as one multiplication and one addition
        self._scale = torch.tensor([1 / (255 * s) for s in prepared.std], device=device).view(1, 3, 1, 1)
        pairs = zip(prepared.mean, prepared.std, strict=True)
        self._offset = torch.tensor([-m / s for m, s in pairs], device=device).view(1, 3, 1, 1)
        self._largest_batch: int | None = None

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Classify a batch; when memory runs out it is halved, and stays so.

        Args:
            pixels: (N, S, S, 3), prepared as the checkpoint asks.

        Returns:
            (N, K), rows adding up to 1.

        Raises:
            MemoryError: not even one image fits.
        """
        parts = []
        start = 0
        while start < len(pixels):
            size = min(len(pixels) - start, self._largest_batch or len(pixels))
            try:
                parts.append(self._forward(pixels[start : start + size]))
            except (torch.cuda.OutOfMemoryError, MemoryError) as error:
                self._halve(size, error)
                continue
            start += size
        return np.concatenate(parts)

    def _halve(self, size: int, error: BaseException) -> None:
        if size <= _SMALLEST_BATCH:
            raise MemoryError("not even one image fits into memory") from error
        self._largest_batch = size // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _forward(self, pixels: Pixels) -> NDArray[np.float64]:
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)  # already channels_last
        if self.device.type == "cuda":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        images = batch.float().mul_(self._scale).add_(self._offset)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self._network(images)
        result: NDArray[np.float64] = logits.double().softmax(dim=1).cpu().numpy()
        return result


def load_engines(checkpoints: Sequence[Path], device: str, precision: str = "auto") -> list[TorchEngine]:
    """An engine for each checkpoint, on the device that `auto`, `cuda` or `cpu` means here.

    Raises:
        InputError: a file is no checkpoint, the device is not there, or the precision is unknown.
    """
    keep_memory()
    where = choose_device(device)
    return [TorchEngine(path, where, precision) for path in checkpoints]


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    """The arithmetic of the convolutions: on a GPU half precision, unless told otherwise."""
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision != "auto":
        return named[precision]
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
