"""Printable and unique names."""

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence

from slidescreen.files.writing import printable

_DIGITS = (8, 16, 64)  # of a hash: no more than it takes


def unique_names(names: Sequence[str]) -> list[str]:
    """Each file's name or relative path as printable text, no two of which look alike.

    Where several would, those that had to be written otherwise than they are get a mark made of their bytes, which is
    the same whatever stands beside them; so do those that differ in spaces or in how an accent is composed.

    Args:
        names: all different, as the system gives them.
    """
    together = "".join(names)
    if together.isascii() and together.isprintable() and " " not in together:  # nothing needs to be written otherwise
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
                    shown[position] = unused_name(shown[position], names[position], taken)
                    taken.add(_looks(shown[position]))
    return shown


def unused_name(text: str, name: str, taken: Collection[str]) -> str:
    """A printable name with a mark made of the bytes of what it stands for, so that it is none of those taken."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()
    tries = (f"{text} #{digest[:digits]}" for digits in _DIGITS)
    return next((found for found in tries if _looks(found) not in taken), f"{text} #{digest}")


def _looks(text: str) -> str:
    """What a reader sees: composed accents, and no spaces at the ends of a name."""
    return "/".join(" ".join(part.split()) for part in unicodedata.normalize("NFC", text).split("/"))
