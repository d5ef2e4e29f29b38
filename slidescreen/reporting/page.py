"""`report.html`: one self-contained page of a run. It needs no network, and it is readable without scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.signatures import signed_content
from slidescreen.data.skipped_files import sentences
from slidescreen.interruptible import two_at_once
from slidescreen.reporting.chart_drawing import chart_of_remark, draw_charts
from slidescreen.reporting.desk import (
    BAR,
    cell_records,
    cells_block,
    night_block,
    script,
    signatures_in_run,
    source_hash,
    stacked_bar,
)
from slidescreen.reporting.flag_words import MEANINGS, short_flags
from slidescreen.reporting.kept_pictures import KeptPictures, Picture
from slidescreen.reporting.remarks import (
    contradictory_reports,
    patients_remark,
    reading_remarks,
    review_remark,
    reviewed_by,
)
from slidescreen.reporting.reported_types import called_otherwise, is_reported_otherwise, reporter_of, unsigned_images
from slidescreen.reporting.shown_slides import shown_with_cells
from slidescreen.reporting.symbols import SYMBOLS
from slidescreen.reporting.templating import template
from slidescreen.reporting.thumbnails import in_time
from slidescreen.research_use import RESEARCH_USE
from slidescreen.screening.differential import NAMES, Share
from slidescreen.screening.finding import Flag, Verdict
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.sentences import number_of
from slidescreen.screening.slide_contents import contents_of_slide
from slidescreen.screening.slide_review import CellReview, ReviewedShare, void_signatures
from slidescreen.statistics.control_charts import ControlChart

Heat = Mapping[tuple[str, str], str]
"""Heat maps as data URIs, by slide and image."""

MOST_PICTURES = 24
MOST_CELLS = 20_000  # shown beside the suspicious ones: with more, the page grows beyond 60 MB
_SOURCE = 5  # the picture's position in a cell's record
_MOST_FIRST = 3  # pictures of a slide in the worklist
_MOST_NAMES = 20  # listed of each kind of passed-over item


@dataclass(frozen=True)
class _Bar:
    """A row of the differential: its numbers, and the positions of its marks, 0–100 of the bar's width."""

    name: str
    share: Share
    group: bool
    reviewed: ReviewedShare | None


@dataclass(frozen=True)
class _Picture:
    """A suspicious cell."""

    source: str | None
    heat: str | None
    image: str
    called: str
    probability: float
    next_types: tuple[tuple[str, float], ...]
    reason: str
    reported: str
    reporter: str
    disagrees: bool
    reviewed: str
    reviewer: str


@dataclass(frozen=True)
class _Gallery:
    title: str
    pictures: tuple[_Picture, ...]
    hidden: int


@dataclass(frozen=True)
class _Section:
    number: int
    slide: SlideResult
    calls: tuple[Call, ...]
    bars: tuple[_Bar, ...]
    galleries: tuple[_Gallery, ...]
    unreadable: tuple[Call, ...]
    pictures: KeptPictures
    contents: Mapping[str, str]
    unsigned: frozenset[str]

    def first(self) -> list[_Picture]:
        """Its most suspicious cells that have a picture."""
        return [each for gallery in self.galleries for each in gallery.pictures if each.source][:_MOST_FIRST]


def render_run(
    run: Run,
    heat: Heat = MappingProxyType({}),
    picture: Picture | None = None,
    others: Picture | None = None,
    charts: Sequence[ControlChart] = (),
    of_a_night: bool = False,
) -> str:
    """The page of a run: the worklist, then each slide with its evidence, and heat maps if there are any.

    Args:
        run: the run to show.
        heat: maps of the suspicious cells.
        picture: makes the pictures of the suspicious cells, slide by slide in the worklist's order.
        others: then makes the pictures of all other cells, in the same order; None: they have no pictures.
        charts: control charts of the laboratory's nights.
        of_a_night: show old slides only as lines of the worklist, as `shown_with_cells` says.
    """
    worklist, picture = run.worklist(), picture or in_time()
    shown = shown_with_cells(worklist, of_a_night, str(run.info.get("finished", "")))
    # While one section waits for the disk or for a picture, the other goes on.
    sections = two_at_once(
        lambda place: _section(place + 1, worklist[place], run.cell_types, heat, picture), list(shown)
    )
    left, desk = MOST_CELLS, []
    for section in sections:
        records = _records(section, run.cell_types, others, left)
        left -= sum(bool(record[_SOURCE]) for record in records)
        desk.append(cells_block(section.slide.name, records, section.contents, section.unsigned))
    code = script()
    page = template(
        "run.html.j2",
        percent=_percent,
        number_of=number_of,
        capitalised=_capitalised,
        in_short=short_flags,
        stacked_bar=stacked_bar,
        signed_content=signed_content,
        signatures_in_run=signatures_in_run,
    )
    return page.render(
        research_use=RESEARCH_USE,
        info=run.info,
        drift=[(remark, chart_of_remark(remark, charts)) for remark in run.info.get("drift", ())],
        charts=draw_charts(charts),
        remarks=reading_remarks(run.info),
        worklist=worklist,
        mixed=run.mixed(),
        sections=sections,
        section_of={section.number: section for section in sections},
        more_in_report=len(shown_with_cells(worklist)) > len(shown),
        desk=desk,
        night=night_block(run),
        script=code,
        script_hash=source_hash(code),
        bar=BAR,
        totals=[(verdict, *_totals(worklist, verdict)) for verdict in Verdict],
        symbols=SYMBOLS,
        flags=MEANINGS,
        names=cells.DISPLAY_NAMES,
        reviewed=review_remark(worklist),
        reviewed_by=reviewed_by,
        void_signatures=void_signatures,
        of_one_patient=patients_remark(run.info),
        contradictory=contradictory_reports(run.info),
        called_otherwise=called_otherwise((section.calls, section.unsigned) for section in sections),
        explained=bool(heat),
        passed_over=sentences(run.info.get("passed_over", {}), _MOST_NAMES),
        images=sum(slide.differential.images for slide in worklist),
    )


def _totals(slides: Sequence[SlideResult], verdict: Verdict) -> tuple[int, int]:
    """How many slides have a verdict, and how many of them are new."""
    found = [slide.new for slide in slides if slide.finding.verdict == verdict]
    return len(found), sum(found)


def suspicious(slide: SlideResult) -> list[tuple[str, list[Call]]]:
    """The slide's cells that the page shows, by title: the most certain first, at most `MOST_PICTURES` of each."""
    return [(title, found[:MOST_PICTURES]) for title, found in _suspicious(slide.calls, slide)]


def _suspicious(calls: Sequence[Call], slide: SlideResult) -> list[tuple[str, list[Call]]]:
    calls = tuple(calls)  # reads an earlier slide's calls only once
    changed = slide.review.changed if slide.review is not None else ()

    def of(members: Sequence[str]) -> list[Call]:
        return [call for call in calls if call.cell_type in members]

    found = [
        ("Changed by a reviewer", [call for call in calls if call.image in changed]),
        ("Blasts", of(cells.BLASTS)),
        ("Immature granulocytes", of(cells.IMMATURE_GRANULOCYTES)),
        ("Monocytes", of(("monocyte",)) if Flag.MONOCYTES in slide.finding.flags else []),
        ("Unidentified", [call for call in calls if call.status is Status.UNIDENTIFIED]),
    ]
    ranked = [(title, sorted(those, key=lambda c: -(c.probability or 0.0))) for title, those in found if those]
    strange = sorted((call for call in calls if call.unfamiliar), key=lambda c: -(c.unfamiliarity or 0.0))
    return [*ranked, ("Most unfamiliar", strange)] if strange else ranked


def _section(number: int, slide: SlideResult, cell_types: Sequence[str], heat: Heat, picture: Picture) -> _Section:
    shares, all_calls = slide.differential.shares, tuple(slide.calls)
    types = cell_types if slide.kept is None else slide.kept.cell_types
    pictures, unsigned = KeptPictures(slide), unsigned_images(slide, all_calls)

    def shown(calls: Sequence[Call]) -> tuple[_Picture, ...]:
        drawn = ((call, pictures.get(call.image, picture), heat.get((slide.name, call.image))) for call in calls)
        return tuple(
            _picture(call, types, source, warmth, said, reporter_of(call, unsigned)) for call, source, warmth in drawn
        )

    review = slide.review if slide.review is not None and slide.review.counts else None
    said = review.cells if review else {}
    bars = tuple(
        _Bar(cells.DISPLAY_NAMES[name], shares[name], name in cells.GROUPS, review.shares[name] if review else None)
        for name in NAMES
    )
    galleries = tuple(
        _Gallery(title, shown(calls[:MOST_PICTURES]), max(0, len(calls) - MOST_PICTURES))
        for title, calls in _suspicious(all_calls, slide)
    )
    pictures.keep()
    unreadable = tuple(call for call in all_calls if call.status is Status.UNREADABLE)
    contents = contents_of_slide(slide, all_calls)
    return _Section(number, slide, all_calls, bars, galleries, unreadable, pictures, contents, unsigned)


def _records(section: _Section, cell_types: Sequence[str], others: Picture | None, most: int) -> list[list[Any]]:
    """A slide's cells for the desk. At most `most` have a picture, besides those that the page already shows."""
    slide, left = section.slide, most

    def source(image: str) -> str | None:
        nonlocal left
        if others is None or left <= 0:
            return None
        found = section.pictures.get(image, others)
        left -= found is not None
        return found

    shown = {each.image for gallery in section.galleries for each in gallery.pictures}
    types = cell_types if slide.kept is None else slide.kept.cell_types
    said = slide.review.cells if slide.review is not None and slide.review.counts else {}
    records = cell_records(section.calls, types, source, shown, said)
    section.pictures.keep()
    return records


def _picture(
    call: Call,
    cell_types: Sequence[str],
    source: str | None,
    heat: str | None,
    said: Mapping[str, CellReview],
    reporter: str,
) -> _Picture:
    ranked = sorted(zip(call.probabilities, cell_types, strict=False), reverse=True)
    called = call.cell_type or "unidentified"
    others = [(cells.DISPLAY_NAMES[name], p) for p, name in ranked if name != call.cell_type]
    return _Picture(
        source=source,
        heat=heat,
        image=call.image,
        called=_display(called),
        probability=call.probability or 0.0,
        next_types=tuple(others[:2]),
        reason=call.reason,
        reported=cells.DISPLAY_NAMES.get(call.reported_type, ""),
        reporter=reporter,
        disagrees=is_reported_otherwise(call),
        reviewed=_display(said[call.image].cell_type) if call.image in said else "",
        reviewer=said[call.image].reviewer if call.image in said else "",
    )


def _display(cell_type: str) -> str:
    return cells.DISPLAY_NAMES.get(cell_type, "Unidentified")


def _capitalised(text: str) -> str:
    """The text with a capital first letter; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
