"""Prepare a run: choose its engine, and reserve its folder."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slidescreen.data.correction_table import Correction
from slidescreen.engine.configuration import configure
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import for_each
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError, UnavailableError
from slidescreen.files.damaged import set_aside
from slidescreen.files.file_system import in_words, missing_features
from slidescreen.files.locking import locked
from slidescreen.files.run_files import REVIEWS, STATUS
from slidescreen.files.writing import make_folder, printable, sweep
from slidescreen.runs.earlier_run import identity_of, in_the_way
from slidescreen.runs.monitoring import Monitor, RunObserver, monitored
from slidescreen.runs.options import ClassifyOptions
from slidescreen.runs.review_store import read_reviews


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
        UnavailableError: its record or its reviews cannot be read at present. They were not changed.
        OutputError: the folder cannot be written to.
    """
    make_folder(options.out)
    with locked(options.out, display.note) as locks, monitored(display, options.log_file) as monitor:
        sweep(options.out)
        missing = missing_features(options.out, locks)
        if missing:
            monitor.note(in_words(printable(options.out), missing))
        identity = identity_of(options.out, options.path)
        reviews = _reviews(options.out, monitor)
        _clear_way(options, monitor)
        monitor.follow(options.out / STATUS)
        yield PreparedFolder(monitor, identity, reviews, tuple(missing))


def _reviews(out: Path, monitor: Monitor) -> list[Correction]:
    """The stored reviews of the run's cells. A damaged file is set aside, so that the night can continue."""
    try:
        return read_reviews(out)
    except UnavailableError:  # it may be undamaged: a night without it would lose all signatures
        raise
    except InputError as error:
        with monitor.side_file(out / REVIEWS):
            monitor.warn(f"{error}; kept as {set_aside(out / REVIEWS).name}, reviews in it do not count")
        return []


def _clear_way(options: ClassifyOptions, monitor: Monitor) -> None:
    """Set aside files that the run would replace but that are damaged or of unknown origin."""
    for path in in_the_way(options.out, options.path, options.overwrite):
        with monitor.side_file(path):
            kept = set_aside(path)
            monitor.warn(f"{printable(path)} is damaged or of an unknown run: kept as {kept.name}")
