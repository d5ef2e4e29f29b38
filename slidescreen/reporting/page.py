"""`report.html`: one self-contained page of a run. It needs no network and carries no script."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader

from slidescreen import cells
from slidescreen.calls import Call, Status
from slidescreen.differential import NAMES, Share
from slidescreen.reporting.thumbnails import thumbnail
from slidescreen.runs import Run, SlideResult
from slidescreen.screening import Verdict

MOST_PICTURES = 24
_SYMBOLS = {Verdict.URGENT: "▲", Verdict.REVIEW: "◆", Verdict.INSUFFICIENT: "○", Verdict.CLEAR: "✓"}
FLAGS = {
    "blasts": "blasts beyond the classifier's own errors",
    "blasts_5": "blasts above 5%",
    "blasts_20": "blasts in the range of acute leukaemia",
    "blast_equivalents": "blasts and promyelocytes together in the range of acute leukaemia",
    "ig": "immature granulocytes raised",
    "left_shift": "left shift",
    "lineage_myeloid": "blasts look myeloid",
    "lineage_lymphoid": "blasts look lymphoid",
    "apl": "promyelocytes in excess: consider APL",
    "cml": "basophils with a left shift: consider CML",
    "too_few_cells": "too few leukocytes",
    "unreliable": "too many images unidentified or unreadable",
}


@dataclass(frozen=True)
class _Bar:
    """A row of the differential: its numbers, and where its marks stand, 0–100 of the bar's width."""

    name: str
    share: Share
    group: bool


@dataclass(frozen=True)
class _Picture:
    """A suspicious cell."""

    source: str | None
    image: str
    called: str
    probability: float
    next_types: tuple[tuple[str, float], ...]
    reported: str
    disagrees: bool


@dataclass(frozen=True)
class _Gallery:
    title: str
    pictures: tuple[_Picture, ...]
    hidden: int


@dataclass(frozen=True)
class _Section:
    number: int
    slide: SlideResult
    bars: tuple[_Bar, ...]
    galleries: tuple[_Gallery, ...]
    unreadable: tuple[Call, ...]


def render_run(run: Run) -> str:
    """The page of a run: the worklist on top, then each slide with its evidence."""
    sections = [_section(number, slide, run.cell_types) for number, slide in enumerate(run.worklist(), start=1)]
    environment = Environment(
        loader=PackageLoader("slidescreen.reporting"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = _percent
    return environment.get_template("run.html.j2").render(
        info=run.info,
        sections=sections,
        totals=[(verdict, sum(s.slide.finding.verdict == verdict for s in sections)) for verdict in Verdict],
        symbols=_SYMBOLS,
        flags=FLAGS,
        names=cells.DISPLAY_NAMES,
        images=sum(section.slide.differential.images for section in sections),
    )


def _section(number: int, slide: SlideResult, cell_types: Sequence[str]) -> _Section:
    shares = slide.differential.shares
    bars = tuple(_Bar(cells.DISPLAY_NAMES[name], shares[name], name in cells.GROUPS) for name in NAMES)
    galleries = (
        _gallery("Blasts", slide, cell_types, cells.BLASTS),
        _gallery("Immature granulocytes", slide, cell_types, cells.IMMATURE_GRANULOCYTES),
        _gallery("Unidentified", slide, cell_types, None),
    )
    unreadable = tuple(call for call in slide.calls if call.status is Status.UNREADABLE)
    return _Section(number, slide, bars, tuple(g for g in galleries if g.pictures), unreadable)


def _gallery(title: str, slide: SlideResult, cell_types: Sequence[str], members: Sequence[str] | None) -> _Gallery:
    """The cells called one of `members`, or those left unidentified; the most certain first."""
    if members is None:
        chosen = [call for call in slide.calls if call.status is Status.UNIDENTIFIED]
    else:
        chosen = [call for call in slide.calls if call.cell_type in members]
    chosen.sort(key=lambda call: -(call.probability or 0.0))
    pictures = tuple(_picture(slide, call, cell_types) for call in chosen[:MOST_PICTURES])
    return _Gallery(title, pictures, len(chosen) - len(pictures))


def _picture(slide: SlideResult, call: Call, cell_types: Sequence[str]) -> _Picture:
    ranked = sorted(zip(call.probabilities, cell_types, strict=True), reverse=True)
    called = call.cell_type or "unidentified"
    others = [(cells.DISPLAY_NAMES[name], p) for p, name in ranked if name != call.cell_type]
    return _Picture(
        source=thumbnail(slide.folder / call.image),
        image=call.image,
        called=cells.DISPLAY_NAMES.get(called, "Unidentified"),
        probability=call.probability or 0.0,
        next_types=tuple(others[:2]),
        reported=cells.DISPLAY_NAMES.get(call.reported_type, ""),
        disagrees=_disagree(call),
    )


def _disagree(call: Call) -> bool:
    if not call.reported_type or not call.cell_type:
        return False
    if call.reported_type == cells.UNSPECIFIED_BLAST:
        return call.cell_type not in cells.BLASTS
    return call.reported_type != call.cell_type


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
