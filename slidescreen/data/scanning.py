"""What a folder holds, all the way down: its images, and what is passed over."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from slidescreen.data.image_kinds import OTHER_SUFFIXES, head_of, image_kind, refusal
from slidescreen.data.images import SUFFIXES
from slidescreen.data.skipped_files import SkippedEntry, SkippedKind, kind_of
from slidescreen.errors import InputError
from slidescreen.files.writing import printable

_PLAIN_NAME = re.compile(rf"[^\W_].*({'|'.join(map(re.escape, sorted(SUFFIXES)))})\Z", re.IGNORECASE | re.DOTALL)
OUTSIDE = "a link to a file outside the folder, not followed"


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder, what it directly holds, and the folders in it, in the order of their names.

    `images` are names of image files, `refusals` says of some why they must not be opened. `problem`: why the folder
    could not be looked into. `live`: there is an image in it or somewhere below; `troubled`: there is none, but a
    folder that could not be looked into; `bare`: neither.
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
    """Look into a folder and all below it. Nothing is opened but the beginning of files whose suffix tells nothing.

    Raises:
        InputError: there is no such folder, or it cannot be looked into. A folder below it that cannot has a problem.
    """
    if not path.is_dir():
        raise InputError(f"{printable(path)} is not a folder" if path.exists() else f"{printable(path)} does not exist")
    root = path.resolve()
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"cannot read the folder {printable(path)}: Permission denied")
    looked = [_look(root, root, 0)]
    if looked[0].problem:
        raise InputError(f"{printable(path)}: {looked[0].problem}")
    for one in looked:  # grows: a folder as deep as a system allows is deeper than Python's stack
        one.first = len(looked)
        looked += (_look(root, folder, one.depth + 1) for folder in one.folders)
    whole: list[Folder] = []  # from the last to the first, so that the folders in each are there before it
    for one in reversed(looked):
        end = len(looked) - one.first
        below = tuple(whole[end - len(one.folders) : end][::-1])
        live = bool(one.images) or any(folder.live for folder in below)
        troubled = not live and (bool(one.problem) or any(folder.troubled for folder in below))
        held = (one.images, one.refusals, below, one.skipped)
        whole.append(Folder(one.path, one.depth, *held, live, troubled, one.problem))
    return whole[-1]


def all_of(folder: Folder) -> list[Folder]:
    """A folder and all below it, each before those in it."""
    found = [folder]
    for one in found:
        found += one.folders
    return found


class _Looked:
    """What a folder directly holds; `first` is the place of the first folder in it among all that were looked into."""

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
    """An image file; `refusal` says why it must not be opened."""

    refusal: str = ""


def _is_plain_image(entry: "os.DirEntry[str]") -> bool:
    """Whether it is one of the hundreds of thousands of files of which the name tells all that `_sort` would."""
    try:
        return _PLAIN_NAME.match(entry.name) is not None and entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def relative(root: Path, path: Path) -> str:
    """A path below a folder, as printable text."""
    return printable(path.relative_to(root).as_posix())


def _sort(root: Path, path: Path, entry: "os.DirEntry[str]") -> _Image | Path | SkippedKind:
    """An image, a folder to look into, or why an entry is passed over."""
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
        return _sort_file(path) if path.exists() or _suffix(path) in SUFFIXES else SkippedKind.LINK
    return _Image(OUTSIDE) if _suffix(path) in SUFFIXES | OTHER_SUFFIXES else SkippedKind.LINK


def _sort_file(path: Path) -> _Image | SkippedKind:
    suffix = _suffix(path)
    if suffix in SUFFIXES:  # whatever it holds: the decoder tells
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
    """All that is passed over in a folder and below it, by name."""
    return sorted((entry for one in all_of(folder) for entry in one.skipped), key=lambda entry: entry.name)
