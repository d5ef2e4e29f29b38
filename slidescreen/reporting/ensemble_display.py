"""An ensemble on the terminal: progress while it is measured, then its members side by side."""

from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from slidescreen import cells, output
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.files.writing import printable
from slidescreen.reporting.progress import ProgressDisplay
from slidescreen.reporting.wording import model_name


class EnsembleDisplay(ProgressDisplay):
    """Shows the number of finished images."""

    def __init__(self) -> None:
        super().__init__(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._tasks: dict[str, TaskID] = {}

    def progress(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=None)
        self._bar.update(self._tasks[what], completed=done, total=total)
        self.show()


def show_comparison(ensemble: Ensemble, folder: Path) -> None:
    """Print the measurements on the validation split: each member, then the vote."""
    console = output.console()
    measured = ensemble.validation.measured
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "weight", "accuracy", "macro F1", "of leukocytes", "log loss", "ECE"):
        first = name == "model"
        table.add_column(name, justify="left" if first else "right", no_wrap=first)
    weights = [f"{w:.2f}" for w in ensemble.weights]
    for row, weight in zip(measured["models"], [*weights, ""], strict=True):
        table.add_row(
            f"ensemble ({ensemble.rule})" if row["model"] == "ensemble" else model_name(row["model"]),
            weight,
            f"{row['accuracy']:.4f}",
            f"{row['macro_f1']:.4f}",
            f"{row['leukocyte_macro_f1']:.4f}",
            f"{row['negative_log_likelihood']:.4f}",
            f"{row['calibration_error']:.4f}",
        )
    console.print(table)
    validation = ensemble.validation
    console.print(
        f"\nmeasured on {measured['images']} validation images: temperature {validation.temperature:.3f}, "
        f"offsets {min(validation.offsets):+.2f} to {max(validation.offsets):+.2f}; "
        f"cells with a probability below {validation.rejection_threshold:.3f} stay unidentified "
        f"({measured['unidentified']} of these images)"
    )
    for precision, found in validation.precisions.items():
        console.print(f"in {precision}, {_changes(found)}: {_verdict(precision, found)}")
    if validation.cascade is not None:
        alone = model_name(ensemble.member_names[validation.cascade.first])
        console.print(
            f"with --fast, {alone} alone decides {validation.cascade.decided:.0%} of the cells (probability "
            f"{validation.cascade.gate:.3f} or more); {_changes(validation.cascade.agreement)}"
        )
    elif "int8" in validation.precisions:
        console.print("--fast is not available: no single network is right often enough on these images")
    unseen = [
        name for name in cells.LEUKOCYTES if name in ensemble.cell_types and not ensemble.measured_on.cells.get(name)
    ]
    if unseen:
        console.print(f"no validation cells of {', '.join(unseen)}: error rates for these types are unknown")
    missing = ensemble.measured_on.shortfalls()
    if missing:
        console.print(
            f"[bold yellow]too few validation data:[/] {escape(', '.join(missing))}. The error rates are uncertain, "
            "and each of its verdicts says so"
        )
    console.print(f"ensemble: {escape(printable(folder))}", soft_wrap=True)


def _changes(found: PrecisionAgreement) -> str:
    return f"{found.calls_changed:.2%} of the calls change, and macro F1 changes by {found.macro_f1_change:+.4f}"


def _verdict(precision: str, found: PrecisionAgreement) -> str:
    if "int8" in precision:
        return f"--precision {precision} {'is allowed' if found.tolerable else 'is refused'}"
    return f"processors with bfloat16 {'use it by default' if found.harmless else 'do not use it by default'}"
