"""A run's first steps: find its slides, choose its engine, and reserve its folder."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slidescreen.data.correction_table import Correction
from slidescreen.data.slides import Survey, no_slides, survey
from slidescreen.engine.configuration import configure
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import for_each
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.files.damaged import set_aside
from slidescreen.files.file_system import in_words, missing_features
from slidescreen.files.locking import locked
from slidescreen.files.run_files import EXPORT, STATUS
from slidescreen.files.writing import make_folder, printable, sweep
from slidescreen.interruptible import interruptibly
from slidescreen.runs.earlier_run import had_slides_of, identity_of, in_the_way
from slidescreen.runs.monitoring import Monitor, RunObserver, monitored
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.review_store import REVIEWS, read_reviews


@dataclass(frozen=True)
class PreparedFolder:
    """A run's folder, reserved for this run.

    Attributes:
        monitor: writes the log and the status, and updates the display.
        identity: the run's identity, by `identity_of`.
        reviews: the stored reviews of its cells.
        missing_features: features that its file system lacks, by `missing_features`.
    """

    monitor: Monitor
    identity: str
    reviews: Sequence[Correction]
    missing_features: tuple[str, ...]


def find_slides(options: ClassifyOptions) -> Survey:
    """The slides of the input. There may be none if an earlier run into the same folder had some. Nothing is written.

    Raises:
        InputError: there are no slides, the input cannot be read, or the output folder is not allowed.
    """
    found = interruptibly(lambda: survey(options.path, options.slide_depth))
    _check_places(options)
    if not found.slides and not had_slides_of(options.out, options.path):
        raise no_slides(options.path, found)
    return found


def choose_engine(options: ClassifyOptions, ensemble: Ensemble) -> EngineConfiguration:
    """The engine and precision for this machine. Nothing is loaded.

    Raises:
        InputError: this machine cannot do what the options ask, or they are for another number of members.
    """
    configuration = configure(options.engine, ensemble.validation)
    for_each(configuration.precision, len(ensemble.members))
    return configuration


@contextlib.contextmanager
def prepared_folder(options: ClassifyOptions, display: RunObserver) -> Iterator[PreparedFolder]:
    """Make a run's folder, lock it, and set aside conflicting files. Log and status record how the run ends.

    Raises:
        InputError: another process is at work there.
        OutputError: the folder cannot be written to.
    """
    make_folder(options.out)
    with locked(options.out, display.note) as locks, monitored(display, options.log_file) as monitor:
        sweep(options.out)
        missing = missing_features(options.out, locks)
        if missing:
            monitor.note(in_words(printable(options.out), missing))
        identity = identity_of(options.out, options.path)
        _clear_way(options, monitor)
        monitor.follow(options.out / STATUS)
        yield PreparedFolder(monitor, identity, _reviews(options.out, monitor), tuple(missing))


def _reviews(out: Path, monitor: Monitor) -> list[Correction]:
    """The stored reviews of the run's cells. A damaged file is set aside, so that the night can continue."""
    try:
        return read_reviews(out)
    except InputError as error:
        with monitor.side_file(out / REVIEWS):
            monitor.warn(f"{error}; kept as {set_aside(out / REVIEWS).name}, reviews in it do not count")
        return []


def _check_places(options: ClassifyOptions) -> None:
    path, out = options.path.resolve(), options.out.resolve()
    exported = options.out / EXPORT if options.export else None
    named = (("out", out), ("log-file", options.log_file), ("history", options.history), ("export", exported))
    for option, place in named:
        if place is not None and place.resolve().is_relative_to(path):
            raise InputError(f"--{option} must not lie inside {printable(options.path)}: the input is never written to")
    if out.exists() and not out.is_dir():
        raise InputError(f"{printable(options.out)} is a file; --out must be a folder")
    in_the_way(options.out, options.path, options.overwrite)


def _clear_way(options: ClassifyOptions, monitor: Monitor) -> None:
    """Set aside files that the run would replace but that are damaged or of unknown origin."""
    for path in in_the_way(options.out, options.path, options.overwrite):
        with monitor.side_file(path):
            kept = set_aside(path)
            monitor.warn(f"{printable(path)} is damaged or of an unknown run: kept as {kept.name}")
