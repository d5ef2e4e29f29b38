"""Read a laboratory's signed cells: labelled images or reviewed cells as for `train`, or an export."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen import cells
from slidescreen.data.class_folders import class_folders
from slidescreen.data.duplicates import contents_of, deduplicate
from slidescreen.data.label_options import LabelRules, Split
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.data.layout import is_unsigned
from slidescreen.data.reviewed_labels import holds_reviewed_cells
from slidescreen.data.slides import CellImage, Slide, survey
from slidescreen.errors import InputError, UnreadableNote
from slidescreen.files.existence import is_folder
from slidescreen.files.writing import printable

LEAST_OF_A_TYPE = 5
"""The fewest signed cells of a type. Fewer teach nothing and are left out."""

LEAST_CELLS, LEAST_TYPES = 40, 2

_UNREADABLE = "that cannot be opened"


def read_signed(data: Path, rules: LabelRules, drop: bool, note: Callable[[str], None]) -> list[LabelledImage]:
    """Read the signed cells, with their slides if known. A label may be a group (`blast`).

    Cells of a test split are left out.

    Args:
        data: a table, a folder with one subfolder per cell type, a reviewed run's folder or corrections in it, or a
            folder of slides with signed class folders.
        rules: rules for the labels.
        drop: keep one copy of an image that is listed more than once.
        note: receives a message for each thing that is skipped.

    Raises:
        InputError: there are too few signed cells or slides, or as in `read_labelled`.
    """
    kept = replace(rules, groups=frozenset({cells.UNSPECIFIED_BLAST}))
    found = _of_slides(data, kept, note) if _is_export(data) else read_labelled(data, kept, note)
    images = [image for image in found if image.split != Split.TEST]
    known = deduplicate(images, contents_of(image.path for image in images), drop)
    if known.copies or known.two_labels:
        note(f"left aside: {len(known.copies)} copies, {len(known.two_labels)} images with two labels")
    listed = [images[place] for place in known.kept]
    return [listed[place] for place in enough(listed, data, note)]


def _is_export(data: Path) -> bool:
    """Whether a folder holds slides with class folders. Runs and plain folders of class folders do not count."""
    if not is_folder(data) or holds_reviewed_cells(data):
        return False
    folders, _ = class_folders(data)
    return not any(cells.names_a_class(folder.name) for folder in folders)


def _of_slides(data: Path, rules: LabelRules, note: Callable[[str], None]) -> list[LabelledImage]:
    slides = survey(data).slides
    rules.check({_class_of(image, slide) for slide in slides for image in slide.images} - {""}, printable(data))
    images, others = [], Counter[str]()
    for slide in slides:
        for image in slide.images:
            if why := _passed_over(image, slide, rules):
                others[why] += 1
            elif label := rules.resolve(_class_of(image, slide)):
                images.append(LabelledImage(image.path, label, slide.name))
    told = [f"{count} image{'s' if count > 1 else ''} {why}" for why, count in sorted(others.items())]
    if not images:
        raise InputError("; ".join([f"{printable(data)} holds no signed cells", *told]))
    for line in told:
        note(UnreadableNote(f"passed over: {line}") if line.endswith(_UNREADABLE) else f"passed over: {line}")
    return images


def _class_of(image: CellImage, slide: Slide) -> str:
    """The name of the image's folder, as it is spelled, without a number; empty for the slide's own folder."""
    return "" if image.path.parent == slide.folder else cells.without_number(image.path.parent.name)


def _passed_over(image: CellImage, slide: Slide, rules: LabelRules) -> str:
    """Why an image is no signed cell to learn from; empty if it is one."""
    if image.refusal:
        return _UNREADABLE
    if rules.leaves_out(_class_of(image, slide)):
        return "left out because of the label"
    if not image.reported_type:
        return "in no folder of a cell type"
    return "of unsigned slides, whose classes are the analyser's" if is_unsigned(image.path) else ""


def enough(
    images: Sequence[LabelledImage], data: Path, note: Callable[[str], None], what: str = "signed cells"
) -> list[int]:
    """The positions of the cells to learn from. Types with too few cells are left aside.

    Args:
        images: the signed cells.
        data: where they come from, for messages.
        note: receives a message for what is left aside.
        what: what the images are, for messages.

    Raises:
        InputError: there are too few cells, types or slides.
    """
    counts = Counter(image.label for image in images)
    few = {label: count for label, count in sorted(counts.items()) if count < LEAST_OF_A_TYPE}
    kept = [place for place, image in enumerate(images) if image.label not in few]
    if few:
        listed = ", ".join(f"{count} {label}" for label, count in few.items())
        note(f"left aside, because {LEAST_OF_A_TYPE} cells of a type are the least: {listed}")
    types = len({images[place].label for place in kept} - {cells.UNSPECIFIED_BLAST})
    if len(kept) < LEAST_CELLS or types < LEAST_TYPES:
        raise InputError(
            f"{printable(data)} holds too few {what} to adapt to: {len(kept)} of {types} types with "
            f"{LEAST_OF_A_TYPE} cells or more; {LEAST_CELLS} of {LEAST_TYPES} types are the least, and 20 of each type "
            "are worth the work"
        )
    slides = {images[place].slide for place in kept}
    if len(slides) == 1 and "" not in slides:
        raise InputError(
            f"the {what} in {printable(data)} are all of one slide: cells of two slides are the least, because the new "
            "networks are measured on slides that they did not learn from"
        )
    return kept
