"""A run's calls against labels: the laboratory's, the reviewers', or those of a table or folder."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import UNIDENTIFIED
from slidescreen.data.label_options import LabelOptions, LabelRules
from slidescreen.data.labels import LabelledImage, read_labels
from slidescreen.data.layout import is_unsigned
from slidescreen.data.splits import parted
from slidescreen.ensembles.held_out import digests_of
from slidescreen.errors import InputError
from slidescreen.evaluation.matching import LabelMatcher
from slidescreen.evaluation.predictions import WHY_UNSCORED, Predictions
from slidescreen.evaluation.run_images import RunImage, contents_of_images, images_of
from slidescreen.evaluation.scored_cells import ScoredCell, predictions_of
from slidescreen.evaluation.sifted_labels import Names, sifted
from slidescreen.evaluation.trained_cells import count_trained, members_of
from slidescreen.files.existence import sees_folder
from slidescreen.files.relative_path import path_from
from slidescreen.files.writing import printable
from slidescreen.screening.call_types import in_types, types_of_calls
from slidescreen.screening.results import Run

REPORTED, REVIEWED = "reported", "reviewed"
"""The truths for which a run needs no separate labels."""
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
    names: Names = defaultdict(list)
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
    kept = _classified(_once(pairs, label_options, names), run, names)
    judged = [_judged(image, label) for image, label in kept]
    if not judged:
        reasons = [
            f"{WHY_UNSCORED[why]}: {len(names[why])} (first {names[why][0]})" for why in WHY_UNSCORED if names[why]
        ]
        raise InputError("; ".join([missing, *reasons]))
    members = members_of(run)
    files = digests_of(members, (image.path for image, _ in kept if not image.call.digest))
    digests = {Path(image.name): image.call.digest or files.get(image.path, "") for image, _ in kept}
    seen = count_trained(members, [_identified(*pair) for pair in kept], label_options.split, digests)
    found = predictions_of("ensemble", run.cell_types, judged, names)
    return replace(found, trained_on=seen, patients=_patients(found.slides, run))


def _patients(slides: Sequence[str], run: Run) -> tuple[str, ...]:
    """The patient of each slide by number, if the run's orders gave several slides to one; empty if they did not."""
    known = {name: str(number) for number, names in enumerate(run.info.get("same_patient", ())) for name in names}
    return tuple(known.get(slide, "") for slide in slides) if known else ()


def _reported(run: Run, rules: LabelRules, names: Names) -> list[_Pair]:
    """The run's images with the laboratory's own calls. A picture in two class folders has both.

    The classes of unsigned slides are the analyser's calls, and no truth.
    """
    rules.check({call.reported_type for slide in run.slides for call in slide.calls} - {""}, "the run's class folders")
    pairs: list[_Pair] = []
    twice = [(entry["slide"], entry["images"]) for entry in run.info.get("reported_twice", ())]
    counted_as = {(slide, copy): counted for slide, (counted, copy) in twice}
    for slide in run.slides:
        images = images_of(slide)
        by_name = {image.call.image: image for image in images}
        for found in images:
            call = found.call
            image = by_name.get(counted_as.get((slide.name, call.image), ""), found)
            if image.call.status is Status.DUPLICATE:
                continue
            label = rules.resolve(call.reported_type) if call.reported_type else None
            if label is not None and is_unsigned(found.path):
                if _looked_at(call):
                    names["unsigned"].append(image.name)
            elif label is not None:
                pairs.append((image, LabelledImage(image.path, label, slide.name, written=found.name)))
            elif _looked_at(call):
                names["left_out" if call.reported_type else "no_truth"].append(image.name)
    return pairs


def _reviewed(run: Run, rules: LabelRules, names: Names) -> list[_Pair]:
    """The run's images with their reviewed types."""
    cells = {slide.name: slide.review.cells if slide.review is not None else {} for slide in run.slides}
    rules.check({each.cell_type for found in cells.values() for each in found.values()}, "the run's reviews")
    pairs: list[_Pair] = []
    for slide in run.slides:
        for image in (image for image in images_of(slide) if _looked_at(image.call)):
            review = cells[slide.name].get(image.call.image)
            if review is None:
                names["no_truth"].append(image.name)
            elif review.cell_type == UNIDENTIFIED:
                names["no_type"].append(image.name)
            elif rules.leaves_out(review.cell_type):
                names["left_out"].append(image.name)
            else:
                pairs.append((image, LabelledImage(image.path, review.cell_type, slide.name)))
    return pairs


def _labelled(run: Run, truth: Path, label_options: LabelOptions, names: Names) -> list[_Pair]:
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
    looked = (RunImage(slide, call).name for slide in run.slides for call in slide.calls if _looked_at(call))
    names["no_truth"] += [name for name in looked if name not in known]
    return pairs


def _spelled(label: LabelledImage, truth: Path) -> str:
    """The name of a label's image: as its table spells it, with the line, or its path in the folder."""
    if not label.line:
        return printable(path_from(truth, label.path))
    slide = f"{printable(label.slide)}: " if label.slide else ""
    return f"{slide}{printable(label.written)} (line {label.line})"


def _once(pairs: Sequence[_Pair], label_options: LabelOptions, names: Names) -> list[_Pair]:
    """One label for each image, from the requested split."""
    looked = [image for image, _ in pairs if _looked_at(image.call)]
    contents = {Path(image.name): each for image, each in zip(looked, contents_of_images(looked), strict=True)}
    called = [image.name for image, _ in pairs]
    kept = sifted([_identified(*pair) for pair in pairs], contents, called, label_options, names)
    return [pairs[position] for position in kept]


def _identified(image: RunImage, label: LabelledImage) -> LabelledImage:
    """The label with its image's name for a path. In an archive, images of several slides have one path on the disk."""
    return replace(label, path=Path(image.name), written=label.written or str(label.path))


def _classified(pairs: Sequence[_Pair], run: Run, names: Names) -> list[_Pair]:
    """The pairs of classified images whose types the ensemble knows, with their calls in the run's cell types.

    A slide of an ensemble with further types is not scored, because its probabilities are no longer whole.
    """
    found: list[_Pair] = []
    others: set[str] = set()  # slides
    for image, label in pairs:
        own = types_of_calls(image.slide, run.cell_types)
        call = in_types(image.call, own, run.cell_types)
        if not _looked_at(image.call):
            names["not_classified"].append(image.name)
        elif label.label not in own:
            names["unknown_type"].append(image.name)
        elif call is None:
            others.add(image.slide.name)
            names["other_types"].append(image.name)
        else:
            found.append((replace(image, call=call), label))
    names["other_types"] += [image.name for image, _ in found if image.slide.name in others]
    return [pair for pair in found if pair[0].slide.name not in others]


def _judged(image: RunImage, label: LabelledImage) -> ScoredCell:
    call, slide = image.call, image.slide.name
    return ScoredCell(
        label.label, call.cell_type, call.probabilities, slide, label.source, call.image, image.path, call.digest
    )


def _looked_at(call: Call) -> bool:
    return call.status in (Status.CLASSIFIED, Status.UNIDENTIFIED)
