"""Is the fast mode safe, and could another one be faster? Prints Markdown.

    python -m benchmarks.fast choices cells.csv --leave-out plasma_cell
    python -m benchmarks.fast changed cells.csv --leave-out plasma_cell
    python -m benchmarks.fast slides cells.csv --leave-out plasma_cell
    python -m benchmarks.fast compose cells.csv NORMAL --leave-out plasma_cell

`choices` tries every member as the first, in float32 and in 8-bit integers. It also tries each with and without the
rule that all members judge the cells on which a verdict rests. Validation sets each gate; the result on test stands
beside it. `changed` runs the ensemble's fast mode on images as other laboratories might make them. `slides` compares
verdicts of the fast mode and of all members, on real slides and on slides composed of real cells. `compose` writes
such composed slides, for benchmarks.throughput.
"""

import io
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from benchmarks.by_source import images_of
from benchmarks.magnification import magnified
from benchmarks.verdict import NORMAL, EnsembleOption, calls_from, judge
from slidescreen import cells
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.data.splits import chosen
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import Engine, EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.cascade import decided_from, find_gate, may_decide
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble
from slidescreen.screening.finding import Finding, Verdict

Floats = NDArray[np.float64]
DataArgument = Annotated[Path, typer.Argument(help="CSV of labelled images with their split.")]
LeaveOutOption = Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")]
SplitOption = Annotated[str, typer.Option(help="Images to judge on.")]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


def _compressed(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "jpeg", quality=20)
    return Image.open(stream).convert("RGB")


def _stained(image: Image.Image) -> Image.Image:
    """Redder, as with another batch of stain: the background is made neutral again by the preparation."""
    dark = 255 - np.asarray(image, np.float64)
    return Image.fromarray(np.clip(255 - dark * (0.75, 1.0, 1.25), 0, 255).astype(np.uint8))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda image: image,
    "enlarged 1.5 ×": lambda image: magnified(image, 3 / 2),
    "reduced to two thirds": lambda image: magnified(image, 2 / 3),
    "out of focus": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 120)),
    "JPEG of quality 20": _compressed,
    "paler": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "redder stain": _stained,
}


@dataclass(frozen=True)
class Looked:
    """Labelled images, and each member's probabilities (N, K) in some arithmetic."""

    images: Sequence[LabelledImage]
    truth: NDArray[np.int64]
    members: dict[str, list[Floats]]


@app.command()
def choices(data: DataArgument, ensemble: EnsembleOption = None, leave_out: LeaveOutOption = None) -> None:
    """What each network could decide alone, what that would change, and what it would gain."""
    model = storage.load(ensemble or default_ensemble())
    seconds: dict[tuple[str, int], float] = {}
    looked = {s: _looked(model, images_of(model, data, s, leave_out), seconds=seconds) for s in ("validation", "test")}
    voted = {split: model.combine(found.members["fp32"]) for split, found in looked.items()}
    whole = sum(seconds["fp32", place] for place in range(len(model.members)))
    print(f"{len(voted['validation'])} validation and {len(voted['test'])} test images; one thread.\n")
    print("| first | blasts, IG | decides | … of normal blood | calls changed, validation | … test |", end="")
    print(" false blasts, test | true blasts, test | networks, times as fast on normal blood |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (precision, place), took in seconds.items():
        alone = {split: model.alone(found.members[precision][place]) for split, found in looked.items()}
        differs = {split: model.called(alone[split]) != model.called(voted[split]) for split in voted}
        for rule in ("by all", "alone"):
            may = {s: may_decide(rows, model.cell_types) | (rule == "alone") for s, rows in alone.items()}
            gate = find_gate(differs["validation"], alone["validation"], may["validation"]) or 2.0
            stands = {s: decided_from(gate, alone[s], may[s]) for s in voted}
            outcome = {s: np.where(stands[s][:, None], alone[s], voted[s]) for s in voted}
            normal = _of_normal(stands["test"], looked["test"].truth, model)
            blasts = [_counted(rows, looked["test"].truth, model) for rows in (outcome["test"], voted["test"])]
            print(
                f"| {model.members[place].checkpoint.backbone}, {precision} | {rule} | {stands['test'].mean():.0%} "
                f"| {normal:.0%} | {(stands['validation'] & differs['validation']).mean():.2%} "
                f"| {(stands['test'] & differs['test']).mean():.2%} "
                f"| {blasts[0][0]} (by all {blasts[1][0]}) | {blasts[0][1]} (by all {blasts[1][1]}) "
                f"| {whole / (took + (1 - normal) * whole):.2f} |"
            )


@app.command()
def changed(
    data: DataArgument, ensemble: EnsembleOption = None, leave_out: LeaveOutOption = None, split: SplitOption = "test"
) -> None:
    """The fast mode beside all members, on images as other laboratories might make them."""
    model = storage.load(ensemble or default_ensemble())
    images = images_of(model, data, split, leave_out)
    print(f"{len(images)} images of the {split} split.\n")
    print(
        "| images | decided by one | calls changed | blasts or IG by all, decided otherwise | accuracy by all | fast |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, change in CHANGES.items():
        looked = _looked(model, images, change)
        voted, fast, stands = _both(model, looked)
        critical = ~may_decide(voted, model.cell_types) & (model.called(voted) >= 0)
        differs = model.called(fast) != model.called(voted)
        right = [f"{(rows.argmax(axis=1) == looked.truth).mean():.3f}" for rows in (voted, fast)]
        print(
            f"| {name} | {stands.mean():.0%} | {differs.sum()} ({differs.mean():.2%}) "
            f"| {(critical & differs).sum()} of {critical.sum()} | {' | '.join(right)} |",
            flush=True,
        )


@app.command()
def slides(
    data: DataArgument,
    ensemble: EnsembleOption = None,
    leave_out: LeaveOutOption = None,
    count: Annotated[int, typer.Option(help="Composed slides of each kind.")] = 300,
    least: Annotated[int, typer.Option(help="Images that a real slide must have.")] = 50,
) -> None:
    """Verdicts by the fast mode beside those by all members."""
    model = storage.load(ensemble or default_ensemble())
    kinds = ", ".join(Verdict)
    print(f"| slides | cells | verdict by all: {kinds} | another verdict, fast | other flags, fast |")
    print("| --- | ---: | --- | ---: | ---: |")
    for split in ("validation", "test"):
        looked = _looked(model, images_of(model, data, split, leave_out))
        voted, fast, _ = _both(model, looked)
        names = np.asarray([image.slide for image in looked.images])
        real = [np.flatnonzero(names == name) for name in sorted(set(names.tolist()) - {""})]
        _compare(f"{split}, real", [places for places in real if len(places) >= least], model, voted, fast)
        for share in (0.0, 0.02, 0.05, 0.2):
            composed = list(_composed(looked, model, share, count))
            _compare(f"{split}, composed, {share:.0%} blasts", composed, model, voted, fast)


@app.command()
def compose(
    data: DataArgument,
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    leave_out: LeaveOutOption = None,
    count: Annotated[int, typer.Option(help="Slides.")] = 5,
    size: Annotated[int, typer.Option(help="Cells of a slide.")] = 200,
    split: SplitOption = "test",
) -> None:
    """Write slides of real cells that come as in normal blood: what most of a night's slides are."""
    images = chosen(read_labelled(data, LabelRules(frozenset(leave_out or ()))), split)
    generator = np.random.default_rng(0)
    for number in range(count):
        folder = out / f"N{number:03d}"
        folder.mkdir(parents=True)
        for name, times in zip(NORMAL, generator.multinomial(size, list(NORMAL.values())).tolist(), strict=True):
            paths = [image.path for image in images if image.label == name]
            for place, path in enumerate(generator.permutation(np.asarray(paths, object))[:times]):
                shutil.copy(path, folder / f"{name}_{place:03d}{path.suffix}")


def _looked(
    model: Ensemble,
    images: Sequence[LabelledImage],
    change: Callable[[Image.Image], Image.Image] = lambda image: image,
    seconds: dict[tuple[str, int], float] | None = None,
) -> Looked:
    """Classify images with each member in float32 and in 8-bit integers; `seconds` an image by precision and member."""
    engines: dict[str, Sequence[Engine]] = {
        precision: load_engines(
            model.members,
            EngineConfiguration(EngineKind.OPENVINO, Device.CPU, precision),
            threads=1 if seconds is not None else None,
        ).members
        for precision in ("fp32", "int8")
    }
    parts: dict[tuple[str, int], list[Floats]] = {(p, k): [] for p in engines for k in range(len(model.members))}
    took = dict.fromkeys(parts, 0.0)
    for start in range(0, len(images), 64):
        shown = [change(decode(read_bytes(image.path))) for image in images[start : start + 64]]
        for (precision, place), rows in parts.items():
            prepared = model.members[place].checkpoint.preprocessing
            pixels = np.stack([prepare(image, prepared) for image in shown])
            begun = time.perf_counter()
            rows.append(engines[precision][place].probabilities(pixels))
            took[precision, place] += (time.perf_counter() - begun) / len(images)
    if seconds is not None:
        seconds.update(took)
    truth = np.asarray([model.cell_types.index(image.label) for image in images])
    members = {p: [np.concatenate(parts[p, k]) for k in range(len(model.members))] for p in engines}
    return Looked(images, truth, members)


def _both(model: Ensemble, looked: Looked) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Probabilities by all members, and by the fast mode, and which cells one member decided in that."""
    cascade = model.validation.cascade
    if cascade is None:
        raise typer.BadParameter("this ensemble has no fast mode")
    voted = model.combine(looked.members["fp32"])
    alone = model.alone(looked.members["int8"][cascade.first])
    stands = cascade.decides(alone, model.cell_types)
    return voted, np.where(stands[:, None], alone, voted), stands


def _of_normal(stands: NDArray[np.bool_], truth: NDArray[np.int64], model: Ensemble) -> float:
    """Share of the cells decided where the types come as in normal blood."""
    return sum(share * float(stands[truth == model.cell_types.index(name)].mean()) for name, share in NORMAL.items())


def _counted(rows: Floats, truth: NDArray[np.int64], model: Ensemble) -> tuple[int, int]:
    """Cells of other types, and blasts, that are counted in the test of a slide's blasts."""
    inside = cells.indices(model.cell_types, cells.BLASTS)
    certainty = model.validation.false_calls["blasts"].certainty
    counts = np.isin(model.called(rows), inside) & (rows[:, inside].sum(axis=1) >= certainty)
    blasts = np.isin(truth, inside)
    return int((counts & ~blasts).sum()), int((counts & blasts).sum())


def _composed(looked: Looked, model: Ensemble, blasts: float, count: int) -> Iterator[NDArray[np.int64]]:
    """Slides of 200 cells, normal ones and myeloblasts among them, drawn from all images of their type."""
    shares = {name: share * (1 - blasts) for name, share in NORMAL.items()} | {"myeloblast": blasts}
    places = [np.flatnonzero(looked.truth == model.cell_types.index(name)) for name in shares]
    generator = np.random.default_rng(round(1000 * blasts))
    for _ in range(count):
        drawn = generator.multinomial(200, list(shares.values())).tolist()
        yield np.concatenate([generator.choice(of_type, n) for of_type, n in zip(places, drawn, strict=True)])


def _compare(title: str, slides: Sequence[NDArray[np.int64]], model: Ensemble, voted: Floats, fast: Floats) -> None:
    def finding(rows: Floats) -> Finding:
        return judge("S", calls_from(rows, model.called(rows), model.cell_types), {}, model).finding

    found = [(finding(voted[places]), finding(fast[places])) for places in slides]
    kinds = [sum(exact.verdict is kind for exact, _ in found) for kind in Verdict]
    verdicts = sum(exact.verdict != other.verdict for exact, other in found)
    flags = sum(set(exact.flags) != set(other.flags) for exact, other in found)
    number = sum(map(len, slides))
    print(f"| {title}: {len(slides)} | {number} | {', '.join(map(str, kinds))} | {verdicts} | {flags} |", flush=True)


if __name__ == "__main__":
    app()
