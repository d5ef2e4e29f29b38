"""A folder with one subfolder for each cell type: the images in each, and the files that are passed over."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slidescreen.data.scanning import OUTSIDE, all_of, relative, scan, skipped_below
from slidescreen.data.skipped_files import SkippedEntry, SkippedKind, kind_of
from slidescreen.errors import InputError
from slidescreen.files.existence import sees_folder
from slidescreen.files.writing import printable


@dataclass(frozen=True)
class ClassFolder:
    """A folder named after a class, and its readable images in the order of their paths."""

    name: str
    images: tuple[Path, ...]


def class_folders(source: Path) -> tuple[list[ClassFolder], list[SkippedEntry]]:
    """The class folders in a folder, sorted by name, and everything that is passed over in it.

    Links to images and to class folders are followed, because data sets are often made of links.

    Raises:
        InputError: a folder cannot be read.
    """
    folders: list[ClassFolder] = []
    others: list[SkippedEntry] = []
    for path in _entries(source):
        holds = sees_folder(path)
        kind = kind_of(path.name, holds)
        if kind is not None or not holds:
            others.append(SkippedEntry(kind or SkippedKind.FILE, printable(path.name)))
            continue
        root = scan(path)
        name, images = printable(path.name), []
        for folder in all_of(root):
            inside = path / folder.path.relative_to(root.path)
            if folder.problem:
                raise InputError(f"{printable(inside)}: {folder.problem}")
            for file in folder.images:
                if folder.refusals.get(file, OUTSIDE) == OUTSIDE:
                    images.append(inside / file)
                else:
                    others.append(SkippedEntry(SkippedKind.FILE, relative(source, inside / file)))
        folders.append(ClassFolder(path.name, tuple(sorted(images))))
        others += (SkippedEntry(entry.kind, f"{name}/{entry.name}") for entry in skipped_below(root))
    return folders, others


def _entries(source: Path) -> Iterator[Path]:
    try:
        yield from sorted(source.iterdir())
    except OSError as error:
        raise InputError(f"{printable(source)}: the folder cannot be read: {error.strerror}") from error
