"""The training loop. It can be stopped at any moment and resumed with the same result."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slidescreen.data.labels import LabelledImage
from slidescreen.errors import DivergedError, InputError, OutputError
from slidescreen.files.writing import printable
from slidescreen.models.checkpoints import Checkpoint, halved, save_checkpoint
from slidescreen.statistics import classification
from slidescreen.training import dataset, schedule
from slidescreen.training.dataset import PixelStore
from slidescreen.training.folder import TrainingFolder
from slidescreen.training.history import write_history
from slidescreen.training.interrupts import UninterruptedBlock
from slidescreen.training.learner import Learner
from slidescreen.training.options import Balance, Recipe
from slidescreen.training.process_group import ProcessGroup
from slidescreen.training.schedule import EpochResult
from slidescreen.training.state import ANEW, read_notes, restore_state, save_state
from slidescreen.training.targets import taught_labels

SAVE_EVERY = 600.0
"""Seconds of training between saves of the state within an epoch. The end of an epoch always saves it."""
PixelsAt = Callable[[int], tuple[PixelStore, PixelStore]]
"""Returns the training and the validation pixels, prepared at an image size."""


class EpochObserver(Protocol):
    """Receives the progress of a training. It may raise KeyboardInterrupt to stop the training."""

    def note(self, text: str) -> None: ...

    def batch(self, epoch: int, done: int, total: int, loss: float) -> None: ...

    def epoch(self, result: EpochResult, best: bool) -> None: ...


@dataclass
class Trainer:
    """A training in progress. `run` completes it; a saved state lets a later process resume it.

    If several processes train together, each takes its part of each batch. Only the first validates and writes.

    The state on the disk is complete: it also holds the best weights and the history. Checkpoint, table and curves are
    written after the state, from its content. So a resumed training writes the files that an interruption left out.
    """

    recipe: Recipe
    train_images: Sequence[LabelledImage]
    validation_images: Sequence[LabelledImage]
    pixels_at: PixelsAt
    device: torch.device
    folder: TrainingFolder
    provenance: dict[str, Any]
    teacher: nn.Module | None = None
    history: list[EpochResult] = field(default_factory=list)
    group: ProcessGroup = field(default_factory=ProcessGroup)

    def __post_init__(self) -> None:
        recipe, types = self.recipe, self.recipe.cell_types
        self.draw_weights = loss_weights = None
        if recipe.balance == Balance.SAMPLER:
            self.draw_weights = dataset.group_weights(self.train_images, recipe.balance_power)
        elif recipe.balance == Balance.LOSS:
            loss_weights = dataset.class_weights(self.train_images, types, recipe.balance_power)
        self.learner = Learner(recipe, self.device, loss_weights, self.teacher, self.group)
        taught = taught_labels(types)
        self.labels = np.asarray([taught.index(i.label) for i in self.train_images])
        self.truth = np.asarray([types.index(i.label) for i in self.validation_images])
        self.learning_rate = recipe.learning_rate
        self.epoch, self.next_batch, self.loss_sum, self.seconds = 0, 0, 0.0, 0.0
        self.best_weights: dict[str, Tensor] = {}
        self.stores: tuple[int, PixelStore, PixelStore] | None = None
        self.behind = False  # whether the last attempt to write history and curves failed
        self._whole = UninterruptedBlock(patient=self.group.size > 1)

    @property
    def autocast(self) -> bool:
        """Whether the training computes in bfloat16."""
        return self.learner.autocast

    def resume(self) -> list[str]:
        """Load the state of an interrupted training.

        Returns:
            What has changed since. Such changes may alter the last digits of figures.

        Raises:
            InputError: the file is not such a state.
        """
        notes = read_notes(self.folder.state)
        self.best_weights = restore_state(self.folder.state, self.learner.networks, self.learner.optimizer)
        try:
            then = self._recall(notes)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{printable(self.folder.state)} is damaged ({error!r}): {ANEW}") from error
        now = {**self.provenance["versions"], **self._machine()}
        self.provenance = {**self.provenance, **notes["provenance"], "options": self.recipe.to_dict()}
        return [f"{name} {then.get(name)} → {value}" for name, value in now.items() if then.get(name) != value]

    def _recall(self, notes: Mapping[str, Any]) -> dict[str, Any]:
        """Take over a saved state's plain values. Returns the versions and the machine of the interrupted training."""
        self.epoch, self.next_batch = int(notes["epoch"]), int(notes["next_batch"])
        self.loss_sum, self.seconds = float(notes["loss_sum"]), float(notes["seconds"])
        self.learning_rate = float(notes["learning_rate"])
        self.history = [EpochResult.of(row) for row in notes["history"]]
        return {**notes["provenance"]["versions"], **notes["machine"]}

    def run(self, watcher: EpochObserver) -> None:
        """Train until the last epoch, or until `patience` epochs of the last stage have brought no improvement.

        Raises:
            DivergedError: a loss or weights are no longer finite numbers.
            OutputError: a file cannot be written. The training can resume from the state on the disk.
        """
        with self._whole.guarding():
            try:
                self.save()
                if self.history:
                    self._publish(True, watcher)
                while (size := schedule.next_image_size(self.recipe, self.history)) is not None:
                    self._train_epoch(*self._pixels(size), watcher)
                if self.behind:
                    write_history(self.folder.path, self.history)
            except KeyboardInterrupt:
                if not self._whole.torn:
                    self.save()
                raise
            except OutputError:
                self._whole.heed()  # another process may have followed the same stop request first
                raise

    def save(self) -> None:
        """Write the state. `resume` continues from it with the same result."""
        if not self.group.leads:
            return
        notes = {
            "provenance": self.provenance,
            "machine": self._machine(),
            "epoch": self.epoch,
            "next_batch": self.next_batch,
            "loss_sum": self.loss_sum,
            "seconds": self.seconds,
            "learning_rate": self.learning_rate,
            "history": [asdict(row) for row in self.history],
        }
        with self._whole:
            save_state(self.folder.state, self.learner.networks, self.best_weights, self.learner.optimizer, notes)

    def _machine(self) -> dict[str, Any]:
        """What affects the last digits of sums, besides versions."""
        return {"device": self.device.type, "threads": torch.get_num_threads(), "bfloat16": self.autocast}

    def best(self) -> EpochResult:
        """The epoch whose weights the checkpoint holds. At least one epoch must have finished."""
        return schedule.best_epoch(self.recipe, self.history)

    def _pixels(self, size: int) -> tuple[PixelStore, PixelStore]:
        """Training and validation pixels at the epoch's size, prepared as for classification."""
        if self.stores is None or self.stores[0] != size:
            self.stores = None  # free the previous stage's pixels first
            self.stores = (size, *self.pixels_at(size))
        return self.stores[1:]

    def _train_epoch(self, pixels_of: PixelStore, validation: PixelStore, watcher: EpochObserver) -> None:
        order = dataset.epoch_order(len(self.train_images), self.draw_weights, self.recipe.seed, self.epoch)
        batches = dataset.in_batches(order, self.recipe.batch_size, self.group.size)
        parts = [self.group.part(batch) for batch in batches]
        last_save = started = time.monotonic()
        before = self.seconds
        with ThreadPoolExecutor(1) as ahead:
            pending = [ahead.submit(pixels_of.batch, part) for part in parts[self.next_batch :][:1]]
            while pending:
                number, pixels = self.next_batch, pending.pop().result()
                pending = [ahead.submit(pixels_of.batch, part) for part in parts[number + 1 :][:1]]
                with self._whole:
                    loss = self._step(pixels, self.labels[batches[number]], len(batches))
                    self.loss_sum += loss * len(batches[number])
                    self.next_batch = number + 1
                    self.seconds = before + time.monotonic() - started
                self._stop_together()
                if time.monotonic() - last_save > SAVE_EVERY:
                    self.save()
                    last_save = time.monotonic()
                watcher.batch(self.epoch, self.next_batch, len(batches), loss)
        result = self.group.from_first(lambda: self._judge(validation, len(batches)))
        self._finish_epoch(result, watcher)

    def _stop_together(self) -> None:
        """Stop all processes between the same two steps if any of them was asked to stop."""
        if self.group.any(self._whole.asked):
            self._whole.heed()
            raise KeyboardInterrupt

    def _step(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], batches: int) -> float:
        rate = self._rate(self.next_batch, batches)
        loss = self.learner.step(pixels, labels, self.epoch * batches + self.next_batch, rate)
        if not math.isfinite(loss):
            self._diverged(f", batch {self.next_batch + 1} of {batches}, at", rate, f"the loss is {loss}")
        return loss

    def _rate(self, batch: int, batches: int) -> float:
        share = (self.epoch * batches + batch + 1) / (batches * self.recipe.epochs)
        return schedule.rate_at(self.recipe, self.learning_rate, share)

    def _judge(self, validation: PixelStore, batches: int) -> EpochResult:
        """The figures of the epoch that has just been trained."""
        started, size = time.monotonic(), self.recipe.batch_size
        rate = self._rate(batches - 1, batches)
        places = np.arange(len(self.truth))
        parts = [places[start : start + size] for start in range(0, len(places), size)]
        found = []
        for part in parts:
            self._whole.heed()
            found.append(self.learner.predict(validation.batch(part)))
        probabilities = np.concatenate(found)
        if not (np.isfinite(probabilities).all() and self.learner.is_finite()):
            self._diverged(" at", rate, "the network's weights are no longer finite numbers")
        matrix = classification.confusion_matrix(self.truth, probabilities.argmax(1), len(self.recipe.cell_types))
        return EpochResult(
            epoch=self.epoch + 1,
            image_size=validation.image_size,
            learning_rate=rate,
            train_loss=self.loss_sum / len(self.train_images),
            validation_loss=float(-np.log(np.maximum(probabilities[places, self.truth], 1e-12)).mean()),
            accuracy=classification.accuracy(matrix),
            macro_f1=classification.macro(classification.per_type(matrix).f1).value,
            seconds=self.seconds + time.monotonic() - started,
        )

    def _finish_epoch(self, result: EpochResult, watcher: EpochObserver) -> None:
        """Close an epoch: update the memory, then the state on the disk, then the files written from the state."""
        with self._whole:
            self.history.append(result)
            best = self.best() is result
            if best:
                self.best_weights = halved(self.learner.judged.state_dict())
            self.learning_rate = schedule.next_rate(self.recipe, self.learning_rate, self.history)
            self.epoch, self.next_batch, self.loss_sum, self.seconds = self.epoch + 1, 0, 0.0, 0.0
        self.save()
        self._publish(best, watcher)
        watcher.epoch(result, best)

    def _publish(self, best: bool, watcher: EpochObserver) -> None:
        """Write the checkpoint if the `best` weights are new, then history and curves.

        A failure to write history or curves stops a training only at its end: a spreadsheet may hold the table open.
        """
        if not self.group.leads:
            return
        if best:
            # The checkpoint omits the epoch's time, so the same training gives the same file. It names the image size
            # of its own epoch, because that may come before the last stage.
            result = asdict(self.best())
            del result["seconds"]
            provenance = {**self.provenance, "epochs": result["epoch"], "validation": result}
            preprocessing = replace(self.recipe.preprocessing, image_size=result["image_size"])
            checkpoint = Checkpoint(self.recipe.backbone, self.recipe.cell_types, preprocessing, provenance)
            save_checkpoint(self.folder.checkpoint, self.best_weights, checkpoint, half=False)
            try:
                self.folder.remove_replaced()
            except OutputError as error:
                watcher.note(str(error))
        try:
            write_history(self.folder.path, self.history)
            self.behind = False
        except OutputError as error:
            self.behind = True
            watcher.note(f"{error}; it is tried again later")

    def _diverged(self, place: str, rate: float, what: str) -> NoReturn:
        kept = "no epoch had been finished"
        if self.history:
            kept = f"the best checkpoint, of epoch {self.best().epoch}, is kept in {printable(self.folder.checkpoint)}"
        raise DivergedError(
            f"the training diverged in epoch {self.epoch + 1}{place} learning rate {rate:g}: {what}; "
            f"start anew with a lower --learning-rate ({kept})"
        )
