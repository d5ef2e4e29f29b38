"""A training so small that it can be cut off at every line: thirty drawn cells, and a network of one convolution."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import torch
from conftest import draw_cell
from torch import Tensor, nn

from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.options import Device
from slidescreen.training.loop import Trainer
from slidescreen.training.options import Augmentation, Recipe, TrainingOptions
from slidescreen.training.schedule import EpochResult

TYPES = ("neutrophil", "lymphocyte", "myeloblast")
OPTIONS = Recipe(
    preprocessing=Preprocessing(32), cell_types=TYPES, epochs=2, batch_size=8, stages=(), precision="fp32", seed=5
)


class Silent:
    """A display that shows nothing, and may interrupt after a batch."""

    def __init__(self, stop_at: tuple[int, int] | None = None) -> None:
        self.stop_at = stop_at
        self.notes: list[str] = []
        self.results: list[EpochResult] = []
        self.finished: list[EpochResult] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def reading(self, done: int, total: int) -> None: ...

    def start(self, trainer: Trainer) -> None: ...

    def finish(self, checkpoint: Path, best: EpochResult) -> None:
        self.finished.append(best)

    def batch(self, epoch: int, done: int, total: int, loss: float) -> None:
        if (epoch, done) == self.stop_at:
            raise KeyboardInterrupt

    def epoch(self, result: EpochResult, best: bool) -> None:
        self.results.append(result)


class SmallNetwork(nn.Module):
    """What a backbone has, small: convolution, normalisation with running statistics, dropout, a last layer."""

    def __init__(self, n_types: int, drop_rate: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.bn1 = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(4, n_types)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.drop(torch.relu(self.bn1(self.conv(images))).mean((2, 3))))


def build_small(_backbone: str, n_types: int, drop_rate: float = 0.0, _drop_path_rate: float = 0.0) -> nn.Module:
    """Stands in for `networks.build`."""
    return SmallNetwork(n_types, drop_rate)


SMALL = replace(OPTIONS, epochs=3, learning_rate=0.05, drop_rate=0.3, augmentation=Augmentation(colour=0.0, focus=0.0))


def table(folder: Path, rows: list[tuple[str, str]]) -> Path:
    """A drawn cell for each (label, split)."""
    folder.mkdir()
    for number in range(len(rows)):
        draw_cell(number, (40, 40)).save(folder / f"{number}.png")
    lines = [f"{number}.png,{label},{split}" for number, (label, split) in enumerate(rows)]
    (folder / "labels.csv").write_text("\n".join(["file,label,split", *lines]) + "\n")
    return folder / "labels.csv"


def labelled(folder: Path, extra: str = "", count: int = 30) -> Path:
    """Cells of three types in a table, every fifth for validation."""
    folder.mkdir()
    lines = ["file,label,slide,split"]
    for number in range(count):
        draw_cell(number, (40, 40)).save(folder / f"{number}.png")
        split = "validation" if number % 5 == 0 else "train"
        lines.append(f"{number}.png,{TYPES[number % 3]},{split}{number % 2},{split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n" + extra)
    return folder / "labels.csv"


def request(data: Path, out: Path, options: Recipe = OPTIONS, **changes: object) -> TrainingOptions:
    """A training on the CPU, on one thread."""
    plain = TrainingOptions(data, out, options, device=Device.CPU, threads=1, memory=1.0)
    return replace(plain, **changes)  # type: ignore[arg-type]


def results(folder: Path) -> dict[str, bytes]:
    """Every file of a training's folder, without times and the empty lock."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found.pop(".lock", b"") == b""
    rows = list(csv.reader(io.StringIO(found["history.csv"].decode())))
    place = rows[0].index("seconds")
    found["history.csv"] = repr([row[:place] + row[place + 1 :] for row in rows]).encode()
    return found
