"""Read a run from its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slidescreen.data.calls import Call, Status
from slidescreen.data.shown_paths import path_shown_as
from slidescreen.data.skipped_files import sentences
from slidescreen.errors import InputError
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.existence import is_file
from slidescreen.files.run_files import RECORD, fallback_names
from slidescreen.files.writing import printable
from slidescreen.reporting.cell_table import open_calls
from slidescreen.reporting.remarks import contradictory_reports
from slidescreen.reporting.tables import read_differentials
from slidescreen.runs.archive import is_archive, read_archive
from slidescreen.runs.earlier_run import identity_in
from slidescreen.runs.known_orders import contexts_in
from slidescreen.runs.review_store import home_of, read_reviews
from slidescreen.runs.reviewed_slides import reviewed_run
from slidescreen.runs.verdict_changes import changes_in
from slidescreen.screening.differential import Differential
from slidescreen.screening.results import UNLISTED, UNREAD, Run, SlideResult
from slidescreen.screening.sentences import number_of
from slidescreen.screening.slide_record import read_all

_SENTENCES = ("drift", "layout", "warnings", "waiting_slides", "unfinished_slides", "earlier_slides")
_NEEDED = ("slides", "failures", "counts", "drift")
_KINDS: dict[str, type] = {
    **dict.fromkeys((*_SENTENCES, "slides", "failures", "reported_twice", "same_patient"), list),
    **dict.fromkeys(("counts", "passed_over", "versions", "ensemble"), dict),
    **dict.fromkeys(("started", "input"), str),
}


_AGAIN = "give the classify command of this run again; finished slides take no time"


def is_run(path: Path) -> bool:
    """Whether a folder holds a run, or is a run's archive or a month of it.

    Raises:
        InputError: a table of the run is missing.
    """
    if is_archive(path):
        return True
    missing = [name for name in ("cells.csv", "differential.csv") if not is_file(path / name)]
    if missing and is_file(path / RECORD):
        raise InputError(f"the run in {printable(path)} lacks its {missing[0]}: {_AGAIN}")
    return not missing


def input_folders(run: Run) -> list[Path]:
    """The folders in which a run read its images, by its record. Nothing is ever written there."""
    told = [run.info.get("input"), *(entry.get("folder") for entry in run.info.get("slides") or ())]
    return [path_shown_as(folder) for folder in told if folder]


def read_run(folder: Path) -> Run:
    """The run that `classify` wrote to a folder, or the slides of its archive.

    Raises:
        InputError: a file is missing or is not what `classify` writes.
    """
    if is_archive(folder):
        archive = read_archive(folder)
        identity = identity_in(home_of(folder) / RECORD)
        archive = replace(archive, info={"run": identity, **archive.info} if identity else archive.info)
        return reviewed_run(archive, read_reviews(folder))
    path = folder / RECORD
    reasons: dict[str, dict[str, str]] = {}
    try:
        info = _checked(read_json(path))
        folders = {entry["slide"]: Path(entry["folder"]) for entry in info["slides"]}
        earlier, changed = frozenset(map(str, info.get("earlier_slides", ()))), changes_in(info)
        for entry in (*info["failures"], *info.get("not_cells", ())):
            reasons.setdefault(entry["slide"], {})[entry["image"]] = entry["reason"]
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error.strerror}") from error
    except (DamagedError, ValueError, KeyError, TypeError, AttributeError) as error:
        again = "move it away and classify again; finished slides take no time"
        raise InputError(f"{printable(path)} is damaged ({error}): {again}") from error
    second = fallback_names(info)
    calls, types = open_calls(folder / second.get("cells.csv", "cells.csv"), reasons)
    alike = (finished for finished in read_all(folder) if finished.cell_types == types)
    records = {_key(finished.slide, finished.differential): finished for finished in alike}
    slides = []
    for differential, finding in read_differentials(folder / second.get("differential.csv", "differential.csv")):
        name = differential.slide
        known, place = calls.get(name, ()), folders.get(name, Path(name))
        kept = records.get(_key(name, differential))
        new, before = name not in earlier, changed.get(name)
        slides.append(SlideResult(differential, finding, known, place, new, kept, verdict_before=before))
    _check_rows(folder, slides, calls)
    return reviewed_run(Run(tuple(slides), types, info), read_reviews(folder))


def _check_rows(folder: Path, slides: Sequence[SlideResult], calls: Mapping[str, Sequence[Call]]) -> None:
    """Check that both tables have the same slides and as many images of each.

    Raises:
        InputError: somebody removed or added rows.
    """
    where = f"in {printable(folder)}, cells.csv"
    for slide in slides:
        rows, images = len(slide.calls), slide.differential.images
        if rows != images and (rows or not {UNLISTED, UNREAD} & set(slide.finding.reasons)):
            told = f"{where} has {number_of(rows, 'row')} of {slide.name}, and differential.csv counts "
            raise InputError(f"{told}{number_of(images, 'image')}: {_AGAIN}")
    surplus = sorted(calls.keys() - {slide.name for slide in slides})
    if surplus:
        raise InputError(f"{where} has rows of {surplus[0]}, and differential.csv has none: {_AGAIN}")


def _checked(info: Any) -> dict[str, Any]:
    """Check the parts of a record that the page and the summary use.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: something is missing or of another kind.
    """
    if not isinstance(info, dict):
        raise TypeError("it is not the record of a run")
    for name, kind in _KINDS.items():
        if not isinstance(info.get(name, None if name in _NEEDED else kind()), kind):
            raise TypeError(f"{name} is not what a run writes")
    if any(not isinstance(info["counts"].get(name), int) for name in ("slides", *Status)):
        raise ValueError("counts is not what a run writes")
    if any(not isinstance(name, str) for names in info.get("same_patient", ()) for name in names):
        raise TypeError("same_patient is not what a run writes")
    if any(not isinstance(text, str) for name in _SENTENCES for text in info.get(name, ())):
        raise ValueError("a remark is not text")
    contexts_in(info)
    contradictory_reports(info)  # this and the lines beside it raise errors about damaged parts
    sentences(info.get("passed_over", {}), 1)
    return info


def _key(slide: str, found: Differential) -> tuple[str, int, int, int, int]:
    """A key that tells a slide's record from records of other slides, or of other images of the same slide."""
    return slide, found.images, found.classified, found.unidentified, found.leukocytes
