"""The options of a run and its report. Imports nothing heavy."""

import math
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path

from slidescreen.data.label_options import LabelOptions
from slidescreen.engine.options import Device, EngineOptions
from slidescreen.errors import InputError
from slidescreen.exchange.options import ExportOptions
from slidescreen.files.legal_names import legal_name
from slidescreen.reporting.page_cells import PageCells
from slidescreen.screening.thresholds import Thresholds, default_thresholds

MOST_THREADS = 1024
"""Of threads and of processes. With more, libraries fail in words of their own, and processes fill the memory."""

LONGEST_WAIT = 1_000_000
"""Seconds. No system waits for centuries."""


@dataclass(frozen=True)
class ClassifyOptions:
    """The user's options for `classify`.

    `settle`: seconds; slides with a more recent arrival wait for the next run. `keep`: days after which a slide whose
    images are gone moves into the archive. `time_limit`: seconds that reading one image may take. `force`: classify
    finished slides again. `history`: the file of earlier nights; None for `history.csv` in `out`.
    `page_cells` are shown as pictures. None means as many as can be drawn in 4% of the run's time, or in a quarter of
    a second.
    `ray`: address of the Ray cluster whose machines classify; None for this machine alone.

    Raises:
        InputError: a value is out of its range, or not a number.
    """

    path: Path
    out: Path
    ensemble: Path
    engine: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None
    slide_depth: int | None = None
    overwrite: bool = False
    force: bool = False
    settle: float = 0.0
    keep: float = 30.0
    time_limit: float = 60.0
    log_file: Path | None = None
    history: Path | None = None
    thresholds: Thresholds = field(default_factory=default_thresholds)
    orders: Path | None = None
    export: ExportOptions | None = None
    page_cells: PageCells | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        _check_whole("threads", self.engine.threads, 1, MOST_THREADS)
        _check_whole("batch-size", self.batch_size, 1)
        _check_whole("workers", self.workers, 1, MOST_THREADS)
        _check_whole("slide-depth", self.slide_depth, 0)
        _check_finite("settle", self.settle, 0)
        _check_finite("keep", self.keep, 0)
        _check_finite("image-timeout", self.time_limit, 0.1, LONGEST_WAIT)


def _check_whole(option: str, value: int | None, least: int, most: int | None = None) -> None:
    if value is not None and not (isinstance(value, Integral) and least <= value <= (most or value)):
        raise InputError(f"--{option} must be a whole number {_limits(least, most)}, not {value!r}")


def _check_finite(option: str, value: float, least: float, most: int | None = None) -> None:
    if not (isinstance(value, Real) and least <= value <= (most or value) and value < math.inf):
        raise InputError(f"--{option} must be a number {_limits(least, most)}, not {value!r}")


def _limits(least: float, most: int | None) -> str:
    return f"from {least:g} on" if most is None else f"from {least:g} to {most}"


@dataclass(frozen=True)
class ReportOptions:
    """The user's options for `report`.

    `truth`: labelled images or corrections, `reported` for the laboratory's own class folders, `reviewed` for the
    reviewed cells; None for a run's page. `corrections`: corrections of an evaluation's labels. `out`: None for a
    folder named after the source. `ensemble`: None for the default one. `page_cells`: the page's pictures.
    """

    sources: tuple[Path, ...]
    truth: str | None = None
    corrections: tuple[Path, ...] = ()
    label_options: LabelOptions = field(default_factory=LabelOptions)
    out: Path | None = None
    ensemble: Path | None = None
    device: Device = Device.AUTO
    export: ExportOptions | None = None
    page_cells: PageCells = PageCells.ALL


def default_out(path: Path) -> Path:
    """The default folder for the results of a folder: in the working folder, never inside `path`."""
    return Path("slidescreen-out") / legal_name(path.resolve().name or "root")
