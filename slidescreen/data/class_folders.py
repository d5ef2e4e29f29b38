"""A folder with one subfolder for each cell type: the images in each, and the files that are passed over."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slidescreen import cells
from slidescreen.data.scanning import OUTSIDE, Folder, all_of, relative, scan, skipped_below
from slidescreen.data.skipped_files import SkippedEntry, SkippedKind, kind_of
from slidescreen.errors import InputError
from slidescreen.files.existence import sees_folder
from slidescreen.files.writing import printable


@dataclass(frozen=True)
class ClassFolder:
    """A folder, and its readable images in the order of their paths, without those of class folders inside it."""

    name: str
    images: tuple[Path, ...]


def class_folders(source: Path) -> tuple[list[ClassFolder], list[SkippedEntry]]:
    """The class folders in a folder, sorted by name, and everything that is passed over in it.

    An image belongs to the innermost folder that names a class: "Neutrophil/Band neutrophil/1.jpg" is a band.
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
        name, images = printable(path.name), {path.name: list[Path]()}
        for folder, inner in _by_class(root, path.name):
            inside = path / folder.path.relative_to(root.path)
            if folder.problem:
                raise InputError(f"{printable(inside)}: {folder.problem}")
            for file in folder.images:
                if folder.refusals.get(file, OUTSIDE) == OUTSIDE:
                    images.setdefault(inner, []).append(inside / file)
                else:
                    others.append(SkippedEntry(SkippedKind.FILE, relative(source, inside / file)))
        folders += (ClassFolder(inner, tuple(sorted(found))) for inner, found in images.items())
        others += (SkippedEntry(entry.kind, f"{name}/{entry.name}") for entry in skipped_below(root))
    return folders, others


def _by_class(root: Folder, name: str) -> Iterator[tuple[Folder, str]]:
    """A folder of this name and all folders below it, each with the name of the innermost class folder around it.

    A code ("MO") is no class in a class folder, because it may be a patient's initials. In a folder that names no
    class, as a slide's folder, nothing is looked for.
    """
    names = {root: name}
    for folder in all_of(root):
        yield folder, names[folder]
        for child in folder.folders:
            bare = cells.without_number(child.name)
            inner = cells.names_a_class(name) and cells.names_a_class(bare) and not cells.is_a_code(bare)
            names[child] = child.name if inner else names[folder]


def _entries(source: Path) -> Iterator[Path]:
    try:
        yield from sorted(source.iterdir())
    except OSError as error:
        raise InputError(f"{printable(source)}: the folder cannot be read: {error.strerror}") from error
