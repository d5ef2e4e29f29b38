"""The run that an output folder already holds: its input and its slides."""

import contextlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slidescreen.errors import InputError
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.existence import is_file, is_folder, unavailable
from slidescreen.files.run_files import FINISHED, RECORD, STATUS, TABLES
from slidescreen.files.writing import printable

_IDENTITY = re.compile(r'^  "run": "([0-9a-f]{32})"', re.MULTILINE)
_INPUT = re.compile(r'"input":\s*("(?:[^"\\]|\\.)*")')


def in_the_way(out: Path, source: Path, overwrite: bool = False) -> list[Path]:
    """Files in the run's folder to set aside: a run of `source` would replace them, but they may be of another origin.

    These are a damaged record, tables without sign of an earlier run, and folders with the names of files.

    Args:
        out: the run's folder; it need not exist.
        source: the folder to classify.
        overwrite: whether everything there may be replaced.

    Raises:
        InputError: the folder holds the run of another input, which may not be replaced.
        UnavailableError: its record cannot be read at present.
    """
    misplaced = [out / name for name in (*TABLES, RECORD, STATUS) if is_folder(out / name)]
    misplaced += [out / FINISHED] if is_file(out / FINISHED) else []
    if overwrite:
        return misplaced
    tables = [out / name for name in TABLES if is_file(out / name)]
    record = out / RECORD
    if not is_file(record):
        a_run = is_folder(out / FINISHED) and _holds_anything(out / FINISHED)
        return misplaced + ([] if a_run else tables)
    damaged, whose = _input_of(record)
    if whose and whose != printable(source.resolve()):
        raise InputError(f"{printable(out)} holds the run of {whose}: choose another --out, or use --overwrite")
    return misplaced + ([record] if damaged else []) + ([] if whose else tables)


def _holds_anything(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError as error:
        raise unavailable(folder, error) from error


def had_slides_of(out: Path, source: Path) -> bool:
    """Whether an earlier run into a folder found slides in this source, by its record."""
    try:
        info = read_json(out / RECORD)
        return bool(info["slides"]) and bool(info["input"] == printable(source.resolve()))
    except (DamagedError, FileNotFoundError, KeyError, TypeError):
        return False


def earlier_slides(out: Path) -> frozenset[str]:
    """Names of the slides that the last complete run into a folder had, by its record; none if there is no record."""
    try:
        info = read_json(out / RECORD)
        if info["complete"]:
            return frozenset(str(entry["slide"]) for entry in info["slides"])
        return frozenset(map(str, info.get("earlier_slides", ())))
    except (DamagedError, FileNotFoundError, KeyError, TypeError, AttributeError):
        return frozenset()


def last_places(out: Path, source: Path) -> dict[str, str]:
    """The slides of the last run of this source into a folder: for each name, the place of its folder below the source.

    Places that are not UTF-8 cannot be told from a record, and are left out.
    """
    return {str(entry["slide"]): place for place, entry in _by_place(out, source)}


def finishing_times(out: Path, source: Path) -> dict[str, str]:
    """When the slides of the last run of this source into a folder were finished, by the record, for each place."""
    return {place: str(entry.get("finished", "")) for place, entry in _by_place(out, source)}


def _by_place(out: Path, source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The places that a record tells, each with what it says of the slide there."""
    root = str(source.resolve())
    below = root.rstrip(os.sep) + os.sep
    for entry in _slides_of(out, source):
        folder = str(entry["folder"])
        if (folder == root or folder.startswith(below)) and "\ufffd" not in folder:
            yield "." if folder == root else folder[len(below) :].replace(os.sep, "/"), entry


def _slides_of(out: Path, source: Path) -> list[dict[str, Any]]:
    """What a record says of each slide; nothing if it is damaged, or is that of another input."""
    try:
        info = read_json(out / RECORD)
        whole = info["input"] == printable(source.resolve())
        return [dict(entry) for entry in info["slides"] if entry["slide"] and entry["folder"]] if whole else []
    except (DamagedError, FileNotFoundError, KeyError, TypeError, ValueError):
        return []


def identity_of(out: Path, source: Path) -> str:
    """The identity of a folder's run, by which corrections find it: from the record, or else a new one.

    All runs of one input into one folder have the same identity, even if the record is damaged. The run of another
    input gets a new one.

    Raises:
        UnavailableError: the record cannot be read at present. It may hold an identity.
    """
    record = out / RECORD
    found = identity_in(record)
    return found if found and _input_of(record)[1] == printable(source.resolve()) else uuid.uuid4().hex


def identity_in(record: Path) -> str:
    """The identity in a record, whole or damaged; empty if there is none. Raises as `identity_of` does."""
    found = _IDENTITY.search(_text(record))
    return found[1] if found else ""


def _input_of(record: Path) -> tuple[bool, str]:
    """Whether a record is damaged, and its input as far as known."""
    try:
        content: Any = read_json(record)
        return (False, str(content["input"])) if isinstance(content["slides"], list) else (True, "")
    except (DamagedError, FileNotFoundError, KeyError, TypeError):
        with contextlib.suppress(ValueError):
            found = _INPUT.search(_text(record))
            return True, json.loads(found[1]) if found else ""
        return True, ""


def _text(record: Path) -> str:
    """A record's text, whole or damaged; empty if there is no such file."""
    try:
        return record.read_bytes().decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except OSError as error:
        raise unavailable(record, error) from error
