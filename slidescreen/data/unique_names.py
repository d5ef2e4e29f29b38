"""Printable and unique names."""

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from slidescreen.files.writing import printable

_DIGITS = (8, 16, 64)  # of a hash; the first length that makes the name unique is used
_MARKED = re.compile(rf" #[0-9a-f]{{{_DIGITS[0]},{_DIGITS[-1]}}}$")


def unique_names(names: Sequence[str]) -> list[str]:
    """Printable names, one for each file name or relative path, no two of which look alike.

    If several names look alike, each that differs from what a reader sees gets a mark: a hash of its bytes. So the
    mark does not depend on the other names. Names look alike if they differ only in unprintable characters, spaces, or
    the composition of accents.

    Args:
        names: different names, in the file system's spelling.
    """
    together = "".join(names)
    if together.isascii() and together.isprintable() and " " not in together:
        return list(names)
    shown = [printable(name) for name in names]
    alike: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(shown):
        alike[_looks(text)].append(position)
    taken = set(alike)
    for look, positions in alike.items():
        if len(positions) > 1:
            for position in positions:
                if names[position] != look:
                    shown[position] = _unused_name(shown[position], names[position], taken)
                    taken.add(_looks(shown[position]))
    return shown


class NamesInUse:
    """Names of which no two look alike."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._looks = set(map(_looks, names))

    def takes(self, text: str) -> bool:
        """Whether a name joined them as it is. It does not if it looks like one of them."""
        is_free = _looks(text) not in self._looks
        self._looks.add(_looks(text))
        return is_free

    def added(self, text: str, name: str) -> str:
        """A printable name that joins them. If it looks like one of them, it gets a mark made of the original name."""
        if _looks(text) in self._looks:
            text = _unused_name(text, name, self._looks)
        self._looks.add(_looks(text))
        return text


def unmarked(name: str) -> str:
    """A name without its mark, if it has one."""
    return _MARKED.sub("", name)


def marks_of(name: str) -> list[str]:
    """The printable name with each mark that it may get: a hash of its bytes, the shortest first."""
    return [f"{printable(name)}{_mark(name, digits)}" for digits in _DIGITS]


def _unused_name(text: str, name: str, taken: Collection[str]) -> str:
    """The printable name with a hash of the original name's bytes, so that it looks like no name in `taken`."""
    tries = (f"{text}{_mark(name, digits)}" for digits in _DIGITS)
    return next((found for found in tries if _looks(found) not in taken), f"{text}{_mark(name, _DIGITS[-1])}")


def _mark(name: str, digits: int) -> str:
    return f" #{hashlib.sha256(os.fsencode(name)).hexdigest()[:digits]}"


def _looks(text: str) -> str:
    """The name that a reader sees: with composed accents, single spaces, and none at its ends."""
    return "/".join(" ".join(part.split()) for part in unicodedata.normalize("NFC", text).split("/"))
