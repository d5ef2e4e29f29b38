"""Write an ensemble's files into a folder, beside those of the ensemble that it replaces.

No file that is there is overwritten: a file with another content gets another name. So the ensemble that is there stays
whole until the new `ensemble.json` names the new files. Only then are the old ones removed.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from slidescreen.files.existence import is_file
from slidescreen.files.legal_names import legal_name
from slidescreen.files.writing import remove_if_possible, write_whole

DESCRIPTION = "ensemble.json"
REPLAY = "replay.safetensors"
_SUFFIX, _INT8 = ".safetensors", ".int8.safetensors"
_NUMBER = re.compile(r"^\d+-(?=.)")


class Replacement:
    """The files of a new ensemble in `folder`."""

    def __init__(self, folder: Path, own: Sequence[Path]) -> None:
        """Look at what is there.

        Args:
            folder: the ensemble's folder.
            own: files of the new ensemble. Those that lie in the folder already may stay.
        """
        self._folder = folder
        self._there = {path.name.casefold() for path in folder.iterdir()}
        named, self._removable = _replaced(folder)
        self._reusable = named | {path.name for path in own if path.resolve().parent == folder.resolve()}
        self._taken: set[str] = set()
        self._new: list[Path] = []
        self._kept: set[str] = set()

    def put(self, wanted: Path, content: bytes, int8: bytes | None = None) -> Path:
        """Write a file and the 8-bit network beside it, or find them here with the same content.

        Args:
            wanted: a path whose name the file gets if possible.
            content: the file's content.
            int8: the content of the 8-bit network; None if there is none.

        Raises:
            OutputError: the disk is full, or the folder cannot be written to.
        """
        for stem in _stems(wanted.stem):
            path = self._folder / legal_name(stem, _SUFFIX)
            pairs = [(path, content), (int8_path(path), int8)]
            if all(self._fits(*pair) for pair in pairs):
                break
        self._taken |= {each.name.casefold() for each, _ in pairs}
        for each, data in pairs:
            if data is not None:
                self._write(each, data)
        return path

    def _fits(self, path: Path, content: bytes | None) -> bool:
        name = path.name.casefold()
        if name in self._taken:
            return False
        if name not in self._there or (content is None and path.name in self._removable):
            return True
        return path.name in self._reusable and is_file(path) and path.read_bytes() == content

    def _write(self, path: Path, content: bytes) -> None:
        self._kept.add(path.name)
        if path.name.casefold() not in self._there:
            self._new.append(path)
            write_whole(path, partial(Path.write_bytes, data=content))

    def written(self) -> list[str]:
        """The names of the ensemble's files that this ensemble, or the one that it replaces, wrote."""
        return sorted({path.name for path in self._new} | (self._kept & self._removable))

    def take_back(self) -> None:
        """Remove the new files that `ensemble.json` does not name: the ensemble could not be written."""
        named, _ = _replaced(self._folder)
        for path in self._new:
            if path.name not in named:
                remove_if_possible(path)

    def finish(self) -> None:
        """Remove the files that the replaced ensemble wrote and this one does not have."""
        for name in sorted(self._removable - self._kept):
            remove_if_possible(self._folder / name)


def int8_path(path: Path) -> Path:
    """The place of the 8-bit network beside a member."""
    return path.with_suffix(_INT8)


def _stems(wanted: str) -> Iterator[str]:
    """Names like the wanted one. A number before it is replaced, or names would grow with each replacement."""
    return itertools.chain([wanted], (f"{number}-{_NUMBER.sub('', wanted)}" for number in itertools.count(2)))


def _replaced(folder: Path) -> tuple[set[str], set[str]]:
    """The names of the files of the ensemble in the folder, and of those that it wrote itself.

    The others lay there before: a training may have written them. Earlier releases did not tell them apart.
    """
    try:
        content: Any = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        parts = [part for entry in content["members"] for part in (entry, entry.get("int8"))]
        named = {str(part["file"]) for part in (*parts, content.get("familiarity")) if part}
        named.add(str(content.get("replay", REPLAY)))
        written = {*map(str, content.get("written", ())), REPLAY}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set(), set()
    plain = {name for name in named if Path(name).name == name and name.endswith(_SUFFIX)}
    return plain, plain & written
