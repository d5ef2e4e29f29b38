"""Inference with PyTorch: on an NVIDIA GPU (see `gpu`), and on processors that OpenVINO does not support.

In half precision a processor runs the networks as a GPU does. PyTorch's autocast would round otherwise than what was
measured, and then familiar cells look unfamiliar.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from slidescreen.data.images import Pixels
from slidescreen.engine import gpu
from slidescreen.engine.allocator import keep_memory
from slidescreen.engine.devices import threads_in_words
from slidescreen.engine.exactness import PrecisionAgreement, harmless_with
from slidescreen.engine.interface import MemberEngines, NetworkOutputs
from slidescreen.engine.options import Device, Precision, for_each, joined, parts_of
from slidescreen.errors import InputError
from slidescreen.models.checkpoints import load_network
from slidescreen.models.features import classify_with_features
from slidescreen.models.member import Member

_BATCH = 32


class TorchEngine:
    """One checkpoint's network in float32, ready to classify batches of prepared pixels."""

    def __init__(self, checkpoint: Path, device: torch.device) -> None:
        """Load a checkpoint onto a device.

        Raises:
            InputError: the file is no checkpoint, or its weights do not fit.
        """
        description, network = load_network(checkpoint)
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        prepared = description.preprocessing
        # (pixel / 255 - mean) / std as one multiplication and one addition
        self._scale = torch.tensor([1 / (255 * s) for s in prepared.std], device=device).view(1, 3, 1, 1)
        pairs = zip(prepared.mean, prepared.std, strict=True)
        self._offset = torch.tensor([-m / s for m, s in pairs], device=device).view(1, 3, 1, 1)

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Classify a batch.

        Args:
            pixels: (N, S, S, 3), prepared by the checkpoint's preprocessing.

        Returns:
            Probabilities (N, K). Each row adds up to 1.
        """
        return self.outputs(pixels).probabilities

    @torch.inference_mode()
    def outputs(self, pixels: Pixels) -> NetworkOutputs:
        """The probabilities (N, K) and the features (N, F) of a batch."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)  # already channels_last
        images = batch.float().mul_(self._scale).add_(self._offset)
        logits, features = classify_with_features(self._network, images.contiguous(memory_format=torch.channels_last))
        return NetworkOutputs(logits.double().softmax(dim=1).cpu().numpy(), features.cpu().numpy())


def half_precisions() -> tuple[str, ...]:
    """The half precisions that this GPU computes, the more exact one first."""
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return (Precision.FP16, Precision.BF16) if has_bfloat16 else (Precision.FP16,)


def choose_precision(asked: str, device: str, measured: Mapping[str, PrecisionAgreement]) -> str:
    """The precision that `auto` means on `cuda` or `cpu`: half precision on a GPU, if it was measured to be harmless.

    The one that fewest members have to go without is chosen; of equals the more exact one.

    Args:
        asked: the user's choice.
        device: where to compute.
        measured: the ensemble's agreement in other precisions, of all members or of some.

    Raises:
        InputError: this precision is available with OpenVINO only.
    """
    if Precision.INT8 in parts_of(asked):
        raise InputError(f"--precision {asked} needs OpenVINO, which runs on the CPU: use --engine openvino")
    if asked != Precision.AUTO:
        return asked
    if device == Device.CPU:
        return Precision.FP32
    found = [parts_of(harmless_with(half, measured)) for half in half_precisions()]
    return joined(min(found, key=lambda parts: parts.count(Precision.FP32) / len(parts)))


def load(
    members: Sequence[Member], device: str, precision: str, threads: int, batch: int | None = None
) -> MemberEngines:
    """Load an engine for each member of an ensemble, on `cuda` or `cpu`.

    Args:
        members: the members.
        device, precision, threads: where and how to compute; `threads` of the processor.
        batch: images of a batch on a GPU; None for the best number.

    Raises:
        InputError: a file is no checkpoint, or its weights do not fit.
    """
    keep_memory()
    where, version = torch.device(device), torch.__version__.split("+")[0]
    precisions = for_each(precision, len(members))
    if device == Device.CUDA:
        gpu.exact_float32()
        on_gpu, batch = gpu.load([member.path for member in members], where, precisions, batch=batch)
        description = f"{torch.cuda.get_device_name(where)}, PyTorch {version}, {precision}"
        return MemberEngines(on_gpu, description, batch, gpu.AT_ONCE, arithmetics=precisions)
    torch.set_num_threads(threads)
    halves = [place for place, its in enumerate(precisions) if its != Precision.FP32]
    paths = [members[place].path for place in halves]
    as_on_gpu, batch = gpu.load(paths, where, [precisions[place] for place in halves], batch=_BATCH)
    in_half = dict(zip(halves, as_on_gpu, strict=True))
    engines = [in_half.get(place) or TorchEngine(member.path, where) for place, member in enumerate(members)]
    description = f"CPU, {threads_in_words(threads)}, PyTorch {version}, {precision}"
    return MemberEngines(engines, description, batch, arithmetics=precisions)
