"""The curves of a training, as a table and as a picture."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from slidescreen.files.writing import write_text, write_whole
from slidescreen.training.schedule import EpochResult


def write_history(folder: Path, history: Sequence[EpochResult]) -> None:
    """Write `history.csv` (one row per epoch) and `curves.png`. Each replaces an earlier file as a whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(EpochResult)], lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(row).items()})
    write_text(folder / "history.csv", text.getvalue())
    _draw_curves(folder / "curves.png", history)


def _draw_curves(path: Path, history: Sequence[EpochResult]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, score = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    loss.plot(epochs, [row.train_loss for row in history], "o--", color="#0072B2", label="training")
    loss.plot(epochs, [row.validation_loss for row in history], "o-", color="#D55E00", label="validation")
    score.plot(epochs, [row.accuracy for row in history], "o--", color="#0072B2", label="accuracy")
    score.plot(epochs, [row.macro_f1 for row in history], "o-", color="#D55E00", label="macro F1")
    for axes, title in ((loss, "Loss"), (score, "Validation")):
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    canvas = FigureCanvasAgg(figure)
    write_whole(path, lambda temporary: canvas.print_figure(temporary, format="png", dpi=110))
