"""Find a file by a name that a person or another system wrote."""

import os
import unicodedata
from pathlib import Path

from slidescreen.data.shown_paths import ShownPaths
from slidescreen.files.existence import sees_file
from slidescreen.files.writing import denature


class FileFinder:
    """Finds files below a folder, or by full path, even if their names are written differently.

    A written name may have backslashes for slashes, other letter case, accents composed otherwise, and spaces around
    it. If several files then match, none is taken. A file with exactly the written name always wins. The name by which
    slidescreen shows a file also counts.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._shown_paths = ShownPaths(base)
        self._listings: dict[str, dict[str, list[str]]] = {}

    def find(self, written: str) -> Path | None:
        """The file that the written name means, or None."""
        for name in dict.fromkeys((written, written.strip(), denature(written.strip()))):
            for spelled in dict.fromkeys((name, name.replace("\\", "/"))):
                path = self._base / spelled
                if self.exists(path):
                    return path
        return self._alike(written.strip().replace("\\", "/")) or self._shown(denature(written))

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether the file exists. False for a name that no file can have."""
        return sees_file(path)

    def _alike(self, name: str) -> Path | None:
        """The only file whose path differs in nothing but letter case and composition of accents."""
        place = Path("/") if name.startswith("/") else self._base
        for part in name.split("/"):
            if part in ("", "."):
                continue
            if part == ".." or self._has(place, part):
                place = place / part
                continue
            alike = self._listing(place).get(folded(part), [])
            if len(alike) != 1:
                return None
            place = place / alike[0]
        return place if self.exists(place) else None

    def _shown(self, name: str) -> Path | None:
        """The file that slidescreen's own tables and pages show by this name."""
        path = self._shown_paths.path_of(name)
        return path if self.exists(path) else None

    def _has(self, place: Path, part: str) -> bool:
        return part in self._listing(place).get(folded(part), [])

    def _listing(self, place: Path) -> dict[str, list[str]]:
        """A folder's content by folded names; empty if the folder cannot be listed."""
        key = os.fspath(place)
        if key not in self._listings:
            found: dict[str, list[str]] = {}
            try:
                for name in os.listdir(place):  # noqa: PTH208  # only names are needed, and there may be very many
                    found.setdefault(folded(name), []).append(name)
            except (OSError, ValueError):
                pass
            self._listings[key] = found
        return self._listings[key]


def folded(name: str) -> str:
    """A name in the form by which systems compare names if they ignore letter case and the composition of accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
