"""Join lines of a table to slides by name. A name that only looks the same counts if no other could be meant."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from slidescreen.data.file_finder import folded

_Line = TypeVar("_Line")


def lines_by_slide(lines: Mapping[str, _Line], slides: Iterable[str]) -> dict[str, _Line]:
    """The lines, by the names of the slides.

    A name may differ from the slide's in letter case, the composition of accents, `\\` for `/` and spaces around it, if
    one slide and one line alone look so. Lines without a slide keep their names.
    """
    names = dict.fromkeys(slides)
    looks, lines_like = Counter(map(_look, names)), Counter(map(_look, lines))
    alone = {_look(name): name for name in names if looks[_look(name)] == lines_like[_look(name)] == 1}
    return {alone.get(_look(name), name): line for name, line in lines.items()}


def _look(name: str) -> str:
    return folded(name.replace("\\", "/").strip())
