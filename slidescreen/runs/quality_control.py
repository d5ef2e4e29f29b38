"""Comparison of a run with earlier runs, and its row in their history.

The run continues whatever happens to the history file, for instance on a dead network share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slidescreen.files.writing import printable
from slidescreen.runs.drift import compare
from slidescreen.runs.history import History, Night, add_night, in_time, read_history
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.night_charts import charts_of
from slidescreen.runs.options import ClassifyOptions
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult
from slidescreen.statistics.control_charts import ControlChart


@dataclass(frozen=True)
class NightControl:
    """The comparison of a night with earlier nights: differences in words, and the figures of all nights as charts."""

    drift: tuple[str, ...] = ()
    charts: tuple[ControlChart, ...] = ()


def new_slides(started: datetime, results: Mapping[str, SlideResult]) -> Night:
    """The new slides with images of a run; without known slides that have vanished."""
    shown = (result for result in results.values() if result.new and result.differential.images)
    slides = [result for result in shown if Flag.VANISHED not in result.finding.flags]
    return Night(started.isoformat(timespec="seconds"), slides)  # the form of the time in the run's record


def compare_with_history(
    options: ClassifyOptions, night: Night, measured: Mapping[str, tuple[float, float]], monitor: Monitor
) -> NightControl:
    """Compare the new slides with those of earlier nights, or with the validation images."""
    history, path = History(), _path(options)
    with monitor.side_file(path):
        history = in_time(path, options.time_limit, lambda: read_history(path, options.history is not None))
    for remark in history.remarks:
        monitor.warn(remark)
    remarks = compare(night.profile, history.profiles(but=night.content), measured)
    for remark in remarks:
        monitor.event("drift", remark=remark)
    shown = history.with_night(night) if night.profile.figures else history
    return NightControl(tuple(remarks), charts_of(shown, night.time))


def add_to_history(options: ClassifyOptions, night: Night, monitor: Monitor) -> None:
    """Add the figures of the new slides to the history."""
    if not night.profile.figures:
        return
    path = _path(options)
    with monitor.side_file(path):
        kept = add_night(path, night, options.history is not None, options.time_limit)
        if kept is not None:
            monitor.warn(f"{printable(path)} was started anew; the old file is kept as {kept.name}")


def _path(options: ClassifyOptions) -> Path:
    return options.history or options.out / "history.csv"
