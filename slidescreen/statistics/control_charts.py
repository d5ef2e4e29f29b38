"""Levey–Jennings control charts: limits from the first values of a series, and each value's deviation.

Source: Levey and Jennings, *The use of control charts in the clinical laboratory* (Am J Clin Pathol 1950).
Twenty values for the limits follow CLSI C24.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIRST_VALUES = 20
LEAST_VALUES = 10
"""With fewer values than this there are no limits. With fewer than `FIRST_VALUES` they are provisional."""


@dataclass(frozen=True)
class ControlLimits:
    """Mean and standard deviation of the first `values` values of a series."""

    mean: float
    deviation: float
    values: int

    @property
    def provisional(self) -> bool:
        """Whether the limits will change with the next value."""
        return self.values < FIRST_VALUES

    def deviations(self, value: float) -> float:
        """The distance of a value from the mean in standard deviations; negative below the mean."""
        return (value - self.mean) / self.deviation


@dataclass(frozen=True)
class ChartPoint:
    """One night: its time as text, its number of slides, a figure's value, and whether it is the current run."""

    time: str
    slides: int
    value: float
    this_run: bool


@dataclass(frozen=True)
class ControlChart:
    """A figure over the nights, oldest first; `limits` are None while there are too few nights."""

    figure: str
    name: str
    points: tuple[ChartPoint, ...]
    limits: ControlLimits | None

    def deviations(self, point: ChartPoint) -> float:
        """A point's standard deviations from the mean; 0 while there are no limits."""
        return self.limits.deviations(point.value) if self.limits else 0.0


def control_limits(values: Sequence[float], least_deviation: float) -> ControlLimits | None:
    """The limits of a series by its first `FIRST_VALUES` values; None with fewer than `LEAST_VALUES`.

    Args:
        values: oldest first.
        least_deviation: the smallest standard deviation to use. Smaller differences do not matter.

    >>> control_limits([5.0] * 20 + [99.0], 0.1)
    ControlLimits(mean=5.0, deviation=0.1, values=20)
    """
    first = np.asarray(values[:FIRST_VALUES], dtype=np.float64)
    if len(first) < LEAST_VALUES:
        return None
    return ControlLimits(float(first.mean()), max(float(first.std(ddof=1)), least_deviation), len(first))
