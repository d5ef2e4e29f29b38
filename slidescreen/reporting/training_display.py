"""A training on the terminal: progress, then one line per epoch."""

import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from slidescreen.files.writing import printable
from slidescreen.models.backbones import BACKBONES
from slidescreen.reporting.progress import ProgressDisplay
from slidescreen.training.loop import Trainer
from slidescreen.training.schedule import EpochResult

_LOG_EVERY = 120.0  # seconds between lines if no progress bar can be shown


class TrainingDisplay(ProgressDisplay):
    """Shows a training: notes, the progress of an epoch, one line per epoch."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
        )
        self._reading = self._bar.add_task("reading images", total=None, detail="")
        self._epoch = self._bar.add_task("epoch", total=None, detail="", visible=False)
        self._trainer: Trainer | None = None
        self._started, self._first = time.monotonic(), 0
        self._last_line = self._started

    def reading(self, done: int, total: int) -> None:
        self._bar.update(self._reading, completed=done, total=total)
        self.show()

    def start(self, trainer: Trainer) -> None:
        self._trainer = trainer
        recipe = trainer.recipe
        precision = "bf16" if trainer.autocast else "fp32"
        self.note(
            f"training {BACKBONES[recipe.backbone]} on {trainer.device.type} in {precision}: "
            f"{recipe.preprocessing.image_size} pixels a side, {len(recipe.cell_types)} cell types"
        )
        self._bar.update(self._reading, visible=False)
        self._start_epoch(trainer.next_batch)

    def batch(self, epoch: int, done: int, total: int, loss: float) -> None:
        assert self._trainer is not None
        seen = (done - self._first) * self._trainer.recipe.batch_size
        rate = seen / max(time.monotonic() - self._started, 1e-9)
        name, detail = f"epoch {epoch + 1}/{self._trainer.recipe.epochs}", f"loss {loss:.3f} · {rate:.1f} images/s"
        self._bar.update(self._epoch, description=name, completed=done, total=total, detail=detail)
        if not self.console.is_terminal and time.monotonic() - self._last_line > _LOG_EVERY:
            self._last_line = time.monotonic()
            self.note(f"{name}  batch {done}/{total}  {detail}")

    def epoch(self, result: EpochResult, best: bool) -> None:
        self.note(
            f"epoch {result.epoch:3d}  {result.image_size} px  loss {result.train_loss:.4f}  validation: "
            f"loss {result.validation_loss:.4f}  accuracy {result.accuracy:.4f}  macro F1 {result.macro_f1:.4f}"
            f"  {result.seconds:.0f} s{'  best' if best else ''}"
        )
        self._start_epoch(0)

    def finish(self, checkpoint: Path, best: EpochResult) -> None:
        self._bar.update(self._epoch, visible=False)
        self.note(f"best: epoch {best.epoch}, macro F1 {best.macro_f1:.4f} → {printable(checkpoint)}")

    def _start_epoch(self, first_batch: int) -> None:
        self._started, self._first = time.monotonic(), first_batch
        self._bar.reset(self._epoch, visible=True)
