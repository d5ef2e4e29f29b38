"""The data for the desk in `report.html`. At the desk, a reviewer moves cells and signs slides."""

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import SHORT, UNIDENTIFIED
from slidescreen.reporting.reported_types import LABORATORY
from slidescreen.screening.differential import NAMES
from slidescreen.screening.results import Run
from slidescreen.screening.slide_review import CellReview, SlideReview

SCRIPTS = (
    "elements.js",
    "night.js",
    "statistics.js",
    "sha256.js",
    "reviews.js",
    "keeping.js",
    "worklist.js",
    "gallery.js",
    "viewer.js",
    "slide.js",
    "corrections.js",
    "keys.js",
    "start.js",
)
"""Scripts of `templates/desk/`, in the page's order. Together they are one JavaScript module."""

KEYS = dict(zip((*cells.CELL_TYPES, UNIDENTIFIED), "1234567890ytrmpai", strict=True))
"""The key that moves the chosen cells to each type."""

_LEAST_SHOWN = 5  # per mille: less probable types are left out
_SUSPECT = (*cells.BLASTS, *cells.IMMATURE_GRANULOCYTES)
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def script() -> Markup:
    """The page's JavaScript."""
    folder = files("slidescreen.reporting") / "templates" / "desk"
    parts = (folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    return Markup("\n" + "\n".join(parts))  # safe: our own files


def source_hash(text: str) -> str:
    """The hash by which a content-security policy allows only this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def embedded(value: Any) -> Markup:
    """A value as JSON for a data block of a page. No part of the value can end the block."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))  # no special HTML character is left


def night_block(run: Run) -> Markup:
    """The data of a run for the desk: its identity, and the cell types with their groups and names."""
    identity = str(run.info.get("run") or "")
    unnamed = f"{run.info.get('started') or ''} {run.info.get('input') or ''}"
    return embedded(desk_record(identity, identity or unnamed, LABORATORY))


def desk_record(identity: str, store: str, label: str, chosen: str = "") -> dict[str, Any]:
    """The data of a page for its desk.

    Args:
        identity: the run's identity, for the corrections; empty if the cells belong to no run.
        store: the name under which the browser keeps the review.
        label: the origin of the labels, in one word.
        chosen: the title of the single gallery; empty on a run's page, which has slides.
    """
    return {
        "run": identity,
        "store": store,
        "label": label,
        "chosen": chosen,
        "types": list(cells.CELL_TYPES),
        "leukocytes": list(cells.LEUKOCYTES),
        "groups": cells.GROUPS,
        "rows": list(NAMES),
        "names": {**cells.DISPLAY_NAMES, UNIDENTIFIED: "Unidentified"},
        "keys": KEYS,
    }


def cells_block(
    slide: str, records: Sequence[list[Any]], contents: Mapping[str, str], unsigned: Collection[str] = ()
) -> Markup:
    """The data block of a slide: its cells as `cell_records` gives them, and the content of their pictures by image.

    The types of `unsigned` images were reported by the analyser alone.
    """
    told = short_contents([contents[record[0]] for record in records])
    block = {"slide": slide, "cells": records, "contents": told}
    return embedded(block | unsigned_places([record[0] in unsigned for record in records]))


def unsigned_places(unsigned: Sequence[bool]) -> dict[str, list[int]]:
    """The part of a data block about cells of unsigned slides: their positions. Empty without such cells."""
    places = [place for place, found in enumerate(unsigned) if found]
    return {"unsigned": places} if places else {}


def cell_records(
    calls: Sequence[Call],
    types: Sequence[str],
    source: Callable[[str], str | None],
    shown: set[str],
    reviewed: Mapping[str, CellReview] = MappingProxyType({}),
) -> list[list[Any]]:
    """A slide's cells for the desk, each by `cell_record`, the most suspicious first.

    Duplicates and unreadable images are left out.

    Args:
        calls: the slide's calls.
        types: in the order of the calls' probabilities.
        source: returns the picture of an image by its name.
        shown: the images that the page already shows.
        reviewed: the reviews of cells, by image.
    """
    places = [cells.CELL_TYPES.index(name) for name in types]
    suspects = cells.indices(types, _SUSPECT)
    present = [
        (call, _as_in_table(call.probabilities))
        for call in calls
        if call.status in (Status.CLASSIFIED, Status.UNIDENTIFIED)
    ]
    present.sort(key=lambda pair: _least_suspicious(pair[0], pair[1], suspects))
    return [
        cell_record(
            call,
            probabilities,
            places,
            0 if call.image in shown else source(call.image) or "",
            reviewed[call.image].cell_type if call.image in reviewed else "",
        )
        for call, probabilities in present
    ]


def cell_record(
    call: Call, probabilities: Sequence[float], places: Sequence[int], picture: str | int, reviewed: str
) -> list[Any]:
    """A cell for the desk.

    The list holds: image, cell type or `unidentified`, reported type, type by a returned review (empty: none), reason,
    picture (a data URI; 0: the page also shows it without scripts; empty: none). The most probable types follow, each
    as its position in `cells.CELL_TYPES` and its probability per mille.

    Args:
        call: the cell's call.
        probabilities: of the types at `places` in `cells.CELL_TYPES`.
        picture, reviewed: as above.
    """
    called = call.cell_type or UNIDENTIFIED
    return [call.image, called, call.reported_type, reviewed, call.reason, picture, *_ranked(probabilities, places)]


def short_contents(contents: Sequence[str]) -> list[str]:
    """The contents of cells' pictures as the desk knows them: beginnings of their hashes."""
    return [content[:SHORT] for content in contents]


def _as_in_table(probabilities: Sequence[float]) -> list[float]:
    """Round probabilities as `cells.csv` does. A page made anew from the table is then the same."""
    return [round(each, 6) for each in probabilities]


def _least_suspicious(call: Call, probabilities: Sequence[float], suspects: Sequence[int]) -> tuple[float, float]:
    """A sort key: first the probability of a blast or immature cell, then the uncertainty of the call."""
    if not probabilities:
        return 0.0, 0.0
    return -round(sum(probabilities[place] for place in suspects), 6), round(call.probability or 0.0, 6)


def _ranked(probabilities: Sequence[float], places: Sequence[int]) -> list[int]:
    shown = [
        (-probability, place, permille)
        for probability, place in zip(probabilities, places, strict=False)
        if (permille := round(1000 * probability)) >= _LEAST_SHOWN
    ]
    return [number for _, place, permille in sorted(shown) for number in (place, permille)]


def signatures_in_run(review: SlideReview) -> list[tuple[str, str]]:
    """The signatures of a slide's present images for the desk, by kind: those that count, that have ended, and that
    were withdrawn. Each kind is JSON: a list of names with times."""
    found = {
        "signed": [(name, review.times.get(name, "")) for name in review.reviewers if review.signed],
        "ended": [(name, review.times.get(name, "")) for name in review.ended],
        "withdrawn": list(review.withdrawn.items()),
    }
    return [(kind, json.dumps(those)) for kind, those in found.items() if those]


BAR = (
    ("neutrophils", ("neutrophil", "band_neutrophil")),
    ("eosinophils", ("eosinophil",)),
    ("basophils", ("basophil",)),
    ("monocytes", ("monocyte",)),
    ("lymphocytes", ("lymphocyte", "variant_lymphocyte")),
    ("immature granulocytes", cells.IMMATURE_GRANULOCYTES),
    ("blasts", cells.BLASTS),
)
"""The parts of the worklist's small bar, from left to right."""


def stacked_bar(shares: Mapping[str, Any]) -> Markup:
    """A differential's small bar as SVG; empty without leukocytes.

    The template does not make its text, because a worklist may have thousands of bars.
    """
    names, parts, start = [], [], 0.0
    for number, (name, members) in enumerate(BAR, start=1):
        width = sum(shares[member].percent or 0.0 for member in members)
        if width:
            names.append(f"{name} {width:.1f}%")
            place = f'x="{start:.2f}" y="0" width="{width:.2f}" height="10"'
            parts.append(f'<rect class="mix-{number}" {place}><title>{names[-1]}</title></rect>')
        start += width
    if not parts:
        return Markup("")
    opening = '<svg class="mix" viewBox="0 0 100 10" preserveAspectRatio="none" role="img"'
    return Markup(f'{opening} aria-label="{", ".join(names)}">{"".join(parts)}</svg>')  # safe: only names of BAR
