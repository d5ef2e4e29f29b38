"""Reading a run back from its folder."""

import json
from pathlib import Path

from slidescreen.archive import is_archive, read_archive
from slidescreen.differential import Differential
from slidescreen.errors import InputError
from slidescreen.files import printable
from slidescreen.finished import read_all
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
    alike = (finished for finished in read_all(folder) if finished.cell_types == types)
    records = {_key(finished.slide, finished.differential): finished for finished in alike}
    slides = []
    for differential, finding in read_differentials(folder / "differential.csv"):
        name = differential.slide
        known, place = calls.get(name, ()), folders.get(name, Path(name))
        kept = records.get(_key(name, differential))
        slides.append(SlideResult(differential, finding, known, place, name not in earlier, kept))
    return Run(tuple(slides), types, info)


def _key(slide: str, found: Differential) -> tuple[str, int, int, int, int]:
    """By which a slide's record is told from that of another, or of other images of the same."""
    return slide, found.images, found.classified, found.unidentified, found.leukocytes
