"""Write a table of labels with the reviewers' corrections, for training and measuring."""

from collections.abc import Sequence
from pathlib import Path

from slidescreen.data.correction_table import UNIDENTIFIED, Correction
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import located, read_labels
from slidescreen.evaluation.label_review import CellFinder
from slidescreen.evaluation.truth import name_in
from slidescreen.files.relative_path import path_from
from slidescreen.files.writing import neutralise, printable, remove_if_possible, write_text
from slidescreen.reporting.evaluation_files import LABELS_REVIEWED
from slidescreen.reporting.tables import to_csv


def write_corrected(source: Path, rules: LabelRules, corrections: Sequence[Correction], folder: Path) -> None:
    """Write the corrected labels of a table or folder, for every split.

    Images that reviewers left unidentified are left out. Labels that the rules leave out stay as they are.

    Args:
        source: the labels.
        rules: rules for the labels.
        corrections: corrections of these labelled images.
        folder: the folder to write to. File names are relative to it, if it is on their drive.

    Raises:
        InputError: as in `read_labels`, or a correction matches no image.
        OutputError: the table cannot be written.
    """
    labels = located(read_labels(source, rules), source)
    images = sorted((*labels.images, *labels.left_out), key=lambda image: (image.line, image.path))
    names = [(image.slide, name_in(source, image)) for image in images]
    said = _said(list(dict.fromkeys(names)), corrections)
    rows = [
        [path_from(folder, image.path), said.get(name, image.label), image.slide, image.split, image.source]
        for image, name in zip(images, names, strict=True)
        if said.get(name) != UNIDENTIFIED
    ]
    columns = ["file", "label", "slide", "split", "source"]
    write_text(folder / LABELS_REVIEWED, to_csv([columns, *([neutralise(printable(v)) for v in row] for row in rows)]))


def remove_corrected(folder: Path) -> None:
    """Remove the table of an earlier evaluation, because a reader could not see its age."""
    remove_if_possible(folder / LABELS_REVIEWED)


def _said(names: Sequence[tuple[str, str]], corrections: Sequence[Correction]) -> dict[tuple[str, str], str]:
    """The corrected types of images, by slide and name."""
    finder = CellFinder(names)
    found = ((finder.find(each), each.cell_type) for each in corrections if not each.signs)
    return {names[position]: cell_type for position, cell_type in found if position is not None}
