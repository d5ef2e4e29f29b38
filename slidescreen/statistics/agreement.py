"""Agreement of two methods that measured the same slides, for instance a model and a laboratory."""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Floats, at_least, fraction, numbers, same_length
from slidescreen.statistics.intervals import Interval, normal_quantile


@dataclass(frozen=True)
class BlandAltman:
    """Differences a - b, in the unit of the measurements.

    Attributes:
        n: pairs.
        bias: mean difference.
        sd: standard deviation of the differences.
        limits: limits of agreement, bias - z sd and bias + z sd. They hold a fraction `level` of normal differences.
        bias_interval: confidence limits of the bias.
        low_interval: confidence limits of the lower limit of agreement.
        high_interval: confidence limits of the upper limit of agreement.
    """

    n: int
    bias: float
    sd: float
    limits: Interval[float]
    bias_interval: Interval[float]
    low_interval: Interval[float]
    high_interval: Interval[float]


@dataclass(frozen=True)
class PassingBablok:
    """The line y = intercept + slope · x, with confidence limits of both; n pairs."""

    n: int
    slope: float
    intercept: float
    slope_interval: Interval[float]
    intercept_interval: Interval[float]


def bland_altman(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> BlandAltman:
    """Bias and limits of agreement of two methods.

    Args:
        a: measurements by one method, shape (n,), n at least 2, one for each slide.
        b: measurements by the other method, shape (n,).
        level: level of the limits of agreement, and of the confidence limits of all three lines.

    Raises:
        ValueError: shapes differ, fewer than two pairs, values that are not finite, level outside (0, 1).

    Source: Bland and Altman, Lancet 1986; 1: 307-310; the errors of the limits by Statistical Methods in
    Medical Research 1999; 8: 135-160.
    """
    first, second = _pairs(a, b, ("a", "b"))
    n = len(first)
    differences = first - second
    bias, sd = float(np.mean(differences)), float(np.std(differences, ddof=1))
    z = normal_quantile(level)
    student = float(scipy.special.stdtrit(n - 1, (1 + level) / 2))
    of_bias = student * sd * np.sqrt(1 / n)
    of_limit = student * sd * np.sqrt(1 / n + z**2 / (2 * (n - 1)))
    return BlandAltman(
        n=n,
        bias=bias,
        sd=sd,
        limits=_around(bias, z * sd, level),
        bias_interval=_around(bias, of_bias, level),
        low_interval=_around(bias - z * sd, of_limit, level),
        high_interval=_around(bias + z * sd, of_limit, level),
    )


def passing_bablok(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> PassingBablok:
    """Regression for two methods that both have errors. It is robust to outliers and assumes no distribution.

    The slope is the shifted median of the slopes between all pairs of points. Exchanging the methods inverts it,
    exactly so for an odd number of slopes. Equal points have no slope, a slope of exactly -1 is left out, and a
    vertical slope counts as plus infinity. Memory grows with n²: 0.1 GB for 2,000 pairs.

    Args:
        x: measurements by the method to compare with, shape (n,), n at least 2, one for each slide.
        y: measurements by the other method, shape (n,). The regression is made for a positive relation.
        level: level of the confidence limits.

    Returns:
        Slope and intercept. They are NaN if the median slope is vertical (x hardly varies), or if the relation is so
        negative that the shift goes past the last slope. A confidence limit is infinite if there are too few slopes
        to bound it. The limits of the intercept are those of the paper. They follow from the slope's limits alone,
        without the scatter about the line, so they cover less often than the level, most so if x is near 0.

    Raises:
        ValueError: shapes differ, fewer than two pairs, values that are not finite, level outside (0, 1).

    Source: Passing and Bablok, Journal of Clinical Chemistry and Clinical Biochemistry 1983; 21: 709-720.
    """
    first, second = _pairs(x, y, ("x", "y"))
    fraction(level, "level")
    n = len(first)
    slopes = _pairwise_slopes(first, second)
    shift = int(np.count_nonzero(slopes < -1))
    slope = _shifted_median(slopes, shift)
    if not np.isfinite(slope):
        unknown = Interval(np.nan, np.nan, level)
        return PassingBablok(n, np.nan, np.nan, unknown, unknown)
    low, high = _slope_limits(slopes, shift, n, level)
    return PassingBablok(
        n=n,
        slope=slope,
        intercept=float(np.median(second - slope * first)),
        slope_interval=Interval(low, high, level),
        intercept_interval=Interval(
            float(np.median(second - high * first)) if np.isfinite(high) else -np.inf,
            float(np.median(second - low * first)) if np.isfinite(low) else np.inf,
            level,
        ),
    )


def _pairs(a: ArrayLike, b: ArrayLike, names: tuple[str, str]) -> tuple[Floats, Floats]:
    first, second = numbers(a, names[0]), numbers(b, names[1])
    same_length(**{names[0]: first, names[1]: second})
    at_least(first, 2, names[0])
    return first, second


def _around(centre: float, reach: float, level: float) -> Interval[float]:
    return Interval(float(centre - reach), float(centre + reach), float(level))


def _pairwise_slopes(x: Floats, y: Floats) -> Floats:
    """Slopes between all pairs of distinct points, sorted, without those of -1."""
    earlier, later = np.triu_indices(len(x), 1)
    run, rise = x[later] - x[earlier], y[later] - y[earlier]
    distinct = (run != 0) | (rise != 0)
    run, rise = run[distinct], rise[distinct]
    # The sign of a vertical slope would depend on the order of its points. The shift makes -inf and +inf equivalent:
    # a slope of -inf adds one to the shift, and one to the front of the order.
    slopes = np.full(len(run), np.inf)
    np.divide(rise, run, out=slopes, where=run != 0)
    result: Floats = np.sort(slopes[slopes != -1])
    return result


def _shifted_median(slopes: Floats, shift: int) -> float:
    """Mean of the one or two middle slopes, `shift` places up; NaN if that is past the end."""
    middle = [(len(slopes) - 1) // 2 + shift, len(slopes) // 2 + shift]
    if middle[1] >= len(slopes):
        return float("nan")
    return float(np.mean(slopes[middle]))


def _slope_limits(slopes: Floats, shift: int, n: int, level: float) -> tuple[float, float]:
    reach = normal_quantile(level) * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    rank = round((len(slopes) - reach) / 2)
    low, high = rank + shift - 1, len(slopes) - rank + shift
    return (
        float(slopes[low]) if low >= 0 else -np.inf,
        float(slopes[high]) if high < len(slopes) else np.inf,
    )
