"""A page of cells for a person to look at, from any slides. The desk shows them in one gallery, in the given order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from slidescreen import cells
from slidescreen.data.calls import Call
from slidescreen.reporting.desk import (
    cell_record,
    desk_record,
    embedded,
    script,
    short_contents,
    source_hash,
    unsigned_places,
)
from slidescreen.reporting.reported_types import ANALYSER
from slidescreen.reporting.templating import template
from slidescreen.research_use import RESEARCH_USE

_UNIDENTIFIED = "Unidentified"


@dataclass(frozen=True)
class ChosenCell:
    """A cell for a person to look at: its slide (empty: unknown), its call, its picture as a data URI (None: no
    picture), the SHA-256 of the picture's file (empty: unknown), its type by an earlier review (empty: none), and
    whether its label is the analyser's call alone, because nobody has signed the slide."""

    slide: str
    call: Call
    source: str | None
    content: str = ""
    reviewed: str = ""
    unsigned: bool = False

    @property
    def name(self) -> str:
        """The slide and the image within it."""
        return f"{self.slide}/{self.call.image}" if self.slide else self.call.image


@dataclass(frozen=True)
class CellPage:
    """What a page of chosen cells says.

    Attributes:
        title: the heading of the page and of the gallery.
        sentences: the text below the title.
        cell_types: in the order of the cells' probabilities.
        label: the origin of the cells' labels, in one word.
        identity: the run's identity; empty if the cells belong to no run.
        store: the name under which the browser keeps the review.
    """

    title: str
    sentences: Sequence[str]
    cell_types: Sequence[str]
    label: str
    identity: str
    store: str


@dataclass(frozen=True)
class _Shown:
    """A cell as the page shows it without scripts."""

    name: str
    source: str | None
    called: str
    percent: str
    labelled: str
    label: str


def render_cells(chosen: Sequence[ChosenCell], page: CellPage) -> str:
    """The page of chosen cells, in the given order."""
    names = _distinct([cell.name for cell in chosen])
    shown = [_shown(cell, name, page.label) for cell, name in zip(chosen, names, strict=True)]
    places = [cells.CELL_TYPES.index(name) for name in page.cell_types]
    records = [
        cell_record(replace(cell.call, image=name), cell.call.probabilities, places, 0, cell.reviewed)
        for cell, name in zip(chosen, names, strict=True)
    ]
    block = {
        "slide": page.title,
        "cells": records,
        "contents": short_contents([cell.content for cell in chosen]),
        "places": [[cell.slide, cell.call.image] for cell in chosen],
        **unsigned_places([cell.unsigned for cell in chosen]),
    }
    code = script()
    return template("cells.html.j2").render(
        title=page.title,
        sentences=page.sentences,
        research_use=RESEARCH_USE,
        cells=shown,
        chosen=page.title,
        desk=embedded(block),
        night=embedded(desk_record(page.identity, page.store, page.label, page.title)),
        script=code,
        script_hash=source_hash(code),
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with numbers added to repeated ones. The page identifies its cells by name."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _shown(cell: ChosenCell, name: str, label: str) -> _Shown:
    call = cell.call
    return _Shown(
        name=name,
        source=cell.source,
        called=cells.DISPLAY_NAMES.get(call.cell_type, _UNIDENTIFIED),
        percent="" if call.probability is None else f"{100 * call.probability:.0f}",
        labelled=cells.DISPLAY_NAMES.get(call.reported_type, call.reported_type),
        label=ANALYSER if cell.unsigned else label,
    )
