"""Files and folders that no command reads, and the account of them: nothing is passed over silently."""

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
_MOST_NAMES = 1000  # of a kind in a record; the count is of all


class SkippedKind(StrEnum):
    """Why something is passed over."""

    STORAGE = "storage_folders"
    """Of a storage or operating system: thumbnails, snapshots, deleted files. Not looked into."""
    LINK = "links"
    """Not followed: to a folder, to what is outside, or to nothing."""
    FILE = "other_files"
    """No image by suffix or content; pipes and devices are among them."""
    EMPTY = "empty_folders"
    """Without images, and no slide's: named after a cell type beside slides, or inside a slide."""
    HIDDEN = "hidden"
    """A name that begins with a dot, or a file that Windows keeps for itself."""


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
    """Why a file or folder of this name is passed over, whatever it holds; None where its name is no reason."""
    if is_of_a_system(name, is_folder):
        return SkippedKind.STORAGE if is_folder else SkippedKind.HIDDEN
    return SkippedKind.HIDDEN if name.startswith(".") else None


def is_of_a_system(name: str, is_folder: bool) -> bool:
    """Whether an operating or storage system, and nobody else, calls a file or folder so."""
    plain = unicodedata.normalize("NFC", name).casefold().strip()
    if is_folder:
        return plain in _STORAGE_FOLDERS or _STORAGE_PATTERN.fullmatch(plain) is not None
    return plain in _SYSTEM_FILES


@dataclass(frozen=True)
class SkippedEntry:
    """Something passed over: its path below the folder that was asked for, as printable text."""

    kind: SkippedKind
    name: str


def to_record(entries: Iterable[SkippedEntry]) -> dict[str, Any]:
    """For `run.json`: of each kind that there is, how many and the names of the first thousand."""
    names = {kind: [entry.name for entry in entries if entry.kind is kind] for kind in SkippedKind}
    return {kind: {"count": len(found), "names": found[:_MOST_NAMES]} for kind, found in names.items() if found}


def sentences(record: Mapping[str, Any], most: int) -> list[str]:
    """A record in words, a line for each kind, with at most so many names; 0 for none."""
    return [_sentence(kind, record[kind], most) for kind in SkippedKind if kind in record]


def _sentence(kind: SkippedKind, found: Mapping[str, Any], most: int) -> str:
    count = int(found["count"])
    noun = WORDS[kind] if count == 1 else _PLURALS[kind]
    if kind is SkippedKind.HIDDEN or not most:  # hidden ones are of no interest by name
        return f"{count} {noun}"
    return f"{count} {noun} ({listed(found['names'], most, count)})"


def listed(names: Sequence[str], most: int, count: int | None = None) -> str:
    """The first names, and how many more there are."""
    rest = (len(names) if count is None else count) - len(names[:most])
    return ", ".join(names[:most]) + (f" and {rest} more" if rest else "")
