"""What a run remarks on its input, in words, on the terminal and on the page alike."""

from collections.abc import Mapping
from typing import Any

from slidescreen import cells
from slidescreen.screening import number_of

_NAMED = 3


def contradictory_reports(info: Mapping[str, Any]) -> str:
    """That the laboratory put one picture into folders of two cell types; empty where it did not."""
    found = info.get("reported_twice") or ()
    if not found:
        return ""
    named = "; ".join(
        f"{pair['slide']}: {' and '.join(pair['images'])} ({' and '.join(map(_display, pair['types']))})"
        for pair in found[:_NAMED]
    )
    others = "; …" if len(found) > _NAMED else ""
    return f"{number_of(len(found), 'picture')} in folders of two cell types, counted once: {named}{others}"


def _display(cell_type: str) -> str:
    return cells.DISPLAY_NAMES.get(cell_type, cell_type)
