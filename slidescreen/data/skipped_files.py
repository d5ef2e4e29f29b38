"""Files and folders that are passed over, and the account of them. Nothing is passed over silently."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_STORAGE_FOLDERS = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharesnap", "@synoresource"),  # Synology
        *("@recycle", "@recently-snapshot", "@recently snapshot", "@__thumb", ".@__thumb", "@transcode"),  # QNAP
        *("~snapshot", ".snapshot", ".snapshots", ".zfs", ".ckpt"),  # NetApp, btrfs, ZFS, Isilon
        *(".recycle", ".trash", ".trashes", "network trash folder", "temporary items"),  # Samba, macOS
        *("__macosx", ".appledouble", ".documentrevisions-v100", ".fseventsd", ".spotlight-v100", ".temporaryitems"),
        *("$recycle.bin", "recycler", "recycled", "system volume information", "dfsrprivate", "$extend"),  # Windows
        *("lost+found", "_gsdata_", ".stversions", ".stfolder", ".sync", "__pycache__"),
    }
)
_STORAGE_PATTERN = re.compile(r"\.trash-\d+|found\.\d{3}|\$recycle\..*")
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", ".ds_store"})
_MOST_NAMES = 1000  # a record names at most so many entries of a kind, and counts all


class SkippedKind(StrEnum):
    """Why an entry is passed over."""

    STORAGE = "storage_folders"
    """A folder of a storage or operating system: thumbnails, snapshots, deleted files. It is not scanned."""
    LINK = "links"
    """A link to a folder, to a place outside the scanned folder, or to nothing. It is not followed."""
    FILE = "other_files"
    """A file that is no image by suffix or content, or a pipe or device."""
    EMPTY = "empty_folders"
    """A folder without images that is no slide: it is named after a cell type beside slides, or lies in a slide."""
    HIDDEN = "hidden"
    """An entry whose name begins with a dot, or one of Windows' own files."""


WORDS: Mapping[SkippedKind, str] = {
    SkippedKind.STORAGE: "storage folder",
    SkippedKind.LINK: "link that is not followed",
    SkippedKind.FILE: "other file",
    SkippedKind.EMPTY: "empty folder",
    SkippedKind.HIDDEN: "hidden entry",
}
_PLURALS: Mapping[SkippedKind, str] = {
    SkippedKind.STORAGE: "storage folders",
    SkippedKind.LINK: "links that are not followed",
    SkippedKind.FILE: "other files",
    SkippedKind.EMPTY: "empty folders",
    SkippedKind.HIDDEN: "hidden entries",
}


def kind_of(name: str, is_folder: bool) -> SkippedKind | None:
    """Why this name alone excludes a file or folder; None if it does not."""
    if is_of_a_system(name, is_folder):
        return SkippedKind.STORAGE if is_folder else SkippedKind.HIDDEN
    return SkippedKind.HIDDEN if name.startswith(".") else None


def is_of_a_system(name: str, is_folder: bool) -> bool:
    """Whether only an operating or storage system gives this name to a file or folder."""
    plain = unicodedata.normalize("NFC", name).casefold().strip()
    if is_folder:
        return plain in _STORAGE_FOLDERS or _STORAGE_PATTERN.fullmatch(plain) is not None
    return plain in _SYSTEM_FILES


@dataclass(frozen=True)
class SkippedEntry:
    """An entry that is passed over. `name` is its path below the requested folder, as printable text."""

    kind: SkippedKind
    name: str


def to_record(entries: Iterable[SkippedEntry]) -> dict[str, Any]:
    """For `run.json`: for each kind found, the count and the first thousand names."""
    names = {kind: [entry.name for entry in entries if entry.kind is kind] for kind in SkippedKind}
    return {kind: {"count": len(found), "names": found[:_MOST_NAMES]} for kind, found in names.items() if found}


def sentences(record: Mapping[str, Any], most: int) -> list[str]:
    """A record in words, one line for each kind. Each line has at most `most` names."""
    return [_sentence(kind, record[kind], most) for kind in SkippedKind if kind in record]


def _sentence(kind: SkippedKind, found: Mapping[str, Any], most: int) -> str:
    count = int(found["count"])
    noun = WORDS[kind] if count == 1 else _PLURALS[kind]
    if kind is SkippedKind.HIDDEN or not most:  # nobody needs the names of hidden files
        return f"{count} {noun}"
    return f"{count} {noun} ({listed(found['names'], most, count)})"


def listed(names: Sequence[str], most: int, count: int | None = None) -> str:
    """The first names, and the number of further ones."""
    rest = (len(names) if count is None else count) - len(names[:most])
    return ", ".join(names[:most]) + (f" and {rest} more" if rest else "")
