"""Files that a run wrote beside those that another program held, as a spreadsheet does on Windows: `written_beside`."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.writing import is_beside

KEY = "written_beside"
"""In `run.json`: second names by a file's own; empty where each of a run's files has its own name."""

_FILES = ("cells.csv", "differential.csv", "report.html")


def of_run(folder: Path) -> dict[str, str]:
    """The second names that the last run into a folder gave, by its record; none if there is no such record."""
    try:
        return names_in(read_json(folder / "run.json"))
    except (OSError, DamagedError):
        return {}


def names_in(info: Any) -> dict[str, str]:
    """Those that a record tells; what it could not have written itself is left out."""
    told = info.get(KEY) if isinstance(info, Mapping) else None
    told = told if isinstance(told, Mapping) else {}
    return {name: told[name] for name in _FILES if isinstance(told.get(name), str) and is_beside(told[name], name)}


def remove_unused(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Remove what an earlier run wrote beside, newer files being there. One that is held open itself waits."""
    for name, other in before.items():
        if now.get(name) != other:
            with contextlib.suppress(OSError):
                (folder / other).unlink(missing_ok=True)
