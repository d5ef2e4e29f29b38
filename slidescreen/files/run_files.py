"""The files of a run's folder, by name, and the fallback names of those that another program held.

A spreadsheet holds a table that it shows, on Windows: a run then writes its own beside it, and tells so in its record
as `written_beside`.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.writing import is_beside

FALLBACK_NAMES = "written_beside"
"""In `run.json`: second names by a file's own; empty where each of a run's files has its own name."""

TABLES = ("cells.csv", "differential.csv", "report.html")
RECORD, STATUS = "run.json", "status.json"
FINISHED = ".finished"  # a folder with a record of each finished slide
EXPORT = "export"  # a folder with files for the laboratory's system


def fallback_names_of(folder: Path) -> dict[str, str]:
    """The second names that the last run into a folder gave, by its record; none if there is no such record."""
    try:
        return fallback_names(read_json(folder / RECORD))
    except (OSError, DamagedError):
        return {}


def fallback_names(info: Any) -> dict[str, str]:
    """Those that a record tells; what it could not have written itself is left out."""
    told = info.get(FALLBACK_NAMES) if isinstance(info, Mapping) else None
    told = told if isinstance(told, Mapping) else {}
    return {name: told[name] for name in TABLES if isinstance(told.get(name), str) and is_beside(told[name], name)}


def remove_unused(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Remove what an earlier run wrote beside, newer files being there. One that is held open itself waits."""
    for name, other in before.items():
        if now.get(name) != other:
            with contextlib.suppress(OSError):
                (folder / other).unlink(missing_ok=True)
