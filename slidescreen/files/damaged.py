"""Damaged files are renamed, so that nothing is lost and work continues."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

from slidescreen.errors import OutputError
from slidescreen.files.existence import unavailable
from slidescreen.files.writing import printable


class DamagedError(Exception):
    """A file is damaged. The message gives the reason, without the file's name."""


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DamagedError: the file is not JSON, or is a folder.
        FileNotFoundError: the file does not exist.
        UnavailableError: the file cannot be read at present.
    """
    try:
        return json.loads(path.read_bytes())
    except IsADirectoryError as error:
        raise DamagedError("it is a folder") from error
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unavailable(path, error) from error
    except (ValueError, RecursionError) as error:  # encoding errors are among them
        raise DamagedError(f"it is not JSON: {' '.join(str(error).split())}") from error


def set_aside(path: Path, ending: str | None = None) -> Path:
    """Rename a file or folder to the first free name like `history.set-aside-1.csv`.

    Args:
        path: the file or folder to rename.
        ending: the new name's suffix, so that nothing reads the file as before; None keeps the suffix.

    Returns:
        The new path.

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
    """The first name like `history.set-aside-1.csv` that is free."""
    names = (path.with_name(f"{path.stem}.set-aside-{number}{path.suffix}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))
