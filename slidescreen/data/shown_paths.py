"""Find the file that a shown name stands for.

Names are shown as printable text, and one that looks like another gets a mark. So a shown name need not be a path.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from slidescreen.data.unique_names import marks_of, unmarked
from slidescreen.files.writing import printable

_UNKNOWN = "\ufffd"
"""Stands for bytes that are no text in a run's record."""


class ShownPaths:
    """Finds the files in a folder and below it. Folders are listed only for names that may be no path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[Path, dict[str, list[str]]] = {}

    def path_of(self, name: str) -> Path:
        """The file's path. It is the name itself below the folder, if there is such a file or no other is known."""
        path = self._folder / name
        if not _may_differ(name) and _UNKNOWN not in os.fspath(self._folder):
            return path
        if os.path.lexists(path):
            return path
        found = self._alike(name)
        return found[0] if len(found) == 1 else path

    def _alike(self, name: str) -> list[Path]:
        """The paths that are shown by this name."""
        folders = [self._folder]
        if _UNKNOWN in os.fspath(self._folder):
            folders = self._below([Path(self._folder.anchor)], self._folder.parts[1:])
        pairs = (
            (path, path.relative_to(folder).as_posix())
            for folder in folders
            for shown in dict.fromkeys((name, unmarked(name)))
            for path in self._below([folder], shown.split("/"))
        )
        return [path for path, own in pairs if name in (printable(own), *marks_of(own)) and os.path.lexists(path)]

    def _below(self, places: list[Path], parts: Sequence[str]) -> list[Path]:
        """The paths below some folders whose parts are shown so."""
        for part in parts:
            places = [place / own for place in places for own in self._names(place, part)]
        return places

    def _names(self, place: Path, shown: str) -> Sequence[str]:
        return self._listing(place).get(shown, ()) if "\\" in shown or _UNKNOWN in shown else (shown,)

    def _listing(self, place: Path) -> dict[str, list[str]]:
        """A folder's content by shown names; empty if the folder cannot be listed."""
        if place not in self._listings:
            found: dict[str, list[str]] = {}
            try:
                names = os.listdir(place)  # noqa: PTH208  # only names are needed, and there may be very many
            except (OSError, ValueError):
                names = []
            for own in names:
                for shown in {printable(own), os.fsencode(own).decode("utf-8", "replace")}:
                    found.setdefault(shown, []).append(own)
            self._listings[place] = found
        return self._listings[place]


def path_shown_as(text: str) -> Path:
    """The path that a record shows by this text."""
    path = Path(text)
    base = Path(path.anchor)
    return ShownPaths(base).path_of(path.relative_to(base).as_posix())


def _may_differ(name: str) -> bool:
    """Whether a shown name may differ from the path: it holds an escape or a mark."""
    return "\\" in name or unmarked(name) != name
