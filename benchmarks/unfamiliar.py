"""Whether unfamiliar slides are recognised, and familiar ones are not flagged. Prints Markdown.

python -m benchmarks.unfamiliar cells.csv labs.csv

Groups of cells of foreign laboratories stand for slides. So do all cells of each patient outside the training data, and
normal slides drawn from single cells without a slide name. Slides at home are spoilt step by step until they lose 5
points of accuracy.
"""

import csv
import io
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import openvino
import typer
from PIL import Image, ImageEnhance, ImageFilter

from slidescreen.building.home import ShownCells, drawn, measure
from slidescreen.data.calls import Call
from slidescreen.data.images import decode, read_bytes
from slidescreen.data.label_options import LabelRules, Split
from slidescreen.data.labels import read_labels
from slidescreen.data.slides import CellImage, Slide
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.conversion import to_openvino
from slidescreen.engine.feature_outputs import with_features
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind, Precision
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import EXACT, Familiarity
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.member_predictions import MemberPredictions, predict
from slidescreen.ensembles.pipeline import Pipeline
from slidescreen.models.member import Member
from slidescreen.screening.differential import count_slide
from slidescreen.screening.finding import Flag
from slidescreen.screening.thresholds import default_thresholds
from slidescreen.screening.unfamiliar_cells import has_unknown_cells, is_unfamiliar
from slidescreen.statistics.intervals import clopper_pearson

HOME_CAMERAS = "allidb"
UNKNOWN = ("plasma_cell", "promonocyte")
NORMAL = {"neutrophil": 60, "lymphocyte": 28, "monocyte": 7, "eosinophil": 3, "basophil": 1, "band_neutrophil": 1}
_ALIAS = {"giant_platelet": "platelet", "erythrocyte": "artefact"}
_SPOILT_CELLS, _PAIRS, _FOLDS = 20, 15, 5
_OTHER = {"plasma_cell": ("promonocyte",), "promonocyte": ("plasma_cell",)}

Picture = Image.Image
Row = dict[str, str]


@dataclass(frozen=True)
class Known:
    """A labelled cell and its call."""

    row: Row
    call: Call

    @property
    def right(self) -> bool:
        return self.call.cell_type == _ALIAS.get(self.row["label"], self.row["label"])


def blurred(radius: float) -> Callable[[Picture], Picture]:
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(radius))


def darkened(factor: float) -> Callable[[Picture], Picture]:
    return lambda picture: picture.point(lambda value: int(value * factor))


def tinted(red: float, blue: float) -> Callable[[Picture], Picture]:
    def tint(picture: Picture) -> Picture:
        bands = picture.split()
        return Image.merge(
            "RGB", [b.point(lambda v, f=f: int(v * f)) for b, f in zip(bands, (red, 1, blue), strict=True)]
        )

    return tint


def faded(factor: float) -> Callable[[Picture], Picture]:
    return lambda picture: ImageEnhance.Color(picture).enhance(factor)


def rescaled(factor: float) -> Callable[[Picture], Picture]:
    """Enlarged about the centre, or made smaller with its edges mirrored."""

    def rescale(picture: Picture) -> Picture:
        width, height = picture.size
        small = picture.resize((round(width * factor), round(height * factor)), Image.Resampling.BICUBIC)
        left, top = (small.width - width) // 2, (small.height - height) // 2
        if factor > 1:
            return small.crop((left, top, left + width, top + height))
        pads = ((-top, height - small.height + top), (-left, width - small.width + left), (0, 0))
        return Image.fromarray(np.pad(np.asarray(small), pads, mode="reflect"))

    return rescale


def compressed(quality: int) -> Callable[[Picture], Picture]:
    def compress(picture: Picture) -> Picture:
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=quality)
        return Image.open(content).convert("RGB")

    return compress


SPOILT: dict[str, Callable[[Picture], Picture]] = {
    "blurred, 3 pixels": blurred(3),
    "blurred, 6 pixels": blurred(6),
    "darkened to 50%": darkened(0.5),
    "darkened to 25%": darkened(0.25),
    "tinted, red 105%, blue 70%": tinted(1.05, 0.7),
    "tinted, red 70%, blue 20%": tinted(0.7, 0.2),
    "30% of its colour": faded(0.3),
    "rescaled to 70%": rescaled(0.7),
    "rescaled to 45%": rescaled(0.45),
    "rescaled to 200%": rescaled(2),
    "JPEG of quality 8": compressed(8),
}


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images at home, with source, slide and split.")],
    labs: Annotated[Path, typer.Argument(help="CSV of labelled images of other laboratories.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    groups: Annotated[int, typer.Option(help="Groups, and composed slides, of each kind.")] = 1000,
) -> None:
    """Print the tables."""
    model = storage.load(ensemble or default_ensemble())
    home = [k for k in called(model, data) if k.row["split"] != "train" or k.row["label"] in UNKNOWN]
    _print_foreign(model, called(model, labs), groups)
    _print_home(model, [known for known in home if known.row["label"] not in UNKNOWN], groups)
    _print_spoilt(model, data, home)
    _print_unknown(model, data)
    _print_time(model)


def called(
    model: Ensemble, table: Path, spoil: Callable[[Picture], Picture] | None = None, only: Sequence[str] = ()
) -> list[Known]:
    """Each image of a table with its call; all but the training images, but of unknown types all."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file) if row["split"] != "train" or row["label"] in UNKNOWN or "note" in row
        ]
    rows = [row for row in rows if not only or row["file"] in only]
    engines = load_engines(model.members, EngineConfiguration(EngineKind.OPENVINO, Device.CPU, Precision.FP32))
    with tempfile.TemporaryDirectory() as scratch:
        paths = [table.parent / row["file"] for row in rows]
        if spoil is not None:
            paths = [
                _written(spoil(decode(read_bytes(path))), Path(scratch) / f"{n}.png") for n, path in enumerate(paths)
            ]
        # Every image is a slide of its own, for a slide counts equal images once.
        slides = (Slide(str(n), path.parent, (CellImage(path, path.name),)) for n, path in enumerate(paths))
        found = [calls[0] for _, calls in Pipeline(model, engines, None, 2).run(slides)]
    return [Known(row, call) for row, call in zip(rows, found, strict=True)]


def _written(picture: Picture, path: Path) -> Path:
    picture.save(path, compress_level=1)
    return path


def flags_of(model: Ensemble, known: Sequence[Known]) -> tuple[Flag, ...]:
    """Those of the flags `unfamiliar` and `unknown_cells` that a slide of these cells gets, as `screen` gives them."""
    counted = replace(
        count_slide("S", (), model),
        compared=len(known),
        unfamiliar=sum(each.call.unfamiliar for each in known),
        strange=sum((each.call.strangeness or 0.0) >= 1 for each in known),
    )
    rate = default_thresholds().error_rate
    if is_unfamiliar(counted, model, rate):
        return (Flag.UNFAMILIAR,)
    return (Flag.UNKNOWN_CELLS,) if has_unknown_cells(counted, model, rate) else ()


def told(model: Ensemble, slides: Sequence[Sequence[Known]], flag: Flag = Flag.UNFAMILIAR) -> str:
    """The share of slides that have a flag, with its limits."""
    count = sum(flag in flags_of(model, slide) for slide in slides)
    limits = clopper_pearson(count, len(slides))
    return f"{count / len(slides):.3f} ({limits.low:.3f}–{limits.high:.3f})"


def share(known: Sequence[Known]) -> float:
    return float(np.mean([each.call.unfamiliar for each in known]))


def _print_foreign(model: Ensemble, known: Sequence[Known], groups: int) -> None:
    generator = np.random.default_rng(1)
    sizes = (5, 10, 20, 50, 100)
    print(f"\n| laboratory | unfamiliar cells | {' | '.join(f'{size} cells' for size in sizes)} |")
    print(f"| --- | ---: |{' ---: |' * len(sizes)}")
    for source in sorted({each.row["source"] for each in known}):
        of_source = [each for each in known if each.row["source"] == source]
        told_of = [told(model, list(_groups(of_source, size, groups, generator))) for size in sizes]
        name = f"{source} (cameras of the training images)" if source == HOME_CAMERAS else source
        print(f"| {name} | {share(of_source):.2f} | {' | '.join(told_of)} |")


def _groups(known: Sequence[Known], size: int, count: int, generator: np.random.Generator) -> Iterator[list[Known]]:
    for _ in range(count):
        yield [known[place] for place in generator.choice(len(known), size, replace=len(known) < size).tolist()]


def _print_home(model: Ensemble, home: Sequence[Known], groups: int) -> None:
    patients = defaultdict(list)
    for each in home:
        if each.row["source"] == "deepapl":
            patients[f"{each.row['slide']} ({each.row['split']})"].append(each)
    print("\n| patient | cells | unfamiliar % | told unfamiliar | unknown cells |")
    print("| --- | ---: | ---: | --- | --- |")
    for name, known in sorted(patients.items()):
        flags = flags_of(model, known)
        marks = ["yes" if flag in flags else "" for flag in (Flag.UNFAMILIAR, Flag.UNKNOWN_CELLS)]
        print(f"| {name} | {len(known)} | {100 * share(known):.0f} | {' | '.join(marks)} |")
    generator = np.random.default_rng(2)
    composed = list(_composed([each for each in home if each.row["source"] == "pbc"], groups, generator))
    unknown = told(model, composed, Flag.UNKNOWN_CELLS)
    print(
        f"\n{groups} normal slides of 100 cells, composed: unfamiliar {told(model, composed)}, unknown cells {unknown}"
    )


def _composed(known: Sequence[Known], count: int, generator: np.random.Generator) -> Iterator[list[Known]]:
    by_type = {name: [each for each in known if each.row["label"] == name] for name in NORMAL}
    for _ in range(count):
        yield [
            by_type[name][place]
            for name, wanted in NORMAL.items()
            for place in generator.integers(0, len(by_type[name]), wanted).tolist()
        ]


def _print_spoilt(model: Ensemble, data: Path, home: Sequence[Known]) -> None:
    slides = defaultdict(list)
    for each in home:
        if each.row["source"] in ("deepapl", "pbc") and each.row["label"] not in UNKNOWN:
            slides[each.row["slide"] or f"pbc {each.row['split']}"].append(each)
    generator = np.random.default_rng(3)
    drawn = {
        name: [known[place] for place in generator.permutation(len(known))[:_SPOILT_CELLS].tolist()]
        for name, known in slides.items()
    }
    files = [each.row["file"] for known in drawn.values() for each in known]
    before = np.mean([each.right for known in drawn.values() for each in known])
    print(f"\n{len(drawn)} slides at home of {_SPOILT_CELLS} cells, {100 * before:.1f}% right as they are; spoilt:\n")
    print("| spoilt | accuracy lost, points | unfamiliar cells | told |")
    print("| --- | ---: | ---: | ---: |")
    for name, spoil in SPOILT.items():
        found = {each.row["file"]: each for each in called(model, data, spoil, files)}
        spoilt = {slide: [found[each.row["file"]] for each in known] for slide, known in drawn.items()}
        lost = 100 * (before - np.mean([each.right for each in found.values()]))
        print(f"| {name} | {lost:.1f} | {share(list(found.values())):.2f} | {_told_of(model, spoilt)} |", flush=True)


def _told_of(model: Ensemble, slides: dict[str, list[Known]]) -> str:
    return told(model, list(slides.values()))


def _print_unknown(model: Ensemble, data: Path) -> None:
    """Unknown cells against the known ones of the validation and the test split.

    Cells of a patient are always judged by what was learned from those of other patients.
    """
    found, labels = _looked_at(model, data)
    print("\n| unknown cells against known ones, AUROC | none shown | shown, other patients' | shown the other type |")
    print("| --- | ---: | ---: | ---: |")
    ways = [_above_known(found, labels, names) for names in ({}, dict.fromkeys(UNKNOWN, UNKNOWN), _OTHER)]
    for names in (*((name,) for name in UNKNOWN), UNKNOWN):
        of_these = np.isin(labels, names)
        scores = [" / ".join(f"{area:.3f}" for area in above[of_these].mean(axis=0)) for above in ways]
        print(f"| {' and '.join(names)} ({of_these.sum()}): unfamiliarity / kind | {' | '.join(scores)} |", flush=True)


def _looked_at(model: Ensemble, data: Path) -> tuple[dict[str, MemberPredictions], np.ndarray]:
    """What the networks see in training cells (`seen`), validation, test and unknown cells, and the latter's labels."""
    images = read_labels(data, LabelRules(frozenset((*UNKNOWN, "normal_unspecified"))))
    at_home = [image for image in images.images if image.label in model.cell_types]
    split = {name: [image for image in at_home if image.split == name] for name in Split}
    unknown = [image for image in images.left_out if image.label in UNKNOWN]
    placeholder = [replace(image, label=model.cell_types[0]) for image in unknown]
    groups = {"seen": drawn(split[Split.TRAIN]), "test": split[Split.TEST], "unknown": placeholder}
    groups["validation"] = split[Split.VALIDATION]
    engines = load_engines(model.members, EngineConfiguration(EngineKind.OPENVINO, Device.CPU, Precision.FP32))
    found = {
        name: predict(model, engines, group, lambda _done, _of: None, with_features=True)
        for name, group in groups.items()
    }
    return found, np.asarray([image.label for image in unknown])


def _above_known(
    found: Mapping[str, MemberPredictions], labels: np.ndarray, shown: Mapping[str, tuple[str, ...]]
) -> np.ndarray:
    """The share of known cells that each unknown cell exceeds in unfamiliarity and in strangeness (U, 2).

    Its mean is the AUROC. Unknown cells are judged by what was shown of other patients, and known cells by the same.

    Args:
        found: of training cells (`seen`), validation and test cells, and unknown cells.
        labels: of the unknown cells.
        shown: for unknown cells of each label, the labels of the cells that are shown.
    """
    patients = [image.slide for image in found["unknown"].images]
    parts = np.asarray([zlib.crc32(name.encode()) % _FOLDS for name in patients])
    above = np.empty((len(labels), 2))
    for part in range(_FOLDS):
        for label in UNKNOWN:
            judged = (labels == label) & (parts == part)
            home = _home(found, labels, np.isin(labels, shown.get(label, ())) & (parts != part))
            arithmetic = [EXACT] * len(home.networks)
            known = [home.of_all(arithmetic, found[name].features) for name in ("validation", "test")]
            unknown = home.of_all(arithmetic, _of(found["unknown"], judged))
            above[judged] = (unknown[:, None] > np.concatenate(known)[None]).mean(axis=1)
    return above


def _home(found: Mapping[str, MemberPredictions], labels: np.ndarray, chosen: np.ndarray) -> Familiarity:
    cells_shown = ShownCells(tuple(labels[chosen].tolist()), _of(found["unknown"], chosen))
    home = measure({EXACT: found["seen"]}, {EXACT: found["validation"]}, {EXACT: cells_shown} if chosen.any() else {})
    if home is None:
        raise typer.BadParameter("there are too few cells")
    return home


def _of(predictions: MemberPredictions, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(features[chosen] for features in predictions.features)


def _print_time(model: Ensemble) -> None:
    """The networks with their features and without, by turns; and what is made of the features."""
    pixels = {member.path: _noise(member) for member in model.members}
    pairs = [[_compiled(member, add) for member in model.members] for add in (False, True)]
    seconds: list[list[float]] = [[], []]
    features = []
    for _ in range(_PAIRS):
        for side, networks in enumerate(pairs):
            started = time.perf_counter()
            results = [
                [network([image])[network.output(0)] for image in pixels[member.path]]
                for member, network in zip(model.members, networks, strict=True)
            ]
            if side and model.familiarity is not None:
                features = [np.concatenate(each) for each in results]
                model.familiarity.of_all([Precision.FP32] * len(features), features)
            seconds[side].append(time.perf_counter() - started)
    ratios = np.asarray(seconds[1]) / np.asarray(seconds[0])
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    print("\nTime of the networks with what tells the unfamiliar, against without, in pairs:")
    print(f"{middle:.3f} (the middle half {low:.3f}–{high:.3f})")


def _noise(member: Member) -> np.ndarray:
    side = member.checkpoint.preprocessing.image_size
    return np.random.default_rng(0).integers(0, 256, (32, 1, side, side, 3), dtype=np.uint8)


def _compiled(member: Member, add: bool) -> openvino.CompiledModel:
    graph = to_openvino(member.path, 1)
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    return openvino.Core().compile_model(with_features(graph) if add else graph, "CPU", options)


if __name__ == "__main__":
    typer.run(main)
