"""Could one network decide the cells it is certain of, and the ensemble the rest? Prints Markdown.

    python -m benchmarks.cascade cells.csv --leave-out plasma_cell --sizes 96,128

For each member alone, at each image size, its probabilities scaled as the ensemble's are, the gate is the lowest
certainty at which at most so many of all calls differ from the ensemble's on the validation split. What it then does on
the test split stands beside it.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.throughput import resized
from slidescreen import ensemble_files
from slidescreen.cli.shared import default_ensemble
from slidescreen.engine.interface import Choice
from slidescreen.engine.selection import load_engines
from slidescreen.ensemble import Ensemble
from slidescreen.evaluation.truth import chosen
from slidescreen.exactness import macro_f1
from slidescreen.images import decode, prepare, read_bytes
from slidescreen.labels import LabelledImage, LabelRules, read_labelled

_PLAIN = Choice("openvino", "cpu", "fp32")
SPLITS = ("validation", "test")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alone:
    """A member at an image size: what it makes of each split (N, K), and its seconds an image with resizing."""

    name: str
    probabilities: dict[str, Floats]
    seconds: float


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with their split.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")] = None,
    sizes: Annotated[str, typer.Option(help="Sizes to try besides the members' own, joined by commas.")] = "",
    changed: Annotated[float, typer.Option(help="Share of all calls that may differ.")] = 0.005,
) -> None:
    """Share of cells decided by one network, calls changed, and what is gained in time."""
    folder = ensemble or default_ensemble()
    model = ensemble_files.load(folder)
    labelled = read_labelled(data, LabelRules(frozenset(leave_out or ())))
    images = {split: [i for i in chosen(labelled, split) if i.label in model.cell_types] for split in SPLITS}
    truth = {s: np.asarray([model.cell_types.index(i.label) for i in images[s]]) for s in SPLITS}
    reading = _reading(images["validation"][:200])
    own = _members(model, images)
    voted = {split: model.combine([member.probabilities[split] for member in own]) for split in SPLITS}
    whole = reading + sum(member.seconds for member in own)
    firsts = [(member, whole) for member in own]
    for size in map(int, filter(None, sizes.split(","))):
        with tempfile.TemporaryDirectory() as name:
            other = Path(name) / "ensemble"
            resized(folder, other, size)
            firsts += [(m, whole + m.seconds) for m in _members(ensemble_files.load(other), images)]
    print(f"{len(truth['validation'])} validation and {len(truth['test'])} test images, one thread.")
    print(f"The ensemble takes {1000 * whole:.1f} ms an image, {1000 * reading:.1f} of it for reading.\n")
    print("| first | decides | calls changed, validation | … test | macro F1, test | times as fast |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for raw, all_of_it in firsts:
        first = replace(raw, probabilities={s: model.combine([p] * len(own)) for s, p in raw.probabilities.items()})
        gate = _gate(first.probabilities["validation"], voted["validation"], changed)
        found = {s: _cascade(first.probabilities[s], voted[s], gate) for s in SPLITS}
        decided = float((first.probabilities["test"].max(axis=1) >= gate).mean())
        shares = [(found[s].argmax(axis=1) != voted[s].argmax(axis=1)).mean() for s in SPLITS]
        took = reading + first.seconds + (1 - decided) * (all_of_it - reading - first.seconds)
        gain = macro_f1(truth["test"], found["test"]) - macro_f1(truth["test"], voted["test"])
        print(
            f"| {first.name} | {decided:.1%} | {shares[0]:.2%} | {shares[1]:.2%} | {gain:+.4f} | {whole / took:.2f} |"
        )


def _members(model: Ensemble, images: dict[str, Sequence[LabelledImage]]) -> list[Alone]:
    """Each member by itself."""
    found = []
    for member in model.members:
        engine = load_engines([member], _PLAIN, threads=1).members[0]
        prepared = member.checkpoint.preprocessing
        probabilities, seconds = {}, 0.0
        for split, part in images.items():
            rows = []
            for start in range(0, len(part), 64):
                decoded = [decode(read_bytes(image.path)) for image in part[start : start + 64]]
                begun = time.perf_counter()
                rows.append(engine.probabilities(np.stack([prepare(image, prepared) for image in decoded])))
                seconds += time.perf_counter() - begun
            probabilities[split] = np.concatenate(rows)
        name = f"{member.checkpoint.backbone}, {prepared.image_size} px"
        found.append(Alone(name, probabilities, seconds / sum(map(len, images.values()))))
    return found


def _reading(images: Sequence[LabelledImage]) -> float:
    started = time.perf_counter()
    for image in images:
        decode(read_bytes(image.path))
    return (time.perf_counter() - started) / len(images)


def _gate(first: Floats, voted: Floats, changed: float) -> float:
    """The lowest certainty from which on no more calls change than allowed."""
    order = np.argsort(-first.max(axis=1))
    wrong = np.cumsum(first.argmax(axis=1)[order] != voted.argmax(axis=1)[order])
    allowed = np.flatnonzero(wrong <= changed * len(first))
    return float(first.max(axis=1)[order[allowed[-1]]]) if len(allowed) else 2.0


def _cascade(first: Floats, voted: Floats, gate: float) -> Floats:
    return np.where(first.max(axis=1, keepdims=True) >= gate, first, voted)


if __name__ == "__main__":
    typer.run(main)
