"""Control charts of a laboratory's nights, from its history."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slidescreen.data.appearance import MEASURES
from slidescreen.errors import InputError
from slidescreen.interruptible import interruptibly
from slidescreen.runs.drift import CERTAINTY, COMPOSITION, SHARES, Profile, least_spread, name_of_figure
from slidescreen.runs.history import History, read_history
from slidescreen.statistics.control_charts import ChartPoint, ControlChart, control_limits

CHARTED = (CERTAINTY[1], *SHARES, *MEASURES, CERTAINTY[0], *COMPOSITION)
_SECONDS = 10.0  # the time limit for reading a history


def charts_of(history: History, this_run: str) -> tuple[ControlChart, ...]:
    """A chart for each figure that at least one night has.

    Args:
        history: the history of the nights, including the present night.
        this_run: the start time of the present run, as in its row.
    """
    nights = list(zip((row["time"] for row in history.rows), history.profiles(), strict=True))
    charts = (_chart(figure, nights, this_run) for figure in CHARTED)
    return tuple(chart for chart in charts if chart.points)


def saved_charts(folder: Path, info: Mapping[str, Any]) -> tuple[ControlChart, ...]:
    """The charts for the page of a stored run; empty if its history cannot be read.

    Args:
        folder: the run's folder.
        info: the run's record. It names the history unless the history lies in the run's folder.
    """
    options = info.get("options")
    named = options.get("history") if isinstance(options, dict) else None
    path = Path(named) if isinstance(named, str) else folder / "history.csv"
    with contextlib.suppress(InputError, OSError, TimeoutError, ValueError):
        history = interruptibly(lambda: read_history(path, isinstance(named, str)), _SECONDS)
        return charts_of(history, str(info.get("started")))
    return ()


def _chart(figure: str, nights: list[tuple[str, Profile]], this_run: str) -> ControlChart:
    points = tuple(
        ChartPoint(time, profile.slides, profile.figures[figure], time == this_run)
        for time, profile in nights
        if figure in profile.figures
    )
    limits = control_limits([point.value for point in points], least_spread(figure))
    return ControlChart(figure, name_of_figure(figure), points, limits)
