"""Join lines of a table to slides by name. A name that only looks the same counts if no other could be meant."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from slidescreen.data.file_finder import folded
from slidescreen.data.unique_names import marks_of, unmarked
from slidescreen.files.writing import printable

_Line = TypeVar("_Line")


def lines_by_slide(lines: Mapping[str, _Line], slides: Iterable[str]) -> dict[str, _Line]:
    """The lines, by the names of the slides.

    A line with the name of a folder is of the slide that this folder is shown as, with escapes and a mark if need be.
    Apart from that, a name may differ from the slide's in letter case, the composition of accents, `\\` for `/` and
    spaces around it, if one slide and one line alone look so. A slide with a mark also looks as it would without.
    Lines without a slide keep their names.
    """
    names = dict.fromkeys(slides)
    exact = {
        line: shown
        for line in lines
        if line not in names
        for shown in (printable(line), *marks_of(line))
        if shown in names and shown not in lines
    }
    others = [line for line in lines if line not in exact]
    looks = Counter(look for name in names for look in {_look(name), _look(unmarked(name))})
    lines_like = Counter(map(_look, others))
    alone = {_look(name): name for name in names if looks[_look(name)] == lines_like[_look(name)] == 1}
    return {exact.get(line) or alone.get(_look(line), line): value for line, value in lines.items()}


def _look(name: str) -> str:
    return folded(printable(name.strip()).replace("\\", "/"))
