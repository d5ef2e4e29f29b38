"""Limits and tests for cells from several slides, even from few slides.

Cells of one slide share a stain, a scanner and a patient, so their errors are correlated. Limits that take cells as
independent are too narrow. Resampling whole slides corrects this for dozens of slides, but not for three, because it
draws the same three too often. Here the jackknife over slides gives the variance. Student's t allows for the small
number of slides, counted as effective slides (Kish) if they differ in size. Limits of bounded figures are exact
binomial limits for the effective number of cells, so they stay within the bounds (Korn and Graubard).
`benchmarks.few_slides` shows by simulation that limits and tests keep their level from three slides on.

The variance of a difference between two models is never below that of independent cells whose two calls chance could
exchange, as if both models were equally good (the variance in McNemar's test). Otherwise a type with three cells, all
found by one model and none by the other, would have no variance at all, and its difference would be certain.

Sources: Bell and McCaffrey, Survey Methodology 2002; 28: 169-181 (the jackknife over clusters, and Student's t);
Kish, Survey Sampling, 1965, section 11.7 (the effective number); Korn and Graubard, Survey Methodology 1998; 24:
193-201 (exact limits).
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import ArrayLike

from slidescreen.statistics import paired, roc
from slidescreen.statistics.arrays import (
    Bools,
    Floats,
    Ints,
    at_least,
    fraction,
    one_dimensional,
    same_length,
    truth_values,
)
from slidescreen.statistics.intervals import Interval, normal_quantile
from slidescreen.statistics.paired import PairedDifference

LEAST_SLIDES = 3
TOO_FEW = "too few slides"
ALIKE = "no cells differ"


@dataclass(frozen=True)
class Spread:
    """The variance of an estimate, and the degrees of freedom of this variance."""

    variance: float
    degrees: float

    def student(self, level: float) -> float:
        """The half-width of the two-sided limits, in standard errors."""
        return float(scipy.special.stdtrit(self.degrees, (1 + level) / 2))


def rate_limits(
    successes: ArrayLike, trials: ArrayLike, level: float = 0.95, most_cells: float | None = None
) -> Interval[float]:
    """Limits of a rate: the successes of all slides divided by their trials.

    Args:
        successes: successes of each slide, shape (G,), from 0 to its trials.
        trials: trials of each slide, shape (G,). Slides without trials do not count.
        level: confidence level.
        most_cells: the limits are never narrower than those of so many independent cells; None for the trials.

    Returns:
        Limits from 0 to 1; NaN, noted "too few slides", if fewer than three slides have trials.

    Raises:
        ValueError: shapes differ, or the level is not between 0 and 1.
    """
    hits, tried = (np.asarray(one_dimensional(each, "counts"), dtype=np.float64) for each in (successes, trials))
    same_length(successes=hits, trials=tried)
    hits, tried = hits[tried > 0], tried[tried > 0]
    whole = float(tried.sum())
    if len(tried) < LEAST_SLIDES:
        return no_limits(level)
    value = float(hits.sum()) / whole
    without = (hits.sum() - hits) / (whole - tried)
    return bounded_limits(value, jackknife(value, without, tried / whole), most_cells or whole, level)


def rate_difference(right_a: ArrayLike, right_b: ArrayLike, slides: ArrayLike, level: float = 0.95) -> PairedDifference:
    """Compare how often two models are right on the same cells (a - b). For cells of one type this is the recall.

    Args:
        right_a, right_b: booleans of shape (n,), n at least 1.
        slides: name or number of each cell's slide, shape (n,).
        level: confidence level.

    Returns:
        Limits, from -1 to 1, and p of Student's t; NaN, noted "too few slides", for fewer than three. p is never below
        McNemar's. If both models are right on the same cells, p is 1, and the limits are NaN, noted "no cells differ".

    Raises:
        ValueError: shapes differ, no cells, not booleans, or the level is not between 0 and 1.
    """
    a, b = truth_values(right_a, "right_a"), truth_values(right_b, "right_b")
    names = one_dimensional(slides, "slides")
    same_length(right_a=a, right_b=b, slides=names)
    at_least(a, 1, "right_a")
    fraction(level, "level")
    gains = a.astype(np.float64) - b
    difference = float(gains.mean())
    _, slide, cells = np.unique(names, return_inverse=True, return_counts=True)
    if len(cells) < LEAST_SLIDES:
        return PairedDifference(difference, no_limits(level), float("nan"))
    of_slides = np.bincount(slide, weights=gains)
    without = (gains.sum() - of_slides) / (len(gains) - cells)
    spread = jackknife(difference, without, cells / len(gains))
    least = float(np.sum(gains**2)) / (len(gains) * (len(gains) - 1))
    found = tested(difference, spread, least, level)
    low, high = max(found.interval.low, -1.0), min(found.interval.high, 1.0)  # one large slide gives limits beyond
    limits = replace(found.interval, low=low, high=high)
    return replace(found, interval=limits, p=max(found.p, paired.mcnemar(a, b).p))


def auroc_limits(positive: ArrayLike, scores: ArrayLike, slides: ArrayLike, level: float = 0.95) -> Interval[float]:
    """Limits of the AUROC over slides. They are never narrower than by DeLong's variance for independent cells.

    Returns:
        Limits from 0 to 1; NaN, noted "too few slides", if positives or negatives lie on fewer than three slides.

    Raises:
        ValueError: as `roc.auroc`.
    """
    truth = truth_values(positive, "positive")
    found = _ranked(truth, slides)
    if found is None:
        return no_limits(level)
    slide, weights = found
    area = roc.auroc(truth, scores)
    spread = jackknife(area, area + _left_out(roc.influences(truth, scores), slide, weights), weights)
    singly = roc.delong_variance(truth, scores)
    fewest = float(min(np.count_nonzero(truth), np.count_nonzero(~truth)))
    worth = area * (1 - area) / singly if singly > 0 else fewest
    return bounded_limits(area, spread, worth, level)


def auroc_difference(
    positive: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, slides: ArrayLike, level: float = 0.95
) -> PairedDifference:
    """Compare the AUROCs of two scores of the same cells over slides (a - b).

    Raises:
        ValueError: as `roc.auroc`.

    Source: the influence of each cell is DeLong's, summed over slides as by Obuchowski, Biometrics 1997; 53: 567-578.
    """
    truth = truth_values(positive, "positive")
    difference = roc.auroc(truth, scores_a) - roc.auroc(truth, scores_b)
    found = _ranked(truth, slides)
    if found is None:
        return PairedDifference(difference, no_limits(level), float("nan"))
    slide, weights = found
    influences = roc.influences(truth, scores_a) - roc.influences(truth, scores_b)
    spread = jackknife(difference, difference + _left_out(influences, slide, weights), weights)
    least = float(np.sum(influences**2)) + difference**2 * (1 / np.count_nonzero(truth) + 1 / np.count_nonzero(~truth))
    return tested(difference, spread, least, level)


def no_limits(level: float, note: str = TOO_FEW) -> Interval[float]:
    """The result if there are too few slides for limits, or none for the reason in `note`."""
    return Interval(np.nan, np.nan, fraction(level, "level"), note)


def _ranked(truth: Bools, slides: ArrayLike) -> tuple[Ints, Floats] | None:
    """Each cell's slide by number, and each slide's weight in an AUROC. None if a class lies on too few slides."""
    names = one_dimensional(slides, "slides")
    same_length(positive=truth, slides=names)
    distinct, slide = np.unique(names, return_inverse=True)
    sides = [np.bincount(slide[side], minlength=len(distinct)) for side in (truth, ~truth)]
    if min(np.count_nonzero(side) for side in sides) < LEAST_SLIDES:
        return None
    weights = np.mean([side / side.sum() for side in sides], axis=0)
    return slide.astype(np.int64), np.asarray(weights, dtype=np.float64)


def _left_out(influences: Floats, slide: Ints, weights: Floats) -> Floats:
    """The change by leaving out each slide, from the influences of its cells."""
    return -np.bincount(slide, weights=influences, minlength=len(weights)) / (1 - weights)


def jackknife(value: float, without: Floats, weights: Floats) -> Spread:
    """The spread of an estimate.

    Args:
        value: the estimate from all slides.
        without: the estimate without each slide, shape (G,).
        weights: each slide's weight in the estimate, shape (G,), adding up to 1.
    """
    count = len(without)
    variance = (count - 1) / count * float(np.sum((without - value) ** 2))
    return Spread(variance, max(1.0, 1 / float(np.sum(weights**2)) - 1))


def bounded_limits(value: float, spread: Spread, worth: float, level: float, lowest: float = 0.0) -> Interval[float]:
    """Exact binomial limits, between `lowest` and 1, for the number of independent cells that has this variance."""
    reach = 1 - lowest
    share, variance = (value - lowest) / reach, spread.variance / reach**2
    effective = min(worth, share * (1 - share) / variance) if variance > 0 else worth
    effective *= (normal_quantile(level) / spread.student(level)) ** 2
    hits, misses, tail = share * effective, (1 - share) * effective, (1 - level) / 2
    low = float(scipy.special.betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    high = float(scipy.special.betaincinv(hits + 1, misses, 1 - tail)) if misses > 0 else 1.0
    return Interval(lowest + reach * min(low, share), lowest + reach * max(high, share), level)


def tested(difference: float, spread: Spread, least: float, level: float) -> PairedDifference:
    """Limits and p of a difference, by Student's t. A variance below `least` is replaced by `least`.

    Without any variance nothing is known of the limits. They are NaN, noted "no cells differ", and p is 1.
    """
    variance = max(spread.variance, least)
    if variance == 0:
        return PairedDifference(difference, Interval(np.nan, np.nan, level, ALIKE), 1.0)
    error = float(np.sqrt(variance))
    half = spread.student(level) * error
    p = 2 * float(scipy.special.stdtr(spread.degrees, -abs(difference) / error))
    return PairedDifference(difference, Interval(difference - half, difference + half, level), p)
