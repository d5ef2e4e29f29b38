"""Export a run's results as files for a laboratory's system, one for each slide.

A night exports only new or changed results, and stores a list of its exports. An interface engine removes files, and
must not get them again every night.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from slidescreen.errors import InputError
from slidescreen.exchange.formats import ExportedFile, Exporter, Refusal, why_withheld
from slidescreen.exchange.options import ExportOptions
from slidescreen.files.existence import exists, is_folder
from slidescreen.files.run_files import EXPORT
from slidescreen.files.untouched import refuse_inside
from slidescreen.files.writing import make_folder, printable, sweep, write_whole
from slidescreen.runs.export_memory import read_memory
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.review_store import home_of
from slidescreen.runs.saved_run import input_folders, read_run
from slidescreen.screening.results import Run
from slidescreen.screening.sentences import number_of


def export_night(run: Run, exporter: Exporter, out: Path, monitor: Monitor) -> None:
    """Write new results to `export/` in a run's folder. A failure affects only its own file."""
    folder = out / EXPORT
    with monitor.side_file(folder):
        make_folder(folder)
        sweep(folder)
        memory, before = read_memory(folder), read_memory(folder)
        memory.prepare(run.slides, exporter)
        night = list(exporter.files(run, memory.slides, memory.files))
        memory.renew(night)
        due = [each for each in night if (each.is_news if isinstance(each, Refusal) else memory.is_due(each))]
        quiet = [each.why for each in night if isinstance(each, Refusal) and not each.is_news]
        for text in (*exporter.warnings(due), *quiet):
            monitor.warn(text)
        count = 0
        try:
            for each in _written(due, folder, monitor):
                memory.add(each)
                count += 1
        finally:
            memory.add_night(night)
            if memory != before:
                memory.write(folder)
        if due:
            monitor.note(f"exported to {printable(folder)}: {number_of(count, 'file')}")


def export_run(folder: Path, options: ExportOptions, out: Path | None, monitor: Monitor) -> tuple[Path, int]:
    """Write all results of a run, or of an archive.

    Args:
        folder: the run's folder.
        options: the user's options.
        out: the folder for the files; None for `export/` in the run's folder.
        monitor: receives warnings about files that could not be written.

    Returns:
        The folder of the files, and the number of written files.

    Raises:
        InputError: the folder holds no run, the options cannot be used, or `out` lies in the input.
        OutputError: the folder cannot be made or written to.
    """
    exporter = Exporter(options)
    run, place = read_run(folder), out or folder / EXPORT
    _check_place(place, run)
    make_folder(place)
    memory = read_memory(home_of(folder) / EXPORT)
    memory.prepare(run.slides, exporter)
    files = list(exporter.files(run, memory.slides, memory.files))
    for text in exporter.warnings(files):
        monitor.warn(text)
    return place, sum(1 for _ in _written(files, place, monitor))


def _written(files: Iterable[ExportedFile | Refusal], folder: Path, monitor: Monitor) -> Iterator[ExportedFile]:
    """Write files, and yield those that were written."""
    without_order = []
    for each in files:
        if isinstance(each, Refusal):
            for name in each.names:
                monitor.not_written(folder / name, each.why)
        elif not each.group.at_hand:
            without_order.append(each)
        else:
            path = folder / each.name
            with monitor.side_file(path):
                write_whole(path, partial(_fill, content=each.content()))
                yield each
    why = why_withheld(without_order)
    for each in without_order:
        monitor.not_written(folder / each.name, why)


def _fill(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _check_place(place: Path, run: Run) -> None:
    refuse_inside(place, input_folders(run))
    if exists(place) and not is_folder(place):
        raise InputError(f"{printable(place)} is a file; --out must be a folder")
