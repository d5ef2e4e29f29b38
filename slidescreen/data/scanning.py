"""Scan a folder and everything below it: its images, and the entries that are passed over."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from slidescreen.data.image_kinds import OTHER_SUFFIXES, head_of, image_kind, refusal
from slidescreen.data.images import SUFFIXES
from slidescreen.data.skipped_files import SkippedEntry, SkippedKind, kind_of
from slidescreen.errors import InputError
from slidescreen.files.existence import exists, is_folder, sees
from slidescreen.files.writing import printable

_ENDINGS = tuple(SUFFIXES)
OUTSIDE = "a link to a file outside the folder, not followed"


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder, its files, and the folders in it, sorted by name.

    `images` are the names of image files. `refusals` gives the reason for each that must not be opened. `problem` is
    the reason why the folder could not be read. `live` means that the folder or a folder below holds an image.
    `troubled` means that none does, but a folder could not be read. `bare` means neither.
    """

    path: Path
    depth: int
    images: tuple[str, ...]
    refusals: Mapping[str, str]
    folders: tuple["Folder", ...]
    skipped: tuple[SkippedEntry, ...]
    live: bool
    troubled: bool
    problem: str = ""

    @property
    def bare(self) -> bool:
        return not (self.live or self.troubled)

    @property
    def name(self) -> str:
        return self.path.name


def scan(path: Path) -> Folder:
    """Scan a folder and all folders below it. Files are opened only if their suffix does not tell their kind.

    Raises:
        InputError: the folder does not exist or cannot be read. An unreadable folder below it has a `problem` instead.
    """
    if not is_folder(path):
        raise InputError(f"{printable(path)} is not a folder" if exists(path) else f"{printable(path)} does not exist")
    root = path.resolve()
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"cannot read the folder {printable(path)}: Permission denied")
    looked = [_look(root, root, 0)]
    if looked[0].problem:
        raise InputError(f"{printable(path)}: {looked[0].problem}")
    for one in looked:  # the list grows; recursion would overflow Python's stack on very deep folders
        one.first = len(looked)
        looked += (_look(root, folder, one.depth + 1) for folder in one.folders)
    whole: list[Folder] = []  # from the last to the first, so that subfolders are made before their parents
    for one in reversed(looked):
        end = len(looked) - one.first
        below = tuple(whole[end - len(one.folders) : end][::-1])
        live = bool(one.images) or any(folder.live for folder in below)
        troubled = not live and (bool(one.problem) or any(folder.troubled for folder in below))
        held = (one.images, one.refusals, below, one.skipped)
        whole.append(Folder(one.path, one.depth, *held, live, troubled, one.problem))
    return whole[-1]


def all_of(folder: Folder) -> list[Folder]:
    """A folder and all folders below it, parents first."""
    found = [folder]
    for one in found:
        found += one.folders
    return found


class _Looked:
    """The direct content of a folder. `first` is the position of its first subfolder in the list of all folders."""

    def __init__(self, path: Path, depth: int) -> None:
        self.path, self.depth, self.problem, self.first = path, depth, "", 0
        self.images: tuple[str, ...] = ()
        self.refusals: dict[str, str] = {}
        self.folders: tuple[Path, ...] = ()
        self.skipped: tuple[SkippedEntry, ...] = ()


def _look(root: Path, path: Path, depth: int) -> _Looked:
    looked = _Looked(path, depth)
    images: list[str] = []
    folders: list[Path] = []
    others: list[SkippedEntry] = []
    try:
        with os.scandir(path) as listing:
            entries = sorted(listing, key=attrgetter("name"))
    except OSError as error:
        looked.problem = f"the folder cannot be read: {error.strerror}"
        return looked
    for entry in entries:
        if _is_plain_image(entry):
            images.append(entry.name)
            continue
        found = _sort(root, path / entry.name, entry)
        if isinstance(found, _Image):
            images.append(entry.name)
            if found.refusal:
                looked.refusals[entry.name] = found.refusal
        elif isinstance(found, Path):
            folders.append(found)
        else:
            others.append(SkippedEntry(found, relative(root, path / entry.name)))
    looked.images, looked.folders, looked.skipped = tuple(images), tuple(folders), tuple(others)
    return looked


@dataclass(frozen=True)
class _Image:
    """An image file. `refusal` is the reason why it must not be opened, if there is one."""

    refusal: str = ""


def _is_plain_image(entry: "os.DirEntry[str]") -> bool:
    """Whether a file's name alone tells that it is an image. This saves time on hundreds of thousands of files."""
    name = entry.name
    try:
        return name[0].isalnum() and name.lower().endswith(_ENDINGS) and entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def relative(root: Path, path: Path) -> str:
    """A path relative to a folder, as printable text."""
    return printable(path.relative_to(root).as_posix())


def _sort(root: Path, path: Path, entry: "os.DirEntry[str]") -> _Image | Path | SkippedKind:
    """An image, a folder to scan, or the reason why an entry is passed over."""
    try:
        is_folder, is_link = entry.is_dir(follow_symlinks=False), entry.is_symlink()
    except OSError:
        is_folder = is_link = False
    kind = kind_of(entry.name, is_folder or (is_link and _leads_to_a_folder(entry)))
    if kind is not None:
        return kind
    if is_folder:
        return path
    return _sort_link(root, path, entry) if is_link else _sort_file(path)


def _sort_link(root: Path, path: Path, entry: "os.DirEntry[str]") -> _Image | SkippedKind:
    if _leads_to_a_folder(entry):
        return SkippedKind.LINK
    if _target(path).is_relative_to(root):
        return _sort_file(path) if sees(path) or _suffix(path) in SUFFIXES else SkippedKind.LINK
    return _Image(OUTSIDE) if _suffix(path) in SUFFIXES | OTHER_SUFFIXES else SkippedKind.LINK


def _sort_file(path: Path) -> _Image | SkippedKind:
    suffix = _suffix(path)
    if suffix in SUFFIXES:  # the decoder checks the content later
        return _Image()
    kind = image_kind(head_of(path))
    return _Image(refusal(kind)) if kind or suffix in OTHER_SUFFIXES else SkippedKind.FILE


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _leads_to_a_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _target(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link to itself
        return Path(path.anchor)


def skipped_below(folder: Folder) -> Sequence[SkippedEntry]:
    """All entries that are passed over in a folder and below it, sorted by name."""
    return sorted((entry for one in all_of(folder) for entry in one.skipped), key=lambda entry: entry.name)
