"""Labelled cell images, for `train` to learn from and for `report` to compare with."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from slidescreen.choices import listed
from slidescreen.data.class_folders import class_folders
from slidescreen.data.delimited import Row, Table, excerpt, read_table
from slidescreen.data.file_finder import FileFinder
from slidescreen.data.label_options import LabelRules, Split
from slidescreen.data.layout import is_unsigned
from slidescreen.data.reviewed_labels import holds_reviewed_cells, read_reviewed_cells
from slidescreen.data.skipped_files import SkippedEntry, sentences, to_record
from slidescreen.errors import InputError
from slidescreen.files.encoding import WINDOWS, spoken
from slidescreen.files.existence import exists, is_folder
from slidescreen.files.untouched import refuse_inside
from slidescreen.files.writing import printable

_MOST_PASSED_OVER = 3  # at most so many are named


@dataclass(frozen=True)
class LabelledImage:
    """One cell image with its true type. `slide`, `split` and `source` are empty if unknown.

    `written` is the file's name in its table, and `line` its line there. They are empty and 0 for an image in a class
    folder.
    """

    path: Path
    label: str
    slide: str = ""
    split: str = ""
    source: str = ""
    written: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Labels:
    """The labels of a table or a folder: `images` with a cell type, and `left_out` images to skip.

    The labels of `left_out` keep their spelling. `encoding` is the table's encoding; empty for a folder. `passed_over`
    lists the folder's other content.
    """

    images: tuple[LabelledImage, ...]
    left_out: tuple[LabelledImage, ...]
    encoding: str = ""
    skipped: tuple[SkippedEntry, ...] = ()


def read_labels(source: Path, rules: LabelRules = LabelRules()) -> Labels:
    """Read a table with columns file,label[,slide,split,source], or a folder with one subfolder per cell type.

    `source` may also be a run's folder, or a table of corrections in it. The labels are then the cells that people
    reviewed in this run.

    The files that a table names need not exist. Each path is the written one, below the table's folder.

    Raises:
        InputError: no such file, a missing column, a run that nobody reviewed, an analyser's folder of unsigned
            slides, an unknown type or split, or a name to leave out that matches no label.
    """
    if holds_reviewed_cells(source):
        labels = _from_reviewed_cells(source, rules)
    elif is_folder(source):
        labels = _from_folder(source, rules)
    elif exists(source):
        labels = _from_table(read_table(source, ("file", "label")), rules)
    else:
        raise InputError(f"{printable(source)} does not exist")
    if not labels.images:
        raise InputError(f"{printable(source)} holds no labelled images")
    return labels


def read_labelled(
    source: Path, rules: LabelRules = LabelRules(), note: Callable[[str], None] = lambda _: None
) -> list[LabelledImage]:
    """Read labels and find their images, by `read_labels` and `located`. `note` receives what is passed over.

    Raises:
        InputError: as in these two.
    """
    labels = located(read_labels(source, rules), source)
    for line in sentences(to_record(labels.skipped), _MOST_PASSED_OVER):
        note(f"passed over: {line}")
    return list(labels.images)


def located(labels: Labels, source: Path) -> Labels:
    """Labels with the real paths of their images, even if the labels differ in letter case or accents.

    Raises:
        InputError: an image does not exist.
    """
    finder = FileFinder(source.parent)
    found = [replace(i, path=finder.find(i.written) or i.path) if i.written else i for i in labels.images]
    absent = [image for image in found if not finder.exists(image.path)]
    if absent:
        first = absent[0]
        where = f"{excerpt(os.fspath(first.path))} in line {first.line}" if first.line else printable(first.path)
        doubt = f" (the table was read as {spoken(labels.encoding)})" if labels.encoding == WINDOWS else ""
        raise InputError(f"{printable(source)} names {len(absent)} files that do not exist, first {where}{doubt}")
    return replace(labels, images=tuple(found))


def refuse_among(images: Iterable[LabelledImage], source: Path, out: Path) -> None:
    """Refuse to write results among labelled images, where pictures of the results would count as images.

    Beside a table they are allowed, even if images lie there too: it is the place where many people work.

    Args:
        images: the images.
        source: the table or the folder that lists them.
        out: the folder of the results. It need not exist.

    Raises:
        InputError: it lies inside a folder of images, or inside the folder of the class folders.
    """
    folders = {image.path.parent for image in images} - {source.parent}
    around = {source} if any(folder.is_relative_to(source) for folder in folders) else set()
    refuse_inside(out, sorted(around | folders))


def _from_table(table: Table, rules: LabelRules) -> Labels:
    rules.check((row["label"] for row in table.rows), printable(table.path))
    images, left_out = [], []
    for row in table.rows:
        try:
            image = _labelled(table.path.parent, row)
            label = rules.resolve(image.label)
        except InputError as error:
            raise table.problem(row, error) from error
        if label is None:
            left_out.append(image)
        else:
            images.append(replace(image, label=label))
    return Labels(tuple(images), tuple(left_out), table.encoding)


def _labelled(folder: Path, row: Row) -> LabelledImage:
    """The image of a row, with its label in the original spelling."""
    if not row["file"].strip():
        raise InputError("the file name is missing")
    split = row.get("split", "").strip()
    if split and split.casefold() not in tuple(Split):
        raise InputError(f"split must be one of {listed(Split)}, not {excerpt(split)}")
    slide, source = (row.get(name, "").strip() for name in ("slide", "source"))
    return LabelledImage(folder / row["file"], row["label"], slide, split.casefold(), source, row["file"], row.line)


def _from_reviewed_cells(source: Path, rules: LabelRules) -> Labels:
    found = read_reviewed_cells(source)
    rules.check((each.cell_type for each in found), printable(source))
    images = [LabelledImage(each.path, each.cell_type, each.slide, line=each.line) for each in found]
    kept = tuple(image for image in images if not rules.leaves_out(image.label))
    return Labels(kept, tuple(image for image in images if rules.leaves_out(image.label)))


def _from_folder(source: Path, rules: LabelRules) -> Labels:
    if is_unsigned(source):
        raise InputError(
            f"{printable(source)} lies in an analyser's folder of unsigned slides: its class folders are the "
            "analyser's calls, which nobody has confirmed, and no labels"
        )
    folders, skipped = class_folders(source)
    rules.check((folder.name for folder in folders), printable(source))
    images: list[LabelledImage] = []
    left_out: list[LabelledImage] = []
    for folder in folders:
        label = rules.resolve(folder.name) if folder.images else None
        if label is not None:
            images.extend(LabelledImage(path, label) for path in folder.images)
        else:
            left_out.extend(LabelledImage(path, folder.name) for path in folder.images)
    return Labels(tuple(images), tuple(left_out), skipped=tuple(skipped))
