"""The training loop."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from slidescreen.labels import LabelledImage
from slidescreen.networks import Checkpoint, build, save_checkpoint
from slidescreen.statistics import classification
from slidescreen.training import dataset
from slidescreen.training.augmentation import augment
from slidescreen.training.dataset import PixelStore
from slidescreen.training.options import TrainingOptions
from slidescreen.training.state import read_notes, restore_state, save_state

_WARM_UP = 0.1  # share of a one-cycle schedule in which the rate rises


@dataclass(frozen=True)
class EpochResult:
    """One line of history.csv. Accuracies and F1 are of the validation split, 0–1."""

    epoch: int
    image_size: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    accuracy: float
    macro_f1: float
    seconds: float


PixelsAt = Callable[[int], tuple[PixelStore, PixelStore]]
"""Gives the training and the validation pixels, prepared at an image size."""


class Watcher(Protocol):
    """Told how a training goes; may raise KeyboardInterrupt to stop it."""

    def batch(self, epoch: int, done: int, total: int, loss: float) -> None: ...

    def epoch(self, result: EpochResult, best: bool) -> None: ...


@dataclass
class Trainer:
    """A training under way. `run` brings it to its end; a saved state lets a later one go on from there."""

    options: TrainingOptions
    train_images: Sequence[LabelledImage]
    validation_images: Sequence[LabelledImage]
    pixels_at: PixelsAt
    device: torch.device
    checkpoint_path: Path
    state_path: Path
    provenance: dict[str, Any]
    teacher: nn.Module | None = None
    save_every: float = 600.0
    history: list[EpochResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = self.options
        torch.manual_seed(options.seed)
        types = options.cell_types
        self.network = self._place(build(options.backbone, len(types), options.drop_rate, options.drop_path_rate))
        self.average = self._place(build(options.backbone, len(types)))
        kind = torch.optim.Adam if options.optimizer == "adam" else torch.optim.AdamW
        self.optimizer = kind(self.network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
        fast = fast_bf16(self.device, options.backbone)
        self.autocast = options.precision == "bf16" or (options.precision == "auto" and fast)
        self.labels = np.asarray([types.index(i.label) for i in self.train_images])
        self.truth = np.asarray([types.index(i.label) for i in self.validation_images])
        self.draw_weights = self.loss_weights = None
        if options.balance == "sampler":
            self.draw_weights = dataset.group_weights(self.train_images, options.balance_power)
        elif options.balance == "loss":
            weights = dataset.class_weights(self.train_images, types, options.balance_power)
            self.loss_weights = torch.as_tensor(weights, dtype=torch.float32, device=self.device)
        self.learning_rate = options.learning_rate
        self.epoch, self.next_batch, self.loss_sum, self.seconds = 0, 0, 0.0, 0.0
        self.stores: tuple[int, PixelStore, PixelStore] | None = None
        self.start_average()

    def start_average(self) -> None:
        """Begin the moving average at the network's present weights."""
        self.average.load_state_dict(self.network.state_dict())

    def resume(self) -> None:
        """Take up the state that an interrupted training left.

        Raises:
            InputError: the file is no such state.
        """
        notes = read_notes(self.state_path)
        restore_state(self.state_path, self._networks, self.optimizer)
        self.epoch, self.next_batch = notes["epoch"], notes["next_batch"]
        self.loss_sum, self.seconds = notes["loss_sum"], notes["seconds"]
        self.learning_rate = notes["learning_rate"]
        self.history = [EpochResult(**row) for row in notes["history"]]

    def run(self, watcher: Watcher) -> None:
        """Train until the last epoch, or until `patience` epochs have brought no better validation macro F1."""
        try:
            while self.epoch < self.options.epochs and not self._exhausted():
                self._train_epoch(watcher)
                self._finish_epoch(watcher)
        except KeyboardInterrupt:
            self.save()
            raise

    def save(self) -> None:
        """Write the state, from which `resume` goes on as if nothing had happened."""
        notes = {
            "options": self.options.to_dict(),
            "data_hash": self.provenance["data_hash"],
            "epoch": self.epoch,
            "next_batch": self.next_batch,
            "loss_sum": self.loss_sum,
            "seconds": self.seconds,
            "learning_rate": self.learning_rate,
            "history": [asdict(row) for row in self.history],
        }
        save_state(self.state_path, self._networks, self.optimizer, notes)

    @property
    def _networks(self) -> dict[str, nn.Module]:
        return {"network": self.network, "average": self.average}

    def _place(self, network: nn.Module) -> nn.Module:
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _train_epoch(self, watcher: Watcher) -> None:
        size = self.options.batch_size
        order = dataset.epoch_order(len(self.train_images), self.draw_weights, self.options.seed, self.epoch)
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        self.network.train()
        pixels_of, _ = self._pixels()
        last_save = started = time.monotonic()
        before = self.seconds
        with ThreadPoolExecutor(1) as ahead:
            pending = ahead.submit(pixels_of.batch, batches[self.next_batch]) if self._left(batches) else None
            while pending is not None:
                number, pixels = self.next_batch, pending.result()
                after = number + 1
                pending = ahead.submit(pixels_of.batch, batches[after]) if after < len(batches) else None
                loss = self._step(pixels, self.labels[batches[number]], len(batches))
                self.loss_sum += loss * len(pixels)
                self.next_batch = after
                self.seconds = before + time.monotonic() - started
                if time.monotonic() - last_save > self.save_every:
                    self.save()
                    last_save = time.monotonic()
                watcher.batch(self.epoch, after, len(batches), loss)

    def _pixels(self) -> tuple[PixelStore, PixelStore]:
        """Training and validation pixels at the epoch's size, prepared as an image to be classified would be."""
        size = self.options.size_at(self.epoch)
        if self.stores is None or self.stores[0] != size:
            self.stores = None  # the former stage's pixels make room first
            self.stores = (size, *self.pixels_at(size))
        return self.stores[1:]

    def _left(self, batches: Sequence[NDArray[np.int64]]) -> bool:
        return self.next_batch < len(batches)

    def _step(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], batches: int) -> float:
        # Every random draw of a step comes from its own number, so that a resumed training repeats it.
        step = self.epoch * batches + self.next_batch
        generator = torch.Generator().manual_seed(self.options.seed * 1_000_003 + step)
        torch.manual_seed(self.options.seed * 1_000_003 + step)
        self._set_rate(step, batches)
        images = augment(as_batch(pixels, self.device), self.options.augmentation, generator)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            images = self._normalised(images)
            logits = self.network(images)
        loss = self._loss(logits.float(), torch.as_tensor(labels, device=self.device), images)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._update_average(step)
        return float(loss.detach())

    def _loss(self, logits: Tensor, target: Tensor, images: Tensor) -> Tensor:
        """Cross-entropy to the labels, and with a teacher to its opinion of the very same pixels."""
        smoothing = self.options.label_smoothing
        loss = functional.cross_entropy(logits, target, weight=self.loss_weights, label_smoothing=smoothing)
        if self.teacher is None:
            return loss
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            opinion = self.teacher(images).float().softmax(1)
        return torch.lerp(loss, functional.cross_entropy(logits, opinion), self.options.teacher_weight)

    def _set_rate(self, step: int, batches: int) -> None:
        rate = self.learning_rate
        if self.options.schedule == "onecycle":
            share = (step + 1) / (batches * self.options.epochs)
            down = max(0.0, (share - _WARM_UP) / (1 - _WARM_UP))
            rate *= min(share / _WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * down))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        if self.options.weight_average <= 0:
            return
        keep = min(self.options.weight_average, (1 + step) / (10 + step))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
        for mean, value in pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)

    def _finish_epoch(self, watcher: Watcher) -> None:
        judged = self.average if self.options.weight_average > 0 else self.network
        started = time.monotonic()
        probabilities = self._predict(judged)
        matrix = classification.confusion_matrix(self.truth, probabilities.argmax(1), len(self.options.cell_types))
        picked = probabilities[np.arange(len(self.truth)), self.truth]
        result = EpochResult(
            epoch=self.epoch + 1,
            image_size=self.options.size_at(self.epoch),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            train_loss=self.loss_sum / len(self.train_images),
            validation_loss=float(-np.log(np.maximum(picked, 1e-12)).mean()),
            accuracy=classification.accuracy(matrix),
            macro_f1=classification.macro(classification.per_type(matrix).f1).value,
            seconds=self.seconds + time.monotonic() - started,
        )
        self.history.append(result)
        best = result is self._best()
        if best:
            self._save_best(judged, result)
        self._adapt_rate()
        self.epoch, self.next_batch, self.loss_sum, self.seconds = self.epoch + 1, 0, 0.0, 0.0
        self.save()
        watcher.epoch(result, best)

    def _save_best(self, network: nn.Module, result: EpochResult) -> None:
        provenance = {**self.provenance, "epochs": result.epoch, "validation": asdict(result)}
        # Best at this size: a checkpoint from before the last stage is to be used at its own.
        preprocessing = replace(self.options.preprocessing, image_size=result.image_size)
        checkpoint = Checkpoint(self.options.backbone, self.options.cell_types, preprocessing, provenance)
        save_checkpoint(self.checkpoint_path, network.state_dict(), checkpoint, half=True)

    def _adapt_rate(self) -> None:
        """Lower the rate when the macro F1 has stood still for `plateau_patience` epochs."""
        if self.options.schedule != "plateau":
            return
        since = 0
        for row in reversed(self.history):
            if row.learning_rate != self.learning_rate or row is self._best():
                break
            since += 1
        if since > self.options.plateau_patience:
            self.learning_rate *= self.options.plateau_factor

    def _best(self) -> EpochResult:
        """The first best epoch at the present image size; figures at another size say little of this one."""
        present = [row for row in self.history if row.image_size == self.history[-1].image_size]
        return max(present, key=lambda row: row.macro_f1)

    def _exhausted(self) -> bool:
        return bool(self.history) and len(self.history) - self._best().epoch >= self.options.patience

    @torch.no_grad()
    def _predict(self, network: nn.Module) -> NDArray[np.float64]:
        network.eval()
        _, pixels_of = self._pixels()
        parts = []
        for start in range(0, len(self.validation_images), self.options.batch_size):
            stop = min(start + self.options.batch_size, len(self.validation_images))
            images = as_batch(pixels_of.batch(np.arange(start, stop)), self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
                logits = network(self._normalised(images))
            parts.append(logits.double().softmax(1).cpu().numpy())
        return np.concatenate(parts)

    def _normalised(self, images: Tensor) -> Tensor:
        mean = torch.tensor(self.options.preprocessing.mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.options.preprocessing.std, device=self.device).view(1, 3, 1, 1)
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def as_batch(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Pixels (N, S, S, 3) as a float batch (N, 3, S, S), 0–1."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255


def fast_bf16(device: torch.device, backbone: str) -> bool:
    """Whether a network trains faster in bfloat16 than in float32.

    On a CPU with bfloat16 (2 cores, 128 pixels, images/s) V1 B1 does 38 against 51, V2 B2 63 against 50: the depthwise
    convolutions, of which V1 has many and on large maps, are slower in it.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if backbone == "efficientnet_b1":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
