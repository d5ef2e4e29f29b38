"""Damaged files: they are set aside under another name, so nothing is lost and work goes on."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

from slidescreen.errors import OutputError
from slidescreen.files.writing import printable


class DamagedError(Exception):
    """A file is damaged; the message says why, without the file's name."""


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DamagedError: it is no JSON, or a folder.
        OSError: it cannot be read; FileNotFoundError where there is none.
    """
    try:
        return json.loads(path.read_bytes())
    except IsADirectoryError as error:
        raise DamagedError("it is a folder") from error
    except (ValueError, RecursionError) as error:  # of the encoding, too
        raise DamagedError(f"it is not JSON: {' '.join(str(error).split())}") from error


def set_aside(path: Path, ending: str | None = None) -> Path:
    """Rename a file or folder to the first free name like `history.set-aside-1.csv`, and return that.

    Args:
        path: what is to get another name.
        ending: of its new name, so that nobody takes it for what it was; None for the one it has.

    Raises:
        OutputError: its folder cannot be written to.
    """
    kept = free_name(path.with_suffix(ending) if ending else path)
    try:
        path.rename(kept)
    except OSError as error:
        raise OutputError(f"cannot set {printable(path)} aside: {error.strerror}") from error
    return kept


def free_name(path: Path) -> Path:
    """The first name of its kind that nothing has yet."""
    names = (path.with_name(f"{path.stem}.set-aside-{number}{path.suffix}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))
