"""The archive: records of slides that vanished long ago or were replaced by others leave the worklist.

One rename moves a record into a folder for the month in which its slide was finished. A record that another replaces is
copied there before. Nothing is deleted. A record is always in a place.
"""

import errno
import itertools
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slidescreen import cells
from slidescreen.errors import InputError, OutputError, UnavailableError
from slidescreen.files.existence import exists
from slidescreen.files.writing import make_folder, printable, write_whole
from slidescreen.screening.results import Run, SlideResult, count_images, reasons_in, reported_twice_in
from slidescreen.screening.slide_record import PICTURES, SUFFIX, FinishedSlide, read_finished

FOLDER = "archive"
_RECORDS = "finished-slides"
_NAME = re.compile(r"([^-]+)(?:-(\d{8,}T\d{6}Z))?(?:-\d+)?")  # of a record here, without ending


def put_away(finished: FinishedSlide, out: Path) -> Path:
    """Move a slide's record, with its pictures, from a run's folder into its archive. Returns the archive's folder.

    Raises:
        OutputError: the record cannot be moved. It stays in its place.
    """
    target, has_pictures = _target(finished, out)
    if has_pictures:  # first, so that none are left behind
        _move(finished.pictures, target.with_suffix(PICTURES))
    _move(finished.path, target)
    return target.parent.parent


def put_copy_away(finished: FinishedSlide, out: Path) -> None:
    """Copy a slide's record, with its pictures, into the archive of a run's folder. Raises as `put_away` does."""
    target, has_pictures = _target(finished, out)
    if has_pictures:
        _copy(finished.pictures, target.with_suffix(PICTURES))
    _copy(finished.path, target)


def _target(finished: FinishedSlide, out: Path) -> tuple[Path, bool]:
    """Where in the archive a slide's record belongs, and whether it has pictures."""
    when = finished_at(finished)
    folder = make_folder(out / FOLDER / (f"{when:%Y-%m}" if when else "undated") / _RECORDS)
    try:
        target = _free(folder, "-".join(filter(None, (finished.path.stem, _moment(when)))), finished.path)
        return target, exists(finished.pictures)
    except (OSError, UnavailableError) as error:
        raise OutputError(f"cannot move {printable(finished.path)} into the archive: {error}") from error


def is_archive(folder: Path) -> bool:
    """Whether a folder is a month of a run's archive, or the whole of it."""
    return next(records_in(folder), None) is not None


def archived_records(out: Path) -> frozenset[tuple[str, str]]:
    """Of each archived record of a run's folder: its name there, without ending, and when its slide was finished."""
    names = (_NAME.fullmatch(path.stem) for path in records_in(out / FOLDER))
    return frozenset((name[1], name[2] or "") for name in names if name)


def moment_of(time: str) -> str:
    """A time of completion as `archived_records` gives it; empty if it is none."""
    return _moment(_instant(time))


def read_archive(folder: Path) -> Run:
    """The slides of a month, or of all months, as a run. Calls are read from the records on use.

    If several slides have one name, all but the last get their time of completion appended.

    Raises:
        InputError: a record is damaged.
    """
    found = []
    for path in sorted(records_in(folder)):
        finished = read_finished(path, whole=True)
        if finished is None:
            raise InputError(f"{printable(path)} is damaged: move it away, and give the same command again")
        found.append(finished)
    slides = _named_apart(found)
    types = [finished.cell_types for finished in found]
    info: dict[str, Any] = {
        "archive": True,
        "counts": {"slides": len(slides), **count_images(slides)},
        "drift": [],
        "first_finished": min(finished.time for finished in found),
        "last_finished": max(finished.time for finished in found),
        **reasons_in(slides),
        "reported_twice": list(reported_twice_in(slides)),
        "slides": [
            {"slide": slide.name, "folder": printable(slide.folder), "finished": slide.kept.time}
            for slide in slides
            if slide.kept is not None
        ],
    }
    return Run(tuple(slides), types[0] if len(set(types)) == 1 else _all_of(types), info)


def _named_apart(found: Sequence[FinishedSlide]) -> list[SlideResult]:
    latest = {finished.slide: finished for finished in sorted(found, key=lambda each: each.time)}
    slides = []
    for finished in found:
        name = finished.slide if latest[finished.slide] is finished else f"{finished.slide} ({finished.time})"
        differential = replace(finished.differential, slide=name)
        slides.append(SlideResult(differential, finished.finding, finished.calls(), finished.folder, False, finished))
    return sorted(slides, key=lambda slide: slide.name)


def records_in(folder: Path) -> Iterator[Path]:
    """The records in a month of an archive, or in the whole of it."""
    yield from folder.glob(f"{_RECORDS}/*{SUFFIX}")
    yield from folder.glob(f"*/{_RECORDS}/*{SUFFIX}")


def finished_at(finished: FinishedSlide) -> datetime | None:
    """When a slide was finished, by its record; None if the record does not say."""
    return _instant(finished.time)


def _instant(time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(time).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _moment(when: datetime | None) -> str:
    return f"{when:%Y%m%dT%H%M%SZ}" if when else ""


def _free(folder: Path, stem: str, source: Path) -> Path:
    """A free name, or the name of the same record if an interrupted move to another disk left it."""
    names = (f"{stem}-{number}{SUFFIX}" if number else f"{stem}{SUFFIX}" for number in itertools.count())
    paths = (folder / name for name in names)
    return next(path for path in paths if not path.exists() or path.read_bytes() == source.read_bytes())


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise OutputError(f"cannot move {printable(source)} into the archive: {error.strerror}") from error
        _copy(source, target)  # the archive lies on another disk
        source.unlink()


def _copy(source: Path, target: Path) -> None:
    write_whole(target, lambda temporary: shutil.copyfile(source, temporary))


def _all_of(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The cell types of several ensembles, in the vocabulary's order."""
    return tuple(name for name in cells.CELL_TYPES if any(name in types for types in lists))
