"""A run's page and tables, written anew from its other files."""

import json
from collections.abc import Callable
from pathlib import Path

from slidescreen.errors import InputError
from slidescreen.files.writing import write_text
from slidescreen.reporting.page import Heat, render_run
from slidescreen.reporting.spreadsheet import write_spreadsheets
from slidescreen.reporting.tables import write_cells, write_differentials
from slidescreen.runs.archive import is_archive
from slidescreen.runs.saved_run import read_run
from slidescreen.screening.results import Run


def renew_page(folder: Path, explain: Callable[[Run], Heat] | None = None) -> Run:
    """Write a run's `report.html` anew from its other files, with the heat maps that `explain` makes.

    An archive holds only the slides' records, so its tables and `run.json` are written as well.

    Raises:
        InputError: the folder holds no such run; heat maps are asked for of an archive, whose images have gone.
        OutputError: it cannot be written to.
    """
    run = read_run(folder)
    if is_archive(folder):
        if explain:
            raise InputError("--explain needs the images, and an archive has none")
        write_cells(folder / "cells.csv", run.slides, run.cell_types)
        write_differentials(folder / "differential.csv", run.slides)
        write_text(folder / "report.html", render_run(run, picture=lambda _: None))
        write_text(folder / "run.json", json.dumps(run.info, indent=2) + "\n")
        return run
    write_text(folder / "report.html", render_run(run, explain(run)) if explain else render_run(run))
    return run


def copy_for_spreadsheets(folder: Path) -> list[Path]:
    """Write copies of a run's tables by `write_spreadsheets`; of an archive, its tables first.

    Raises:
        InputError, OutputError: as by `renew_page` and `write_spreadsheets`.
    """
    if is_archive(folder):
        renew_page(folder)
    return write_spreadsheets(folder)
