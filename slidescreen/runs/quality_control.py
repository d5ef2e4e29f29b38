"""Comparison of a run with earlier runs, and its row in their history.

The run continues whatever happens to the history file, for instance on a dead network share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slidescreen.files.writing import printable
from slidescreen.runs.drift import compare, profile_of
from slidescreen.runs.history import History, add_night, content_of, in_time, read_history
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


def compare_with_history(
    options: ClassifyOptions,
    started: datetime,
    results: Mapping[str, SlideResult],
    measured: Mapping[str, tuple[float, float]],
    monitor: Monitor,
) -> NightControl:
    """Compare the new slides with those of earlier nights, or with the validation images."""
    slides, history, path = _new(results), History(), _path(options)
    with monitor.side_file(path):
        history = in_time(path, options.time_limit, lambda: read_history(path, options.history is not None))
    for remark in history.remarks:
        monitor.warn(remark)
    profile, time = profile_of(slides), _time(started)
    remarks = compare(profile, history.profiles(but=content_of(slides)), measured)
    for remark in remarks:
        monitor.event("drift", remark=remark)
    return NightControl(
        tuple(remarks), charts_of(history.with_night(time, slides) if profile.figures else history, time)
    )


def add_to_history(
    options: ClassifyOptions, started: datetime, results: Mapping[str, SlideResult], monitor: Monitor
) -> None:
    """Add the figures of the new slides to the history."""
    slides, time, path = _new(results), _time(started), _path(options)
    if not profile_of(slides).figures:
        return
    with monitor.side_file(path):
        kept = add_night(path, time, slides, options.history is not None, options.time_limit)
        if kept is not None:
            monitor.warn(f"{printable(path)} was started anew; the old file is kept as {kept.name}")


def _time(started: datetime) -> str:
    """The start time of a run, in the form of its record and of its row in the history."""
    return started.isoformat(timespec="seconds")


def _path(options: ClassifyOptions) -> Path:
    return options.history or options.out / "history.csv"


def _new(results: Mapping[str, SlideResult]) -> Sequence[SlideResult]:
    """The new slides with images; without known slides that have vanished."""
    shown = (result for result in results.values() if result.new and result.differential.images)
    return [result for result in shown if Flag.VANISHED not in result.finding.flags]
