"""Where predictions with a known truth come from: a run and its labels, a table, or labelled images."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.calls import Call, Status
from slidescreen.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.evaluation.predictions import Predictions
from slidescreen.files import denature, printable
from slidescreen.labels import SPLITS, LabelledImage, LabelRules, read_labelled, read_rows, with_split
from slidescreen.runs import Run, SlideResult

REPORTED = "reported"


@dataclass(frozen=True)
class _Judged:
    """One cell: its true type, the called one (empty: abstained), and what goes with it."""

    truth: str
    called: str
    probabilities: tuple[float, ...] = ()
    slide: str = ""
    source: str = ""
    image: str = ""


def of_run(run: Run, truth: Path | None, rules: LabelRules, split: str | None) -> Predictions:
    """A run's calls against labels.

    Args:
        run: as read from its folder.
        truth: labelled images, found again by their place on the disk, or else by slide and image name; None for
            the laboratory's own calls, from the export's class folders.
        rules: how labels are taken.
        split: only images of this split.

    Raises:
        InputError: no cell of the run has a label, or labels cannot be read.
    """
    if truth is None:
        judged = [j for slide in run.slides for j in _reported(slide, rules)]
        missing = "no image of this run lies in a folder named after a cell type"
    else:
        labels = _by_place(chosen(read_labelled(truth, rules), split))
        judged = [j for slide in run.slides for j in _labelled(slide, labels)]
        missing = f"no image of this run is labelled in {printable(truth)}"
    if not judged:
        raise InputError(missing)
    return _predictions("ensemble", run.cell_types, judged)


def of_tables(paths: Sequence[Path], rules: LabelRules) -> list[Predictions]:
    """CSV files with columns truth and cell_type, and perhaps p_<type>, slide, image and source, one for each model.

    An empty `cell_type` is an abstention. Several files are of the same cells: in the same order, or matched by
    their columns slide and image.

    Raises:
        InputError: a missing column, an unknown type, a probability that is none, files of other cells.
    """
    tables = [_read_table(path, rules) for path in paths]
    first = tables[0]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        if table.types != first.types or not _put_in_order(table, first):
            raise InputError(
                f"{printable(path)} and {printable(paths[0])} are not of the same cells and cell types: "
                "give both the same rows, or columns slide and image to match them by"
            )
    return [_predictions(path.stem, table.types, table.judged) for path, table in zip(paths, tables, strict=True)]


@dataclass
class _Table:
    """A file of predictions; `keys` are (slide, image) of the rows that name an image."""

    types: tuple[str, ...]
    judged: list[_Judged]
    keys: list[tuple[str, str]]


def _put_in_order(table: _Table, first: _Table) -> bool:
    """Bring a table's rows into the order of the first's. Returns whether both are then of the same cells."""
    if (
        len(first.keys) == len(first.judged)
        and sorted(first.keys) == sorted(table.keys)
        and len(set(first.keys)) == len(first.keys)
    ):
        row_of = dict(zip(table.keys, table.judged, strict=True))
        table.judged = [row_of[key] for key in first.keys]
    return [j.truth for j in table.judged] == [j.truth for j in first.judged]


def _read_table(path: Path, rules: LabelRules) -> _Table:
    rows = read_rows(path, ("truth", "cell_type"))
    if not rows:
        raise InputError(f"{printable(path)} holds no rows")
    types = tuple(name.removeprefix("p_") for name in rows[0] if name.startswith("p_"))
    unknown = [name for name in types if name not in cells.CELL_TYPES]
    if unknown:
        raise InputError(f"{printable(path)} has probabilities of unknown cell types: {', '.join(unknown)}")
    judged, keys = [], []
    for number, row in enumerate(rows, start=2):
        try:
            truth = rules.resolve(denature(row["truth"]))
            called = rules.resolve(denature(row["cell_type"])) if row["cell_type"] else ""
            values = _probabilities({name: row[f"p_{name}"] for name in types})
        except InputError as error:
            raise InputError(f"{printable(path)}, line {number}: {error}") from error
        if truth is not None and called is not None:
            slide, source, image = (denature(row.get(name, "")) for name in ("slide", "source", "image"))
            judged.append(_Judged(truth, called, values, slide, source, image))
            if image:
                keys.append((slide, image))
    if not judged:
        raise InputError(f"{printable(path)} holds no cells to compare")
    return _Table(types or _vocabulary(judged), judged, keys)


def _probabilities(texts: Mapping[str, str]) -> tuple[float, ...]:
    values = []
    for name, text in texts.items():
        try:
            values.append(float(text))
        except ValueError:
            raise InputError(f"p_{name} is no number: {text!r}") from None
    if values and not (all(0 <= value <= 1 for value in values) and sum(values) > 0):
        raise InputError("the probabilities must lie between 0 and 1, and not all be 0")
    return tuple(values)


def of_images(
    source: Path,
    ensemble: Ensemble,
    rules: LabelRules,
    split: str | None,
    device: str,
    progress: Callable[[int, int], None],
) -> list[Predictions]:
    """Labelled images as the ensemble and then each member call them.

    Raises:
        InputError: the images or labels cannot be used.
    """
    from slidescreen.engine.interface import EngineOptions
    from slidescreen.engine.selection import choose, load_engines
    from slidescreen.validation import predict

    labelled = chosen(read_labelled(source, rules), split)
    images = [image for image in labelled if image.label in ensemble.cell_types]
    if not images:
        raise InputError(f"{printable(source)} holds no images of the ensemble's cell types")
    engines = load_engines(ensemble.members, choose(EngineOptions(device)))
    found = predict(ensemble, engines, images, progress)
    combined = ensemble.combine(found.members)
    slides, sources = tuple(i.slide for i in images), tuple(i.source for i in images)
    names = tuple(printable(os.path.relpath(i.path, source if source.is_dir() else source.parent)) for i in images)

    def of_model(name: str, probabilities: NDArray[np.float64], called: NDArray[np.int64]) -> Predictions:
        return Predictions(name, ensemble.cell_types, found.truth, called, probabilities, slides, sources, names)

    models = [of_model("ensemble", combined, ensemble.called(combined))]
    if len(ensemble.members) > 1:
        for member, probabilities in zip(ensemble.members, found.members, strict=True):
            models.append(of_model(member.checkpoint.backbone, probabilities, probabilities.argmax(axis=1)))
    return models


def chosen(images: Sequence[LabelledImage], split: str | None) -> list[LabelledImage]:
    """The images of one split; all where none is named.

    Raises:
        InputError: an unknown split, or one without images.
    """
    if split is None:
        return list(images)
    if split not in SPLITS:
        raise InputError(f"--split must be one of {', '.join(SPLITS)}, not {split}")
    if not all(image.split for image in images):
        images, _ = with_split(images, 0)
    found = [image for image in images if image.split == split]
    if not found:
        raise InputError(f"no labelled image is in the split {split}")
    return found


def _reported(slide: SlideResult, rules: LabelRules) -> list[_Judged]:
    judged = []
    for call in slide.calls:
        blast = call.reported_type == cells.UNSPECIFIED_BLAST
        truth = rules.unspecified_blasts if blast else call.reported_type
        if blast and truth is None:
            raise InputError(
                "the laboratory's blasts are reported without lineage: "
                "say --unspecified-blasts myeloblast (or lymphoblast)"
            )
        if truth and truth not in rules.left_out and _looked_at(call):
            judged.append(_Judged(truth, call.cell_type, call.probabilities, slide.name, image=call.image))
    return judged


def _by_place(images: Sequence[LabelledImage]) -> dict[str, LabelledImage]:
    """Labelled images by their full path, and by slide folder and name where that names one only."""
    places: dict[str, LabelledImage] = {}
    ambiguous = set()
    for image in images:
        places[str(image.path.resolve())] = image
        short = "/".join(image.path.parts[-2:])
        if short in places:
            ambiguous.add(short)
        places[short] = image
    return {place: image for place, image in places.items() if place not in ambiguous}


def _labelled(slide: SlideResult, labels: dict[str, LabelledImage]) -> list[_Judged]:
    judged = []
    for call in slide.calls:
        path = slide.folder / call.image
        image = labels.get(str(path)) or labels.get("/".join(path.parts[-2:]))
        if image is not None and _looked_at(call):
            judged.append(
                _Judged(image.label, call.cell_type, call.probabilities, slide.name, image.source, call.image)
            )
    return judged


def _looked_at(call: Call) -> bool:
    return call.status in (Status.CLASSIFIED, Status.UNIDENTIFIED)


def _vocabulary(judged: Sequence[_Judged]) -> tuple[str, ...]:
    named = {name for j in judged for name in (j.truth, j.called)}
    return cells.CELL_TYPES if named & set(cells.OTHER_OBJECTS) else cells.LEUKOCYTES


def _predictions(model: str, types: tuple[str, ...], judged: Sequence[_Judged]) -> Predictions:
    foreign = sorted({name for j in judged for name in (j.truth, j.called) if name} - set(types))
    if foreign:
        raise InputError(f"{', '.join(foreign)}: not among the {len(types)} types of these predictions")
    position = {name: number for number, name in enumerate(types)}
    probabilities = None
    if all(j.probabilities for j in judged):
        probabilities = np.asarray([j.probabilities for j in judged], dtype=np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)  # they were rounded when written
    return Predictions(
        model=model,
        cell_types=types,
        truth=np.asarray([position[j.truth] for j in judged], dtype=np.int64),
        called=np.asarray([position[j.called] if j.called else -1 for j in judged], dtype=np.int64),
        probabilities=probabilities,
        slides=tuple(j.slide for j in judged),
        sources=tuple(j.source for j in judged),
        images=tuple(j.image for j in judged),
    )
