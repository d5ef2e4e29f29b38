"""The names of the files in a run's folder, and fallback names for files that another program held open.

On Windows a spreadsheet locks the table that it shows. A run then writes its table under a fallback name beside it,
and lists the name in its record as `written_beside`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.writing import is_beside, remove_if_possible

FALLBACK_NAMES = "written_beside"
"""In `run.json`: the fallback name of each file that has one; empty if every file has its own name."""

TABLES = ("cells.csv", "differential.csv", "report.html")
RECORD, STATUS = "run.json", "status.json"
REVIEWS = "reviews.csv"
FINISHED = ".finished"  # a folder with a record of each finished slide
EXPORT = "export"  # a folder with files for the laboratory's system


def fallback_names_of(folder: Path) -> dict[str, str]:
    """The fallback names in the record of the last run in a folder; empty if there is no such record.

    Raises:
        UnavailableError: the record cannot be read at present.
    """
    try:
        return fallback_names(read_json(folder / RECORD))
    except (FileNotFoundError, DamagedError):
        return {}


def fallback_names(info: Any) -> dict[str, str]:
    """The fallback names in a record. Names that no run writes are left out."""
    told = info.get(FALLBACK_NAMES) if isinstance(info, Mapping) else None
    told = told if isinstance(told, Mapping) else {}
    return {name: told[name] for name in TABLES if isinstance(told.get(name), str) and is_beside(told[name], name)}


def remove_unused(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Remove an earlier run's fallback files that newer files replace. A file that is held open stays for now."""
    for name, other in before.items():
        if now.get(name) != other:
            remove_if_possible(folder / other)
