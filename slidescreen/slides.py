"""Which images make up which slide."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.files import printable
from slidescreen.images import SUFFIXES

PASSED_OVER = {"thumbs.db", "desktop.ini", "lost+found", "$recycle.bin", "system volume information"}
_EXPORT_FOLDERS = {"signed slides", "unsigned slides"}  # the analyser's own: what is below is one slide's
_PLAIN_CONTAINERS = {"wbc", "leukocytes", "cells", "images"}  # the same, if they hold cells and no slides


@dataclass(frozen=True)
class CellImage:
    """One image file of a slide.

    `name` is its path relative to the slide's folder, as printable text with forward slashes. `reported_type` is
    the laboratory's own call, from the export's class folder; empty where there is none. `refusal` says why the
    file must not be opened; empty where it may.
    """

    path: Path
    name: str
    reported_type: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Slide:
    """The cell images of one slide, in the order of their names."""

    name: str
    folder: Path
    images: tuple[CellImage, ...]


@dataclass(frozen=True)
class _Found:
    """An image file, or a folder that could not be looked into and why."""

    path: Path
    problem: str = ""


@dataclass(frozen=True)
class _Folder:
    """What a folder directly holds; a folder that cannot be looked into holds itself, as a problem."""

    path: Path
    files: tuple[_Found, ...]
    folders: tuple[Path, ...] = ()


def discover(path: Path, depth: int | None = None) -> list[Slide]:
    """The slides in a slide folder, or in a folder of slide folders, in the order of their names.

    A folder is a slide if it holds images, a container such as "Signed slides", or folders named after cell
    types; all such folders below belong to it. Other folders below it are looked at as slides of their own, so
    that a stray image beside fifty slides does not make them one.

    Args:
        path: where to look. Hidden files and folders are passed over; linked folders are not entered.
        depth: slide folders lie exactly so many levels below `path`, and all below one belongs to it.

    Raises:
        InputError: no such folder, no images in it, or it cannot be looked into. A folder below it that cannot is
            a slide of one unreadable image, or one such image of its slide.
    """
    if not path.is_dir():
        raise InputError(f"{printable(path)} is not a folder" if path.exists() else f"{printable(path)} does not exist")
    root = path.resolve()
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"cannot read the folder {printable(path)}: Permission denied")
    found = _by_layout(root) if depth is None else _at_depth(root, depth)
    slides = [_slide(root, folder, files) for folder, files in found if files]
    if not slides:
        formats = ", ".join(sorted(suffix.lstrip(".") for suffix in SUFFIXES))
        raise InputError(f"{printable(path)} holds no images ({formats})")
    return sorted(slides, key=lambda slide: slide.name)


def _by_layout(path: Path) -> Iterator[tuple[Path, list[_Found]]]:
    here = _look(path)
    named = [folder for folder in here.folders if cells.resolve(folder.name)]
    containers = [folder for folder in here.folders if _is_container(folder)]
    belonging = here.folders if named else containers
    others = [folder for folder in here.folders if folder not in belonging]
    yield path, [*here.files] + [file for folder in belonging for file in _below(folder)]
    for folder in others:
        yield from _by_layout(folder)


def _is_container(folder: Path) -> bool:
    name = folder.name.casefold()
    if name in _PLAIN_CONTAINERS:
        inside = _look(folder)
        return bool(inside.files) or any(cells.resolve(child.name) for child in inside.folders)
    return name in _EXPORT_FOLDERS


def _at_depth(path: Path, depth: int) -> Iterator[tuple[Path, list[_Found]]]:
    if depth == 0:
        yield path, list(_below(path))
        return
    here = _look(path)
    yield path, [file for file in here.files if file.problem]
    for folder in here.folders:
        yield from _at_depth(folder, depth - 1)


def _below(path: Path) -> Iterator[_Found]:
    here = _look(path)
    yield from here.files
    for folder in here.folders:
        yield from _below(folder)


def _look(path: Path) -> _Folder:
    try:
        with os.scandir(path) as entries:
            visible = sorted((e for e in entries if not _is_passed_over(e.name)), key=lambda e: e.name)
    except OSError as error:
        return _Folder(path, (_Found(path, f"the folder cannot be read: {error.strerror}"),))
    folders = tuple(Path(entry.path) for entry in visible if entry.is_dir(follow_symlinks=False))
    return _Folder(path, tuple(_Found(Path(entry.path)) for entry in visible if _is_image(entry)), folders)


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name.casefold() in PASSED_OVER


def _is_image(entry: os.DirEntry[str]) -> bool:
    return not entry.is_dir() and Path(entry.name).suffix.lower() in SUFFIXES


def _slide(root: Path, folder: Path, files: list[_Found]) -> Slide:
    name = printable(folder.name if folder == root else folder.relative_to(root).as_posix())
    images = (_cell_image(root, folder, file) for file in files)
    return Slide(name, folder, tuple(sorted(images, key=lambda image: image.name)))


def _cell_image(root: Path, folder: Path, found: _Found) -> CellImage:
    file = found.path
    inside = file.relative_to(folder)
    reported = cells.resolve(inside.parent.name) if len(inside.parts) > 1 else None
    refusal = found.problem
    if not refusal and file.is_symlink() and not file.resolve().is_relative_to(root):
        refusal = "a link to a file outside of the folder, which is not followed"
    return CellImage(file, printable(inside.as_posix()), reported or "", refusal)
