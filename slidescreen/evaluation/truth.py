"""Make predictions with labels, from a run and its labels or from labelled images."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import UNIDENTIFIED
from slidescreen.data.duplicates import contents_of, deduplicate
from slidescreen.data.label_options import LabelOptions, LabelRules
from slidescreen.data.labels import LabelledImage, located, read_labels, refuse_among
from slidescreen.data.layout import is_unsigned
from slidescreen.data.splits import parted
from slidescreen.engine.options import Device, EngineOptions
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.held_out import digests_of, drawn_split
from slidescreen.errors import InputError
from slidescreen.evaluation.matching import LabelMatcher, RunImage
from slidescreen.evaluation.predictions import WHY_UNSCORED, Predictions, unscored
from slidescreen.evaluation.scored_cells import ScoredCell, predictions_of
from slidescreen.evaluation.trained_cells import count_trained, members_of
from slidescreen.files.existence import sees_folder
from slidescreen.files.writing import printable
from slidescreen.screening.results import Run

REPORTED, REVIEWED = "reported", "reviewed"
"""The truths for which a run needs no separate labels."""
_Names = dict[str, list[str]]  # names of unscored cells and labels, by the keys of `WHY_UNSCORED`
_Pair = tuple[RunImage, LabelledImage]


def of_run(run: Run, truth: Path | str, label_options: LabelOptions) -> Predictions:
    """A run's calls against labels.

    Args:
        run: the run, read from its folder.
        truth: a source of labelled images, matched by slide and path; `REPORTED` for the laboratory's own calls, from
            the class folders of an export's signed slides; `REVIEWED` for the reviewed cells.
        label_options: how labels are read.

    Raises:
        InputError: no cell of the run has a label, an image is listed more than once, labels cannot be read, or a
            network was trained on cells of the validation or test split that was asked for.
    """
    names: _Names = defaultdict(list)
    if truth == REVIEWED:
        pairs = _reviewed(run, label_options.rules, names)
        missing = "nobody has reviewed a cell of this run: see report --corrections"
    elif truth == REPORTED:
        pairs = _reported(run, label_options.rules, names)
        missing = "no image of this run lies in a folder named after a cell type"
    else:
        truth = Path(truth)
        pairs = _labelled(run, truth, label_options, names)
        missing = f"no image of this run is labelled in {printable(truth)}"
    judged, looked = [], []
    for image, label in _once(pairs, label_options, names):
        if _looked_at(image.call):
            judged.append(_judged(image, label))
            looked.append(replace(label, path=image.path))
        else:
            names["not_classified"].append(image.name)
    if not judged:
        reasons = [
            f"{WHY_UNSCORED[why]}: {len(names[why])} (first {names[why][0]})" for why in WHY_UNSCORED if names[why]
        ]
        raise InputError("; ".join([missing, *reasons]))
    seen = count_trained(members_of(run), looked, label_options.split)
    return replace(predictions_of("ensemble", run.cell_types, judged, names), trained_on=seen)


def of_images(
    source: Path,
    ensemble: Ensemble,
    label_options: LabelOptions,
    device: Device,
    out: Path,
    progress: Callable[[int, int], None],
    note: Callable[[str], None] = lambda _: None,
) -> list[Predictions]:
    """The predictions of the ensemble, then of each member, for labelled images.

    Args:
        source: the table or folder of labelled images.
        ensemble: the ensemble.
        label_options: how labels are read.
        device: where to compute.
        out: the folder of the evaluation, which must not lie among the images.
        progress: receives the number of finished images and of all images.
        note: receives how images without a split were split.

    Raises:
        InputError: the images or labels cannot be used, an image is listed more than once, or a member was trained on
            images of the validation or test split that was asked for.
    """
    from slidescreen.engine.configuration import configure, load_engines
    from slidescreen.ensembles.member_predictions import predict

    name = partial(name_in, source)
    labels = located(read_labels(source, label_options.rules), source)
    refuse_among((*labels.images, *labels.left_out), source, out)
    left: _Names = defaultdict(list, left_out=[image.written or name(image) for image in labels.left_out])
    left["passed_over"] = [entry.name for entry in labels.skipped]
    split = label_options.split
    labelled: Sequence[LabelledImage] = labels.images
    if split is not None and not all(image.split for image in labelled):
        digests = digests_of(ensemble.members, (image.path for image in labelled))
        labelled, _ = drawn_split(ensemble, labelled, digests, note)
    listed = parted(labelled, split)
    known = _sifted(listed, [image.path for image in listed], [name(image) for image in listed], label_options, left)
    images = []
    for image in (listed[position] for position in known):
        if image.label in ensemble.cell_types:
            images.append(image)
        else:
            left["unknown_type"].append(name(image))
    if not images:
        raise InputError(f"{printable(source)} holds no images of the ensemble's cell types")
    seen = count_trained(ensemble.members, images, split)
    beside = frozenset((image.slide, name(image)) for image in (*labels.images, *labels.left_out))
    engines = load_engines(ensemble.members, configure(EngineOptions(device)))
    found = predict(ensemble, engines, images, progress, with_familiarity=True)
    combined = ensemble.combine(found.members, found.of_other_optics)

    def of_model(model: str, probabilities: NDArray[np.float64], called: NDArray[np.int64]) -> Predictions:
        return Predictions(
            model,
            ensemble.cell_types,
            found.truth,
            called,
            probabilities,
            slides=tuple(image.slide for image in images),
            sources=tuple(image.source for image in images),
            images=tuple(map(name, images)),
            unscored=unscored(left),
            pictures=tuple(image.path for image in images),
            beside=beside,
            trained_on=seen,
        )

    models = [of_model("ensemble", combined, ensemble.called(combined))]
    if len(ensemble.members) > 1:
        for member_name, probabilities in zip(ensemble.member_names, found.members, strict=True):
            models.append(of_model(member_name, probabilities, probabilities.argmax(axis=1)))
    return models


def name_in(source: Path, image: LabelledImage) -> str:
    """An image's path relative to the folder of its labels."""
    return printable(os.path.relpath(image.path, source if sees_folder(source) else source.parent))


def _reported(run: Run, rules: LabelRules, names: _Names) -> list[_Pair]:
    """The run's images with the laboratory's own calls. A picture in two class folders has both.

    The classes of unsigned slides are the analyser's calls, and no truth.
    """
    rules.check({call.reported_type for slide in run.slides for call in slide.calls} - {""}, "the run's class folders")
    pairs: list[_Pair] = []
    twice = [(entry["slide"], entry["images"]) for entry in run.info.get("reported_twice", ())]
    counted_as = {(slide, copy): counted for slide, (counted, copy) in twice}
    for slide in run.slides:
        calls = tuple(slide.calls)
        by_name = {call.image: call for call in calls}
        for call in calls:
            counted = by_name.get(counted_as.get((slide.name, call.image), ""), call)
            if counted.status is Status.DUPLICATE:
                continue
            image = RunImage(slide, counted)
            label = rules.resolve(call.reported_type) if call.reported_type else None
            if label is not None and is_unsigned(RunImage(slide, call).path):
                if _looked_at(call):
                    names["unsigned"].append(image.name)
            elif label is not None:
                written = RunImage(slide, call).name
                pairs.append((image, LabelledImage(image.path, label, slide.name, written=written)))
            elif _looked_at(call):
                names["left_out" if call.reported_type else "no_truth"].append(image.name)
    return pairs


def _reviewed(run: Run, rules: LabelRules, names: _Names) -> list[_Pair]:
    """The run's images with their reviewed types."""
    cells = {slide.name: slide.review.cells if slide.review is not None else {} for slide in run.slides}
    rules.check({each.cell_type for found in cells.values() for each in found.values()}, "the run's reviews")
    pairs: list[_Pair] = []
    for slide in run.slides:
        for image in (RunImage(slide, call) for call in slide.calls if _looked_at(call)):
            review = cells[slide.name].get(image.call.image)
            if review is None:
                names["no_truth"].append(image.name)
            elif review.cell_type == UNIDENTIFIED:
                names["no_type"].append(image.name)
            elif rules.leaves_out(review.cell_type):
                names["left_out"].append(image.name)
            elif review.cell_type not in run.cell_types:
                names["unknown_type"].append(image.name)
            else:
                pairs.append((image, LabelledImage(image.path, review.cell_type, slide.name)))
    return pairs


def _labelled(run: Run, truth: Path, label_options: LabelOptions, names: _Names) -> list[_Pair]:
    """The run's images with the labels of a table or folder, of every split."""
    labels = read_labels(truth, label_options.rules)
    names["passed_over"] += (entry.name for entry in labels.skipped)
    matcher = LabelMatcher(run, truth if sees_folder(truth) else truth.parent)
    pairs: list[_Pair] = []
    for label in parted(labels.images, label_options.split):
        found = matcher.find(label)
        if isinstance(found, RunImage):
            pairs.append((found, replace(label, path=found.path)))
        elif label_options.split in (None, label.split):
            names[found].append(_spelled(label, truth))
    left_out = [found.name for found in map(matcher.find, labels.left_out) if isinstance(found, RunImage)]
    names["left_out"] += left_out
    known = {image.name for image, _ in pairs}.union(left_out)
    images = (RunImage(slide, call) for slide in run.slides for call in slide.calls if _looked_at(call))
    names["no_truth"] += [image.name for image in images if image.name not in known]
    return pairs


def _spelled(label: LabelledImage, truth: Path) -> str:
    """The name of a label's image: as its table spells it, with the line, or its path in the folder."""
    if not label.line:
        return printable(os.path.relpath(label.path, truth))
    slide = f"{printable(label.slide)}: " if label.slide else ""
    return f"{slide}{printable(label.written)} (line {label.line})"


def _once(pairs: Sequence[_Pair], label_options: LabelOptions, names: _Names) -> list[_Pair]:
    """One label for each image, from the requested split."""
    kept = _sifted(
        [label for _, label in pairs],
        [image.path for image, _ in pairs if _looked_at(image.call)],
        [image.name for image, _ in pairs],
        label_options,
        names,
    )
    return [pairs[position] for position in kept]


def _sifted(
    labels: Sequence[LabelledImage],
    paths: Iterable[Path],
    called: Sequence[str],
    label_options: LabelOptions,
    names: _Names,
) -> list[int]:
    """Positions of the images to score. The names of the others are added to `names`.

    Args:
        labels: labelled images with their splits.
        paths: files whose contents are to be compared.
        called: the names of the labels' images.
        label_options: how labels are read.
        names: receives the names of images that are not scored.
    """
    sifted = deduplicate(labels, contents_of(paths), label_options.drop_duplicates, label_options.split)
    names["copies"] += [called[position] for position in sifted.copies]
    names["two_labels"] += [called[position] for position in sifted.two_labels]
    kept = [position for position in sifted.kept if label_options.split in (None, labels[position].split)]
    wanted = set(kept)
    names["other_split"] += [called[position] for position in sifted.kept if position not in wanted]
    return kept


def _judged(image: RunImage, label: LabelledImage) -> ScoredCell:
    call = image.call
    return ScoredCell(
        label.label, call.cell_type, call.probabilities, image.slide.name, label.source, call.image, image.path
    )


def _looked_at(call: Call) -> bool:
    return call.status in (Status.CLASSIFIED, Status.UNIDENTIFIED)
