"""Correlation of two methods that measured the same slides.

Fisher's limits hold for normal measurements. Percentages of cell types are far from normal: most slides have few cells
of a type, and some have many. Limits by Fisher then cover too rarely, and more slides do not help. Here the jackknife
over slides gives the variance of Fisher's z, and Student's t allows for the small number of slides.
`benchmarks.correlation_limits` compares both by simulation.

Sources: Fisher, Metron 1921; 1: 3-32 (z); Bonett and Wright, Psychometrika 2000; 65: 23-28 (the variance for Spearman);
Hinkley, Biometrika 1978; 65: 13-21 (the jackknife of z).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Floats, at_least, fraction, numbers, same_length
from slidescreen.statistics.clusters import LEAST_SLIDES, jackknife, no_limits
from slidescreen.statistics.intervals import Interval
from slidescreen.statistics.roc import midranks

_LEAST_PAIRS = 4  # Fisher's variance is 1 / (n - 3)
_EXACT = 1 - 1e-12  # a larger correlation is 1 but for rounding


@dataclass(frozen=True)
class Correlation:
    """Pearson's r and Spearman's rank correlation of n pairs, from -1 to 1, with confidence limits.

    Both are NaN if one method gives all slides the same value.
    """

    n: int
    pearson: float
    pearson_interval: Interval[float]
    spearman: float
    spearman_interval: Interval[float]


def correlation(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Correlation:
    """How well two methods rank the same slides alike. A correlation says nothing of a bias between them.

    Args:
        a: measurements by one method, shape (n,), n at least 2, one for each slide.
        b: measurements by the other method, shape (n,).
        level: confidence level.

    Returns:
        The correlations. Their limits are NaN, noted "too few slides", for fewer than four slides, or if fewer than
        three slides differ from the commonest value of a method: then one or two slides make the whole correlation.

    Raises:
        ValueError: shapes differ, fewer than two pairs, values that are not finite, level outside (0, 1).
    """
    first, second = numbers(a, "a"), numbers(b, "b")
    same_length(a=first, b=second)
    at_least(first, 2, "a")
    fraction(level, "level")
    first_ranks, second_ranks = midranks(first), midranks(second)
    pearson, spearman = _pearson(first, second), _pearson(first_ranks, second_ranks)
    n = len(first)
    if n < _LEAST_PAIRS or min(_differing(first), _differing(second)) < LEAST_SLIDES:
        return Correlation(n, pearson, no_limits(level), spearman, no_limits(level))
    without = [
        (
            _pearson(np.delete(first, place), np.delete(second, place)),
            _pearson(_ranks_without(first, first_ranks, place), _ranks_without(second, second_ranks, place)),
        )
        for place in range(n)
    ]
    pearson_without, spearman_without = np.asarray(without).T
    return Correlation(
        n,
        pearson,
        _limits(pearson, pearson_without, 1.0, level),
        spearman,
        _limits(spearman, spearman_without, 1 + spearman**2 / 2, level),
    )


def _pearson(a: Floats, b: Floats) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    first, second = a - a.mean(), b - b.mean()
    return float(np.clip(first @ second / np.sqrt((first @ first) * (second @ second)), -1, 1))


def _ranks_without(values: Floats, ranks: Floats, place: int) -> Floats:
    """The ranks (n - 1,) of the other values if one is left out."""
    return np.delete(ranks - (values > values[place]) - (values == values[place]) / 2, place)


def _differing(values: Floats) -> int:
    """The number of slides that do not have the commonest value."""
    return len(values) - int(np.unique(values, return_counts=True)[1].max())


def _limits(value: float, without: Floats, factor: float, level: float) -> Interval[float]:
    """Limits by the jackknife on Fisher's z. They are never narrower than with the variance factor / (n - 3)."""
    n = len(without)
    z, left_out = float(_fisher_z(np.asarray([value]), n)[0]), _fisher_z(without, n)
    spread = jackknife(z, left_out, np.full(n, 1 / n))
    half = spread.student(level) * float(np.sqrt(max(spread.variance, factor / (n - 3))))
    return Interval(float(np.tanh(z - half)), float(np.tanh(z + half)), level)


def _fisher_z(correlations: Floats, n: int) -> Floats:
    """Fisher's z. It is infinite for 1, so 1 counts as a correlation of half a step of ranks less."""
    nearly = 1 - 6 / (n**3 - n)
    return np.asarray(np.arctanh(np.where(np.abs(correlations) > _EXACT, np.sign(correlations) * nearly, correlations)))
