"""Write a run's page and tables again, from its other files and with corrections."""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen.data.correction_table import merged
from slidescreen.data.line_names import lines_by_slide
from slidescreen.errors import InputError
from slidescreen.exchange.orders import blood_contexts
from slidescreen.files.locking import locked
from slidescreen.files.run_files import FALLBACK_NAMES, RECORD, REVIEWS, TABLES, fallback_names_of, remove_unused
from slidescreen.files.writing import printable, write_text
from slidescreen.reporting.page import Heat, render_run
from slidescreen.reporting.page_cells import PageCells
from slidescreen.reporting.spreadsheet import write_spreadsheets
from slidescreen.reporting.tables import write_cells, write_differentials
from slidescreen.reporting.thumbnails import in_time
from slidescreen.runs.archive import is_archive, records_in
from slidescreen.runs.corrected_images import checked_corrections, other_types_in_words
from slidescreen.runs.known_orders import contexts_in, joined, orders_record, without_orders
from slidescreen.runs.night_charts import saved_charts
from slidescreen.runs.review_store import home_of, read_reviews, write_reviews
from slidescreen.runs.reviewed_slides import of_other_types, reviewed_run, with_signed_types
from slidescreen.runs.saved_run import read_run
from slidescreen.screening.blood_context import BloodContext, in_context
from slidescreen.screening.results import Run


def renew_page(
    folder: Path,
    explain: Callable[[Run], Heat] | None = None,
    page_cells: PageCells = PageCells.ALL,
    slide: str | None = None,
) -> Run:
    """Write a run's `report.html` again from its other files, with the heat maps that `explain` makes.

    An archive holds only the slides' records, so its tables and `run.json` are written as well. Drawing takes minutes;
    meanwhile the folder is not reserved, so that a night can start. `slide` is a slide that the run must have.

    Raises:
        InputError: the folder holds no run or lacks the slide, a run is at work in it or has ended meanwhile, or heat
            maps are requested for an archive, which has no images. Nothing has changed.
        OutputError: the folder cannot be written to.
    """
    before = _state(folder)
    run, home = read_run(folder), home_of(folder)
    if slide is not None:
        run.named(slide)
    with locked(home):
        pass  # whoever is at work there is told before anything is drawn
    archived = is_archive(folder)
    if archived and explain:
        raise InputError("--explain needs the images, and an archive has none")
    page = _page(run, folder, page_cells, explain(run) if explain else {})
    with locked(home):
        if _state(folder) != before:
            raise InputError(f"{printable(folder)} changed while its page was drawn: give the same command again")
        if archived:
            _write_all(run, folder, page)
        else:
            write_text(folder / "report.html", page)
    return run


def _state(folder: Path) -> list[tuple[str, int, int, int]]:
    """Sizes and times of the files that a page is made from. They change if another process writes a run or reviews."""
    paths = [*(folder / name for name in (RECORD, *TABLES[:2])), home_of(folder) / REVIEWS, *records_in(folder)]
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((str(path), status.st_size, status.st_mtime_ns, status.st_ino))
    return sorted(found)


def correct(
    folder: Path,
    corrections: Sequence[Path],
    note: Callable[[str], None],
    orders: Path | None = None,
    page_cells: PageCells = PageCells.ALL,
    slide: str | None = None,
) -> Run:
    """Store corrections with a run, and write its tables, page and `run.json` again. All corrections count, or none.

    `orders` gives each slide's patient and the blood's leukocyte count. `note` receives remarks on cells to look at
    again. `slide` is a slide that the run must have. If a file cannot be written, the same call later completes the
    rest.

    Raises:
        InputError: a correction cannot be used, reviewers differ, the slide is missing, or a run is at work in the
            folder. Nothing has changed.
        OutputError: a file cannot be written.
    """
    contexts = blood_contexts(orders) if orders else {}
    read_run(folder)  # a folder without a run must not get a lock
    with locked(home_of(folder)):
        run = read_run(folder)
        if slide is not None:
            run.named(slide)
        stored = read_reviews(folder)
        given = checked_corrections(run, corrections, note, stored)
        reviews = with_signed_types(run, merged(stored, given), stored)
        run = reviewed_run(run, reviews)
        if ended := of_other_types(run, given):
            note(other_types_in_words(ended))
        run = _in_context(run, contexts) if orders else run
        if corrections:
            write_reviews(folder, reviews)
        _write_all(run, folder, _page(run, folder, page_cells))
        return read_run(folder)  # calls are read from the table, which has changed


def _in_context(run: Run, ordered: Mapping[str, BloodContext]) -> Run:
    earlier = contexts_in(run.info)
    names = list(dict.fromkeys([*(slide.name for slide in run.slides), *sorted(earlier)]))  # also unfinished slides
    contexts = joined(lines_by_slide(ordered, names), earlier, names)
    slides = in_context(run.slides, contexts)
    return replace(run, slides=slides, info={**without_orders(run.info), **orders_record(names, contexts)})


def _page(run: Run, folder: Path, page_cells: PageCells, heat: Heat | None = None) -> str:
    """A run's page. An archive has no images, so only stored pictures are shown."""
    archived = is_archive(folder)
    picture = _no_picture if archived else in_time()
    charts = () if archived else saved_charts(folder, run.info)
    others = picture if page_cells is PageCells.ALL else None
    return render_run(run, heat or {}, picture=picture, others=others, charts=charts)


def _write_all(run: Run, folder: Path, page: str) -> None:
    """Write a run's tables, its page and its record."""
    info = run.info if is_archive(folder) else {**run.info, FALLBACK_NAMES: {}}
    before = fallback_names_of(folder)
    write_cells(folder / "cells.csv", run.slides, run.cell_types)
    write_differentials(folder / "differential.csv", run.slides)
    write_text(folder / "report.html", page)
    write_text(folder / RECORD, json.dumps(info, indent=2) + "\n")
    remove_unused(folder, before, {})


def _no_picture(_: Path) -> str | None:
    """No picture, for an archive."""
    return None


def copy_for_spreadsheets(folder: Path) -> list[Path]:
    """Write copies of a run's tables by `write_spreadsheets`; of an archive, its tables first.

    Raises:
        InputError, OutputError: as in `renew_page` and `write_spreadsheets`.
    """
    if is_archive(folder):
        renew_page(folder)
    return write_spreadsheets(folder)
