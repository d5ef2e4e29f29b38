"""An ensemble on the terminal: progress while it is measured, then its members side by side."""

from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from slidescreen.ensemble import Ensemble
from slidescreen.files import printable
from slidescreen.networks import BACKBONES


class EnsembleDisplay:
    """A progress bar on standard error."""

    def __init__(self, what: str = "measuring") -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(what, total=None, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def progress(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total, visible=True)


def show_comparison(ensemble: Ensemble, folder: Path) -> None:
    """Print what was measured on the validation split: each member, then the vote."""
    console = Console(highlight=False)
    measured = ensemble.calibration.measured
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "weight", "accuracy", "macro F1", "of leukocytes", "log loss", "calibration error"):
        table.add_column(name, justify="left" if name == "model" else "right")
    weights = [f"{w:.2f}" for w in ensemble.weights]
    for row, weight in zip(measured["models"], [*weights, ""], strict=True):
        table.add_row(
            BACKBONES.get(row["model"], f"ensemble ({ensemble.rule} voting)"),
            weight,
            f"{row['accuracy']:.4f}",
            f"{row['macro_f1']:.4f}",
            f"{row['leukocyte_macro_f1']:.4f}",
            f"{row['negative_log_likelihood']:.4f}",
            f"{row['calibration_error']:.4f}",
        )
    console.print(table)
    calibration = ensemble.calibration
    console.print(
        f"\nmeasured on {measured['images']} validation images; temperature {calibration.temperature:.3f}; "
        f"cells below {calibration.rejection_threshold:.3f} stay unidentified "
        f"({measured['unidentified']} of these images)"
    )
    console.print(f"ensemble: {escape(printable(folder))}", soft_wrap=True)
