"""How fast `slidescreen train` trains, compared with the loop that a user would write with timm. Prints Markdown.

    python -m benchmarks.training cells.csv --image-size 128

An epoch's time is the difference between whole processes with two epochs and with one. Work that both do once (imports,
the first decoding, writing) cancels out.
"""

import csv
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.throughput import machine, timed
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labelled


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with their split.")],
    backbones: str = "efficientnet_b1,efficientnetv2_b2",
    image_size: int = 128,
    images: Annotated[int, typer.Option(help="To train on.")] = 640,
    repeats: int = 2,
    leave_out: Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")] = None,
) -> None:
    """Images a second in training, all ways in turns."""
    labelled = read_labelled(data, LabelRules(frozenset(leave_out or ())))
    generator = random.Random(0)
    trained = generator.sample([i for i in labelled if i.split == "train"], images)
    validated = generator.sample([i for i in labelled if i.split == "validation"], 32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "plain.csv", trained)
        _write(folder / "ours.csv", [*trained, *validated])
        print(machine(), f"{images} images, {image_size} pixels a side; the plain loops in float32.\n", sep="\n")
        print("| network | training | seconds an epoch (range) | images/s | times as fast as plain |")
        print("| --- | --- | ---: | ---: | ---: |")
        for backbone in backbones.split(","):
            _compare(folder, backbone, image_size, images, repeats)


def _compare(folder: Path, backbone: str, size: int, images: int, repeats: int) -> None:
    def ours(epochs: int) -> list[str]:
        options = ["-b", backbone, "--image-size", str(size), "--epochs", str(epochs)]
        return [sys.executable, "-m", "slidescreen", "train", str(folder / "ours.csv"), *options, "--overwrite"]

    def plain(epochs: int, tamed: bool) -> list[str]:
        arguments = [str(folder / "plain.csv"), backbone, str(size), str(epochs), str(tamed)]
        return [sys.executable, "-m", "benchmarks.plain_training", *arguments]

    ways: dict[str, Callable[[int], list[str]]] = {
        "slidescreen train": ours,
        "plain loop, channels_last, allocator tamed": lambda epochs: plain(epochs, tamed=True),
        "plain loop": lambda epochs: plain(epochs, tamed=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, command in ways.items():
            seconds[name].append(timed(command(2)).seconds - timed(command(1)).seconds)
    slowest = statistics.median(seconds["plain loop"])
    for name, found in seconds.items():
        middle = statistics.median(found)
        print(
            f"| {backbone} | {name} | {middle:.1f} ({min(found):.1f}–{max(found):.1f}) | {images / middle:.1f} "
            f"| {slowest / middle:.1f} |",
            flush=True,
        )


def _write(path: Path, images: list[LabelledImage]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "source", "slide", "split"])
        writer.writerows([str(i.path.absolute()), i.label, i.source, i.slide, i.split] for i in images)


if __name__ == "__main__":
    typer.run(main)
