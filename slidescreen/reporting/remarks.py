"""Remarks on a run's input, in words, for the terminal and the page."""

from collections.abc import Mapping
from typing import Any

from slidescreen import cells
from slidescreen.data.images import FIRST_OF
from slidescreen.screening.verdict import number_of

_NAMED = 3


def contradictory_reports(info: Mapping[str, Any]) -> str:
    """Which images the laboratory put into the folders of two cell types; empty if none."""
    found = info.get("reported_twice") or ()
    if not found:
        return ""
    named = "; ".join(
        f"{pair['slide']}: {' and '.join(pair['images'])} ({' and '.join(map(_display, pair['types']))})"
        for pair in found[:_NAMED]
    )
    others = "; …" if len(found) > _NAMED else ""
    images = number_of(len(found), "image")
    return f"{images} in the class folders of two cell types, counted once: {named}{others}"


def reading_remarks(info: Mapping[str, Any]) -> list[str]:
    """Which images show no single cell, and how many files hold more than the one image that was used."""
    said = []
    found = info.get("not_cells") or ()
    if found:
        named = "; ".join(f"{each['slide']}: {each['image']} ({each['reason']})" for each in found[:_NAMED])
        verb = "shows" if len(found) == 1 else "show"
        others = "; …" if len(found) > _NAMED else ""
        said.append(f"{number_of(len(found), 'image')} {verb} no single cell and stay unidentified: {named}{others}")
    several = sum(count for remark, count in (info.get("remarks") or {}).items() if remark.startswith(FIRST_OF))
    if several:
        said.append(f"{number_of(several, 'file')} with several pages or frames; only the first was used: see run.json")
    return said


def _display(cell_type: str) -> str:
    return cells.DISPLAY_NAMES.get(cell_type, cell_type)
