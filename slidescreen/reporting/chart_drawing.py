"""The positions of a control chart's marks on the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from slidescreen import cells
from slidescreen.statistics.control_charts import FIRST_VALUES, LEAST_VALUES, ChartPoint, ControlChart

MOST_NIGHTS = 120
"""A chart shows at most this many nights, the latest ones."""

WARNING, OUT = 2.0, 3.0
"""Limits in standard deviations from the mean. Points beyond them are marked."""

WIDTH, HEIGHT = 320.0, 120.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 52.0, 8.0, 8.0
_LEAST_REACH, _MOST_REACH = 4.0, 6.0  # standard deviations: points beyond are drawn at the edge
_MOST_NAMED = 5
_TITLES = {"flagged_percent": "Slides urgent or for review, %"}
_COMPOSITION = frozenset(f"{name}_percent" for name in cells.LEUKOCYTES)


class Standing(StrEnum):
    """The position of a point among a chart's limits."""

    WITHIN = "within"
    WARNING = "warning"
    OUT = "out"


@dataclass(frozen=True)
class ChartMark:
    """A point on the page: its position, its text, and whether it is the present run."""

    x: float
    y: float
    standing: Standing
    this_run: bool
    words: str


@dataclass(frozen=True)
class ChartLine:
    """A level line: its height on the page, its kind, and the words at its right end."""

    y: float
    kind: str
    words: str


@dataclass(frozen=True)
class DrawnChart:
    """A control chart on the page. The nights that define its limits end at `first_end` (0: not shown)."""

    figure: str
    title: str
    marks: tuple[ChartMark, ...]
    lines: tuple[ChartLine, ...]
    first_end: float
    summary: str
    out: str
    out_now: bool

    @property
    def path(self) -> str:
        """The line that joins the points."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True)
class ChartSection:
    """All charts of a page: those always shown, those of the slides' composition, and the figures for their text.

    `out_now` names the figures of this run beyond the outer limits.
    """

    first: tuple[DrawnChart, ...]
    composition: tuple[DrawnChart, ...]
    nights: int
    out_now: tuple[str, ...]
    first_nights: int = FIRST_VALUES
    least_nights: int = LEAST_VALUES


def draw_charts(charts: Sequence[ControlChart]) -> ChartSection | None:
    """The charts of a page; None without charts."""
    if not charts:
        return None
    found = [_drawn(chart) for chart in charts]
    return ChartSection(
        first=tuple(chart for chart in found if chart.figure not in _COMPOSITION),
        composition=tuple(chart for chart in found if chart.figure in _COMPOSITION),
        nights=max(len(chart.points) for chart in charts),
        out_now=tuple(chart.title for chart in found if chart.out_now),
    )


def _drawn(chart: ControlChart) -> DrawnChart:
    """A control chart's marks, lines and words."""
    shown = chart.points[-MOST_NIGHTS:]
    low, high = _range(chart, shown)
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(shown) - 1)

    def height(value: float) -> float:
        inside = min(max(value, low), high)
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (high - inside) / (high - low)

    marks = tuple(
        ChartMark(
            _LEFT + place * step, height(point.value), _standing(chart, point), point.this_run, _told(chart, point)
        )
        for place, point in enumerate(shown)
    )
    first = (chart.limits.values if chart.limits else 0) - (len(chart.points) - len(shown))
    out = [point for point in shown if _standing(chart, point) is Standing.OUT]
    return DrawnChart(
        figure=chart.figure,
        title=_TITLES.get(chart.figure, chart.name[:1].upper() + chart.name[1:]),
        marks=marks,
        lines=_lines(chart, height),
        first_end=_LEFT + (first - 0.5) * step if 0 < first < len(shown) else 0.0,
        summary=_summary(chart, shown),
        out=_named(out),
        out_now=any(point.this_run for point in out),
    )


def chart_of_remark(remark: str, charts: Sequence[ControlChart]) -> str:
    """The figure that a remark on drift names in its first words; empty if the figure has no chart."""
    return next((chart.figure for chart in charts if remark.startswith((f"{chart.name}:", f"{chart.name} ("))), "")


def _standing(chart: ControlChart, point: ChartPoint) -> Standing:
    distance = abs(chart.deviations(point))
    return Standing.OUT if distance > OUT else Standing.WARNING if distance > WARNING else Standing.WITHIN


def _range(chart: ControlChart, shown: Sequence[ChartPoint]) -> tuple[float, float]:
    """The lowest and highest value of a chart's scale. They always differ."""
    if chart.limits is None:
        values = [point.value for point in shown]
        margin = 0.15 * (max(values) - min(values)) or 1.0
        return min(values) - margin, max(values) + margin
    farthest = max(abs(chart.deviations(point)) for point in shown)
    reach = chart.limits.deviation * min(max(_LEAST_REACH, farthest + 0.5), _MOST_REACH)
    return chart.limits.mean - reach, chart.limits.mean + reach


def _lines(chart: ControlChart, height: Callable[[float], float]) -> tuple[ChartLine, ...]:
    limits = chart.limits
    if limits is None:
        return ()
    kinds = ((0, "mean"), (WARNING, "two"), (-WARNING, "two"), (OUT, "three"), (-OUT, "three"))
    levels = ((limits.mean + number * limits.deviation, kind) for number, kind in kinds)
    return tuple(ChartLine(height(level), kind, _written(level)) for level, kind in levels if level >= 0)


def _told(chart: ControlChart, point: ChartPoint) -> str:
    """A point in words: the day, the value, the distance from the mean, the number of slides."""
    parts = [_day(point), _written(point.value)]
    if chart.limits:
        parts.append(_distance(chart, point))
    parts.append(f"{point.slides} {'slide' if point.slides == 1 else 'slides'}")
    return ", ".join(parts) + (", this run" if point.this_run else "")


def _distance(chart: ControlChart, point: ChartPoint) -> str:
    rounded = round(chart.deviations(point), 1) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{rounded:+.1f} SD"


def _summary(chart: ControlChart, shown: Sequence[ChartPoint]) -> str:
    """The value of this run, or else of the latest night, its distance from the mean, and the limits."""
    told, limits = next((point for point in shown if point.this_run), shown[-1]), chart.limits
    said = f"{_written(told.value)} on {_day(told)}"
    if limits is None:
        return f"{said}. No limits yet: {_nights(len(chart.points))}."
    provisional = f", provisional: {_nights(limits.values)}" if limits.provisional else ""
    levels = f"Mean {_written(limits.mean)}, SD {_written(limits.deviation)}"
    return f"{said} ({_distance(chart, told)}). {levels}{provisional}."


def _named(points: Sequence[ChartPoint]) -> str:
    """The latest points beyond the outer limits, in words; empty if there are none."""
    named = [f"{_day(point)} ({_written(point.value)})" for point in points[-_MOST_NAMED:]]
    others = f"{len(points) - len(named)} earlier, " if len(points) > len(named) else ""
    return others + ", ".join(named) if points else ""


def _nights(count: int) -> str:
    return f"{count} {'night' if count == 1 else 'nights'}"


def _day(point: ChartPoint) -> str:
    return point.time[:10] or "no date"


def _written(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
