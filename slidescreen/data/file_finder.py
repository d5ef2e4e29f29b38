"""Finding a file by a name that a person or another system wrote down."""

import os
import unicodedata
from pathlib import Path

from slidescreen.files.writing import denature


class FileFinder:
    """Finds files below a folder, or anywhere by full paths, whose names were written differently.

    Backslashes may stand for slashes, letter case and the composition of accents may differ, spaces may surround the
    name: of several files that are meant then, none is taken. A name that is there as written is always that file.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._listings: dict[str, dict[str, list[str]]] = {}

    def find(self, written: str) -> Path | None:
        """The file that is meant, or None."""
        for name in dict.fromkeys((written, written.strip(), denature(written.strip()))):
            for spelled in dict.fromkeys((name, name.replace("\\", "/"))):
                path = self._base / spelled
                if self.exists(path):
                    return path
        return self._alike(written.strip().replace("\\", "/"))

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is such a file; a name that no file can have is none."""
        try:
            return path.is_file()
        except (OSError, ValueError):
            return False

    def _alike(self, name: str) -> Path | None:
        """The only file whose path is the same but for letter case and composition of accents."""
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

    def _has(self, place: Path, part: str) -> bool:
        return part in self._listing(place).get(folded(part), [])

    def _listing(self, place: Path) -> dict[str, list[str]]:
        """What a folder holds, by folded names; nothing where it can't be listed."""
        key = os.fspath(place)
        if key not in self._listings:
            found: dict[str, list[str]] = {}
            try:
                for name in os.listdir(place):  # noqa: PTH208  # names alone, and of any number
                    found.setdefault(folded(name), []).append(name)
            except (OSError, ValueError):
                pass
            self._listings[key] = found
        return self._listings[key]


def folded(name: str) -> str:
    """A name without what systems that do not tell letter case or accents' composition apart would tell apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
