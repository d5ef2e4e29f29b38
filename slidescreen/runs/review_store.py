"""Store the reviews of a run's cells and slides with the run."""

from collections.abc import Iterable
from pathlib import Path

from slidescreen.data.correction_table import COLUMNS, SIGNED_TYPES, SINCE, Correction, read_corrections
from slidescreen.files.existence import exists
from slidescreen.files.run_files import REVIEWS
from slidescreen.files.writing import behind_link, neutralise, write_text
from slidescreen.reporting.tables import to_csv
from slidescreen.runs.archive import FOLDER, is_archive


def home_of(folder: Path) -> Path:
    """The folder whose reviews count for a run: for an archive, or a month of it, the run's folder above."""
    if is_archive(folder):
        for inner in (folder.resolve(), folder.resolve().parent):
            if inner.name == FOLDER:
                return inner.parent
    return folder


def read_reviews(folder: Path) -> list[Correction]:
    """The reviews stored with a run; empty if there are none.

    Raises:
        UnavailableError: the file cannot be read at present.
        InputError: the file is damaged.
    """
    path = home_of(folder) / REVIEWS
    return read_corrections(path, stored=True) if exists(path) else []


def write_reviews(folder: Path, reviews: Iterable[Correction]) -> None:
    """Replace the reviews stored with a run. If a link stands for the file, it stays.

    Raises:
        OutputError: the file cannot be written.
    """
    kept = list(reviews)
    added = (name for name in (SINCE, SIGNED_TYPES) if any(each.cell(name) for each in kept))
    columns = (*COLUMNS, *added)
    rows = ([neutralise(each.cell(name)) for name in columns] for each in kept)
    write_text(behind_link(home_of(folder) / REVIEWS), to_csv([columns, *rows]))
