"""Reading a run back from its folder."""

import json
from pathlib import Path

from slidescreen.archive import is_archive, read_archive
from slidescreen.errors import InputError
from slidescreen.files import printable
from slidescreen.reporting.cell_table import open_calls
from slidescreen.reporting.tables import read_differentials
from slidescreen.runs import Run, SlideResult


def is_run(path: Path) -> bool:
    """Whether a folder holds a run, or is of a run's archive."""
    return is_archive(path) or ((path / "cells.csv").is_file() and (path / "differential.csv").is_file())


def read_run(folder: Path) -> Run:
    """The run that `classify` wrote to a folder, or the slides of its archive.

    Raises:
        InputError: a file is missing or is not what `classify` writes.
    """
    if is_archive(folder):
        return read_archive(folder)
    path = folder / "run.json"
    reasons: dict[str, dict[str, str]] = {}
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        folders = {entry["slide"]: Path(entry["folder"]) for entry in info["slides"]}
        earlier = frozenset(map(str, info.get("earlier_slides", ())))
        for entry in info["failures"]:
            reasons.setdefault(entry["slide"], {})[entry["image"]] = entry["reason"]
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{printable(path)} is damaged: {error}") from error
    calls, types = open_calls(folder / "cells.csv", reasons)
    slides = []
    for differential, finding in read_differentials(folder / "differential.csv"):
        name = differential.slide
        place = folders.get(name, Path(name))
        slides.append(SlideResult(differential, finding, calls.get(name, ()), place, name not in earlier))
    return Run(tuple(slides), types, info)
