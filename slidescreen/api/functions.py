"""The commands as functions."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import overload

from slidescreen.api.screened_run import ScreenedRun
from slidescreen.choices import check_choice
from slidescreen.engine.options import Device, EngineKind, EngineOptions
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble
from slidescreen.errors import InputError
from slidescreen.exchange.options import ExportOptions, export_options
from slidescreen.reporting.page_cells import PageCells
from slidescreen.reporting.terminal import RunDisplay
from slidescreen.runs import night, saved_run
from slidescreen.runs.found_slides import find_slides
from slidescreen.runs.monitoring import RunObserver
from slidescreen.runs.options import ClassifyOptions, default_out
from slidescreen.screening.results import SlideResult
from slidescreen.screening.thresholds import default_thresholds, read_thresholds

StrPath = str | os.PathLike[str]
Progress = bool | Callable[[int, int], None] | RunObserver

_log = logging.getLogger("slidescreen")


def classify(
    path: StrPath,
    out: StrPath | None = None,
    *,
    ensemble: StrPath | None = None,
    device: str = EngineOptions.device,
    engine: str = EngineOptions.kind,
    precision: str = EngineOptions.precision,
    fast: bool = EngineOptions.fast,
    threads: int | None = EngineOptions.threads,
    batch_size: int | None = ClassifyOptions.batch_size,
    workers: int | None = ClassifyOptions.workers,
    slide_depth: int | None = ClassifyOptions.slide_depth,
    thresholds: StrPath | None = None,
    overwrite: bool = ClassifyOptions.overwrite,
    force: bool = ClassifyOptions.force,
    settle: float = ClassifyOptions.settle,
    keep: float = ClassifyOptions.keep,
    image_timeout: float = ClassifyOptions.time_limit,
    log_file: StrPath | None = None,
    history: StrPath | None = None,
    export: str | None = None,
    orders: StrPath | None = ExportOptions.orders,
    order_pattern: str | None = ExportOptions.order_pattern,
    sum_accessions: bool = ExportOptions.sum_accessions,
    codes: StrPath | None = ExportOptions.codes,
    page_cells: str | None = ClassifyOptions.page_cells,
    ray: str | None = ClassifyOptions.ray,
    progress: Progress = False,
) -> ScreenedRun:
    """Classify every cell image of every slide in a folder, and write the run's files, as `slidescreen classify` does.

    Unchanged slides that an earlier call or command finished are not classified again. Unreadable images are no error;
    `failures` lists them. Messages go to the logger `slidescreen` and to the run's `info`.

    Args:
        path: a slide's folder, or a folder of slide folders. Nothing is ever written into it.
        out: folder for the results; None for `slidescreen-out/NAME` in the working folder.
        ensemble: the ensemble's folder; None for the one that $SLIDESCREEN_ENSEMBLE names, or the shipped one.
        device: `auto`, `cuda` or `cpu`.
        engine: `auto`, `openvino` or `pytorch`.
        precision: `auto`, `fp32`, `bf16`, `fp16` or `int8`, or one for each member: `fp32+bf16`.
        fast: let one network decide alone when it is certain of a cell.
        threads: processor threads to use; None for all that this process may use.
        batch_size: images per pass; None for the engine's own batch size.
        workers: number of processes that decode images; None for a number that suits the processor.
        slide_depth: the number of levels from `path` down to the slide folders; None to find it from the layout.
        thresholds: TOML file with the laboratory's own limits.
        overwrite: replace the run of another folder in `out`.
        force: classify finished slides again.
        settle: seconds. Slides that changed more recently wait for the next call.
        keep: days. A slide without its images moves into the archive after this time.
        image_timeout: the most seconds for reading one image.
        log_file: file to which the run appends lines of JSON.
        history: file with the figures of each run; None for `history.csv` in `out`.
        export: `fhir`, `hl7` or `fhir,hl7`: write files for the laboratory's system; None writes none.
        orders: table that joins slides to orders and gives the blood's leukocyte count. One that cannot be used
            suspends the export alone, and `flawless` is false. So does `codes`.
        order_pattern: regular expression that finds the accession number in a slide's name.
        sum_accessions: add up slides of one accession number.
        codes: TOML file with the laboratory's own codes.
        page_cells: the cells shown as pictures in the page, `suspicious` or `all`. None for as many as can be drawn in
            4% of the run's time, or in a quarter of a second.
        ray: `auto`, `local` or `HOST:PORT`: the Ray cluster that classifies; None for this machine alone.
        progress: True for a bar on standard error, or a function that receives the number of finished images and of all
            images, or an object with the methods of `RunObserver`.

    Raises:
        InputError: the folder or an option cannot be used, or another process writes to `out`. Nothing was written.
        OutputError: a result could not be written. Finished slides are kept.
        NothingClassifiedError: no image could be classified. The run's files say why.
        KeyboardInterrupt: the call was interrupted. Finished slides are kept, and the same call continues the run.
    """
    folder = _path("path", path)
    limits, table = _path("thresholds", thresholds), _path("orders", orders)
    options = ClassifyOptions(
        path=folder,
        out=_path("out", out) or default_out(folder),
        ensemble=_path("ensemble", ensemble) or default_ensemble(),
        engine=EngineOptions(
            check_choice("--device", device, Device),
            check_choice("--engine", engine, EngineKind),
            precision,
            threads,
            fast,
        ),
        batch_size=batch_size,
        workers=workers,
        slide_depth=slide_depth,
        overwrite=overwrite,
        force=force,
        settle=settle,
        keep=keep,
        time_limit=image_timeout,
        log_file=_path("log_file", log_file),
        history=_path("history", history),
        thresholds=default_thresholds() if limits is None else read_thresholds(limits),
        page_cells=None if page_cells is None else check_choice("--page-cells", page_cells, PageCells),
        ray=ray,
        orders=table,
        export=export_options(export, table, order_pattern, sum_accessions, _path("codes", codes)),
    )
    with find_slides(options) as found, _observer(progress) as observer:
        run = night.classify_folder(options, storage.load(options.ensemble), observer, found)
    return ScreenedRun(options.out, run)


def read_run(folder: StrPath) -> ScreenedRun:
    """Read a run from its folder, or a month of its archive. The command and `classify` write such folders.

    Raises:
        InputError: there is no run, or one of its files is missing or damaged.

    >>> import slidescreen
    >>> slidescreen.read_run("sample_data")
    Traceback (most recent call last):
    slidescreen.errors.InputError: cannot read sample_data/run.json: No such file or directory
    """
    place = _path("folder", folder)
    return ScreenedRun(place, saved_run.read_run(place))


@overload
def _path(name: str, value: StrPath) -> Path: ...


@overload
def _path(name: str, value: StrPath | None) -> Path | None: ...


def _path(name: str, value: StrPath | None) -> Path | None:
    """The path in an argument. An empty text is refused: Python takes it for the current folder."""
    if value == "":
        raise InputError(f"{name} is empty: is a variable of your script unset?")
    return None if value is None else Path(value)


@contextlib.contextmanager
def _observer(progress: Progress) -> Iterator[RunObserver]:
    """The observer that receives a run's progress."""
    if progress is True:
        with RunDisplay() as display:
            yield display
    elif progress is False:
        yield _Logged(lambda _done, _images: None)
    elif callable(progress):
        yield _Logged(progress)
    else:
        yield progress


class _Logged:
    """Writes messages to the log, and passes the number of finished images to a function."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress
        self._done = self._images = 0

    def note(self, text: str) -> None:
        _log.info(text)

    def warn(self, text: str) -> None:
        _log.warning(text)

    def start(self, slides: int, cells: int) -> None:
        _log.info("to be classified: %d slides, %d images", slides, cells)
        self._images = cells
        self._progress(0, cells)

    def cells(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._images)

    def slide(self, result: SlideResult) -> None:
        _log.info("%s: %s", result.name, result.finding.verdict)
