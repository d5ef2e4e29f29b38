"""Slides of the last run of which only rows in its tables are left: no images, no record, no place in the archive."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from slidescreen.data.slides import Slide
from slidescreen.errors import InputError, OutputError
from slidescreen.files.damaged import set_aside
from slidescreen.files.existence import is_file
from slidescreen.files.run_files import TABLES, fallback_names_of
from slidescreen.reporting.tables import read_differentials
from slidescreen.runs.earlier_run import finishing_times, last_places
from slidescreen.runs.ledger import Ledger


def lost_slides(
    ledger: Ledger, slides: Sequence[Slide], out: Path, root: Path, archived_tonight: Collection[Path]
) -> list[str]:
    """Names of the slides with images that the last run of `root` listed, and of which the next tables know nothing.

    Args:
        ledger: the finished slides, after damaged records were set aside and old ones moved into the archive.
        slides: the slides that are found now.
        out: the run's folder.
        root: the folder that is classified.
        archived_tonight: the paths that records had before this run moved them into the archive.
    """
    present = {slide.place for slide in slides if slide.images}
    left = {
        name: place
        for name, place in last_places(out, root).items()
        if place not in present and not ledger.has_record(place)
    }
    times = finishing_times(out, root) if left else {}
    archived = ledger.archived({place: times.get(place, "") for place in left.values()}, archived_tonight)
    empty = _without_images(out) if left else frozenset()
    return sorted(name for name, place in left.items() if place not in archived and name not in empty)


def keep_tables(out: Path) -> list[str]:
    """Set aside the tables and the page of the last run, which the next ones would replace. Returns their new names."""
    return list(_set_aside(out))


def _set_aside(out: Path) -> Iterator[str]:
    other_names = fallback_names_of(out)
    for name in TABLES:
        path = out / other_names.get(name, name)
        if is_file(path):
            with contextlib.suppress(OutputError):
                yield set_aside(path).name


def _without_images(out: Path) -> frozenset[str]:
    """The slides that had no images in the last run, by its table."""
    path = out / fallback_names_of(out).get("differential.csv", "differential.csv")
    try:
        return frozenset(found.slide for found, _ in read_differentials(path) if not found.images)
    except InputError:  # of slides in a damaged table nobody knows
        return frozenset()
