"""Confidence limits of a proportion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import NDArray

from slidescreen.statistics.arrays import Floats, Ints, counts, fraction

Count = int | np.integer[Any]
Counts = Sequence[int] | NDArray[Any]
Limit = TypeVar("Limit", float, Floats)


@dataclass(frozen=True)
class Interval(Generic[Limit]):
    """Two-sided confidence limits: floats for one quantity, arrays of one shape for several.

    `note` says in a few words why there are no limits; else it is empty.
    """

    low: Limit
    high: Limit
    level: float
    note: str = ""


def normal_quantile(level: float) -> float:
    """Half-width in standard errors of the normal interval at `level`: 1.96 at 0.95.

    Raises:
        ValueError: the level is not between 0 and 1.
    """
    return float(scipy.special.ndtri((1 + fraction(level, "level")) / 2))


@overload
def wilson(successes: Count, n: Count, level: float = ...) -> Interval[float]: ...
@overload
def wilson(successes: Counts, n: Counts | Count, level: float = ...) -> Interval[Floats]: ...
def wilson(successes: Counts | Count, n: Counts | Count, level: float = 0.95) -> Interval[float] | Interval[Floats]:
    """Wilson's score limits of a proportion. On average their coverage is close to the level; it can be below it.

    Args:
        successes: counts from 0 to n, one or any shape.
        n: trials, one or a shape that broadcasts with `successes`. Without trials (n = 0) nothing is known
            and the limits are 0 and 1.
        level: confidence level.

    Returns:
        Fractions; floats for two single counts, else arrays of the broadcast shape.

    Raises:
        ValueError: not whole counts, successes above n, shapes that do not broadcast, level outside (0, 1).

    Source: Wilson, Journal of the American Statistical Association 1927; 22: 209-212.

    >>> limits = wilson(0, 100)
    >>> round(limits.low, 4), round(limits.high, 4)
    (0.0, 0.037)
    """
    z2 = normal_quantile(level) ** 2

    def limits(found: Ints, trials: Ints) -> tuple[Floats, Floats]:
        share = found / trials
        centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
        spread = np.sqrt(z2 * share * (1 - share) / trials + (z2 / (2 * trials)) ** 2) / (1 + z2 / trials)
        return np.asarray(centre - spread), np.asarray(centre + spread)

    return _interval(successes, n, level, limits)


@overload
def clopper_pearson(successes: Count, n: Count, level: float = ...) -> Interval[float]: ...
@overload
def clopper_pearson(successes: Counts, n: Counts | Count, level: float = ...) -> Interval[Floats]: ...
def clopper_pearson(
    successes: Counts | Count, n: Counts | Count, level: float = 0.95
) -> Interval[float] | Interval[Floats]:
    """Exact limits of a proportion, by inverting the binomial tails. Their coverage is never below the level.

    Args:
        successes: counts from 0 to n, one or any shape.
        n: trials, one or a shape that broadcasts with `successes`. Without trials (n = 0) nothing is known
            and the limits are 0 and 1.
        level: confidence level.

    Returns:
        Fractions; floats for two single counts, else arrays of the broadcast shape.

    Raises:
        ValueError: not whole counts, successes above n, shapes that do not broadcast, level outside (0, 1).

    Source: Clopper and Pearson, Biometrika 1934; 26: 404-413, as quantiles of beta distributions.

    >>> limits = clopper_pearson(0, 100)
    >>> round(limits.low, 4), round(limits.high, 4)
    (0.0, 0.0362)
    """
    tail = (1 - fraction(level, "level")) / 2

    def limits(found: Ints, trials: Ints) -> tuple[Floats, Floats]:
        low = scipy.special.betaincinv(np.maximum(found, 1), trials - found + 1, tail)
        high = scipy.special.betaincinv(found + 1, np.maximum(trials - found, 1), 1 - tail)
        return low, high

    return _interval(successes, n, level, limits)


def trials_to_decide(share: float, cut_off: float, level: float = 0.95, most: int = 5000) -> int | None:
    """The smallest number of trials, a multiple of ten, at which the exact limits about `share` exclude `cut_off`.

    Args:
        share: the observed proportion, rounded to whole counts.
        cut_off: the proportion that the limits must exclude.
        level: confidence level.
        most: the largest number to try.

    Returns:
        The number, or None if even `most` trials do not suffice.

    Raises:
        ValueError: share, cut-off or level is not a fraction.

    >>> trials_to_decide(0.0, 0.05)
    80
    """
    fraction(share, "share", ends=True)
    fraction(cut_off, "cut_off", ends=True)
    trials = np.arange(10, most + 1, 10)
    limits = clopper_pearson(np.rint(share * trials).astype(np.int64), trials, level)
    decided = np.flatnonzero((limits.low > cut_off) | (limits.high < cut_off))
    return int(trials[decided[0]]) if decided.size else None


def _interval(
    successes: Counts | Count,
    n: Counts | Count,
    level: float,
    limits: Callable[[Ints, Ints], tuple[Floats, Floats]],
) -> Interval[float] | Interval[Floats]:
    """Check the counts, compute `limits` for those with trials, and make limits of 0 and 1 exact."""
    found, trials = counts(successes, "successes"), counts(n, "n")
    try:
        found, trials = np.broadcast_arrays(found, trials)
    except ValueError:
        raise ValueError(
            f"successes and n must broadcast, received the shapes {found.shape} and {trials.shape}"
        ) from None
    if (found > trials).any():
        worst = np.argmax((found > trials).ravel())
        raise ValueError(f"successes must be at most n, received {found.flat[worst]} of {trials.flat[worst]}")
    low, high = limits(found, np.maximum(trials, 1))
    low = np.where(found == 0, 0.0, low)
    high = np.where(found == trials, 1.0, high)
    if low.ndim == 0:
        return Interval(float(low), float(high), float(level))
    return Interval(low, high, float(level))
