"""A network in training: its steps and its predictions."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from slidescreen.models.checkpoints import build
from slidescreen.training.augmentation import augment
from slidescreen.training.options import Optimizer, Recipe, TrainingPrecision
from slidescreen.training.process_group import ProcessGroup, talking
from slidescreen.training.targets import cross_entropy, total_weight, types_of_groups

_SEED_STRIDE = 1_000_003
_RANK_STRIDE = 2_654_435_761  # torch's CPU generator uses only the lower 32 bits of a seed


class Learner:
    """The network, the moving average of its weights, and its optimizer.

    Args:
        recipe: the training's recipe. Its seed decides the initial weights.
        device: the device of the networks.
        loss_weights: weights of the cell types, shape (K,); None if all are equal.
        teacher: a network whose probabilities are learnt in addition to the labels.
        group: the processes that train together; None for this process alone.
    """

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device,
        loss_weights: NDArray[Any] | None = None,
        teacher: nn.Module | None = None,
        group: ProcessGroup | None = None,
    ) -> None:
        self._recipe, self._device, self._teacher = recipe, device, teacher
        self._group = group or ProcessGroup()
        torch.manual_seed(recipe.seed)
        count = len(recipe.cell_types)
        network = self._place(build(recipe.backbone, count, recipe.drop_rate, recipe.drop_path_rate))
        self.network = self._group.with_common_normalisation(network, device)
        self.average = self._place(build(recipe.backbone, count))
        kind = torch.optim.Adam if recipe.optimizer == Optimizer.ADAM else torch.optim.AdamW
        self.optimizer = kind(self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        auto = recipe.precision == TrainingPrecision.AUTO and fast_bf16(device, recipe.backbone)
        self.autocast = auto or recipe.precision == TrainingPrecision.BF16
        self._loss_weights = None
        if loss_weights is not None:
            self._loss_weights = torch.as_tensor(loss_weights, dtype=torch.float32, device=device)
        self._groups = types_of_groups(recipe.cell_types).to(device)
        self.start_average()

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Both networks, by their names in a saved state."""
        return {"network": self.network, "average": self.average}

    @property
    def judged(self) -> nn.Module:
        """The network to validate and save: the moving average, if there is one."""
        return self.average if self._recipe.weight_average > 0 else self.network

    def start_average(self) -> None:
        """Start the moving average from the network's current weights."""
        self.average.load_state_dict(self.network.state_dict())

    @cached_property
    def _replica(self) -> nn.Module:
        """The network, with gradients of the whole batch. The first step makes it, once the weights are set."""
        return self._group.replica(self.network, self._device)

    def step(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], number: int, rate: float) -> float:
        """Learn from one batch.

        Every random draw comes from the step's own number, so that a resumed training repeats it.

        Args:
            pixels: (N, S, S, 3), this process's part of the batch. N is at least 2: normalisation needs a mean.
            labels: (M,), positions among `taught_labels`, for the whole batch.
            number: the step's number in the whole training, from 0.
            rate: the learning rate.

        Returns:
            The loss of the whole batch before the step; it may be infinite or NaN.
        """
        seed = self._recipe.seed * _SEED_STRIDE + self._group.rank * _RANK_STRIDE + number
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._replica.train()
        images = augment(as_batch(pixels, self._device), self._recipe.augmentation, generator)
        self.optimizer.zero_grad(set_to_none=True)
        with talking(), self._narrow():
            images = self._normalised(images)
            logits = self._replica(images)
        loss = self._loss(logits.float(), torch.as_tensor(labels, device=self._device), images)
        with talking():
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self._device.type != "cuda":  # on CUDA, all processes already have the same buffers
            self._group.average([b for b in self.network.buffers() if b.is_floating_point()])
        self._update_average(number)
        return self._group.total(float(loss.detach())) / self._group.size

    @torch.no_grad()
    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities (N, K) of the judged network for pixels (N, S, S, 3)."""
        self.judged.eval()
        with self._narrow():
            logits = self.judged(self._normalised(as_batch(pixels, self._device)))
        probabilities: NDArray[np.float64] = logits.double().softmax(1).cpu().numpy()
        return probabilities

    def is_finite(self) -> bool:
        """Whether all weights of both networks are finite numbers."""
        tensors = [value for network in self.networks.values() for value in network.state_dict().values()]
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def _place(self, network: nn.Module) -> nn.Module:
        return network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _narrow(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.autocast)

    def _loss(self, logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Cross-entropy to the labels and, with a teacher, to its probabilities for the same pixels.

        Each process scales the loss of its own part. The mean over all processes is then the loss of the whole batch.
        """
        smoothing, size = self._recipe.label_smoothing, self._group.size
        target = labels.tensor_split(size)[self._group.rank]
        loss = cross_entropy(logits, target, self._groups, self._loss_weights, smoothing)
        if size > 1:
            loss = loss * (size * total_weight(target, self._loss_weights) / total_weight(labels, self._loss_weights))
        if self._teacher is None:
            return loss
        with torch.no_grad(), self._narrow():
            opinion = self._teacher(images).float().softmax(1)
        taught = functional.cross_entropy(logits, opinion)
        if size > 1:
            taught = taught * (size * len(target) / len(labels))
        return torch.lerp(loss, taught, self._recipe.teacher_weight)

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        if self._recipe.weight_average <= 0:
            return
        keep = min(self._recipe.weight_average, (1 + step) / (10 + step))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
        for mean, value in pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)

    def _normalised(self, images: Tensor) -> Tensor:
        mean = torch.tensor(self._recipe.preprocessing.mean, device=self._device).view(1, 3, 1, 1)
        std = torch.tensor(self._recipe.preprocessing.std, device=self._device).view(1, 3, 1, 1)
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def as_batch(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Pixels (N, S, S, 3) as a float batch (N, 3, S, S), 0–1."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255


def fast_bf16(device: torch.device, backbone: str) -> bool:
    """Whether a network trains faster in bfloat16 than in float32.

    On a CPU with bfloat16 (2 cores, 128 pixels), V1 B1 does 38 images/s in bfloat16 and 51 in float32; V2 B2 does 63
    and 50. Depthwise convolutions are slower in bfloat16. V1 has many of them, on large maps.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if backbone == "efficientnet_b1":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
