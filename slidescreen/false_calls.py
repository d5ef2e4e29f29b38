"""How often an ensemble calls a cell of another type a blast (or immature), and how that clusters on slides.

Few false calls are certain ones. So a group's calls are tested from a certainty on, chosen on validation cells: the
one at which few true blasts among many other cells stand out best.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import NDArray

from slidescreen import cells

LEAST_CORRELATION = 1e-4
CERTAINTIES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)
_GREATEST_CORRELATION = 0.3
_LEAST_CELLS = 20  # on a slide, to say anything of its own rate
_LEAST_FALSE = 2  # in all: whether they cluster cannot be seen of fewer
# What the certainty is chosen for: a share of true members that is to be found, at a rate of false alarms.
_SLIDE, _SHARE, _ERROR_RATE = 200, 0.05, 0.01

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FalseCalls:
    """What validation cells say of the calls into one group.

    Attributes:
        certainty: only calls of cells whose probabilities of the group's types add up to this are counted, 0–1.
        counted: (K,) of the called leukocytes of each true type, those called into the group with that certainty.
        called: (K,) of the cells of each true type, those called a leukocyte.
        correlation: how strongly false calls cluster on slides: the intra-slide correlation of a beta-binomial
            distribution, 0.0001–0.3.
    """

    certainty: float
    counted: Counts
    called: Counts
    correlation: float = LEAST_CORRELATION

    def rates(self, positions: Sequence[int]) -> Floats:
        """How often a cell of each type at `positions` is counted, 0–1.

        Half a cell is added to the counted and one to all (Jeffreys), so that an error not seen on validation does
        not count as impossible.
        """
        return np.asarray((self.counted[positions] + 0.5) / (self.called[positions] + 1.0))


def others(cell_types: Sequence[str], members: Sequence[str]) -> list[int]:
    """Positions of the leukocyte types that are not `members`."""
    return [i for i in cells.indices(cell_types, cells.LEUKOCYTES) if cell_types[i] not in members]


def from_matrix(confusion: Counts, cell_types: Sequence[str], members: Sequence[str]) -> FalseCalls:
    """All calls, however certain, from a confusion matrix (rows true, columns called), slides taken as alike."""
    inside, leukocytes = cells.indices(cell_types, members), cells.indices(cell_types, cells.LEUKOCYTES)
    return FalseCalls(0.0, confusion[:, inside].sum(axis=1), confusion[:, leukocytes].sum(axis=1))


def measure(
    truth: Counts,
    called: Counts,
    probabilities: Floats,
    slides: Sequence[str],
    cell_types: Sequence[str],
    members: Sequence[str],
    call_correlation: float = 0.0,
) -> FalseCalls:
    """Measure false calls into a group at the certainty that finds few true members best.

    Promyelocytes are left out of the clustering of false blasts: they are called blasts on some slides and on others
    not, and would hide blasts on all slides. A slide with many of them is urgent by itself, whatever its blasts.

    Args:
        truth, called: (N,) type indices of validation cells that were called.
        probabilities: (N, K).
        slides: (N,) names, empty where unknown; such cells say nothing of clustering.
        cell_types: the K types.
        members: of the group.
        call_correlation: how the calls of one true type vary between slides, 0–1.
    """
    inside, leukocytes = cells.indices(cell_types, members), cells.indices(cell_types, cells.LEUKOCYTES)
    foreign = others(cell_types, members)
    passed_over = cells.indices(cell_types, cells.BLAST_EQUIVALENTS) if set(members) == set(cells.BLASTS) else []
    looked_at = np.isin(called, leukocytes) & np.isin(truth, foreign) & ~np.isin(truth, passed_over)
    names = np.asarray(slides)[looked_at]
    certainty_of = probabilities[:, inside].sum(axis=1)
    total = np.bincount(truth[np.isin(called, leukocytes)], minlength=len(cell_types))
    found = []
    for certainty in CERTAINTIES:
        counted = np.isin(called, inside) & (certainty_of >= certainty)
        measured = FalseCalls(certainty, np.bincount(truth[counted], minlength=len(cell_types)), total)
        rate_of = dict(zip(foreign, measured.rates(foreign).tolist(), strict=True))
        rates = np.asarray([rate_of[t] for t in truth[looked_at].tolist()])
        found.append(replace(measured, correlation=slide_correlation(counted[looked_at], names, rates)))
    return max(found, key=lambda each: power(each, inside, foreign, call_correlation))


def power(
    false_calls: FalseCalls, inside: Sequence[int], foreign: Sequence[int], call_correlation: float = 0.0
) -> float:
    """The chance, 0–1, that a slide of 200 leukocytes with 5% true members is flagged, at 1% false alarms.

    Args:
        false_calls: measured at one certainty.
        inside, foreign: positions of the group's types, and of the other leukocytes; these are as on validation.
        call_correlation: how the share of the true members that is found varies between slides, 0–1. What is found
            on one slide and missed on the next is worth less than what is found on each in part.
    """
    total = false_calls.called
    rate = float(np.average(false_calls.rates(foreign), weights=total[foreign])) if total[foreign].any() else 0.5
    found = float((false_calls.counted[inside].sum() + 0.5) / (total[inside].sum() + 1.0))
    limits = (
        k for k in range(1, _SLIDE + 1) if tail_probability(k, _SLIDE, rate, false_calls.correlation) < _ERROR_RATE
    )
    least = next(limits, _SLIDE + 1)
    members = round(_SHARE * _SLIDE)
    counted = np.convolve(
        _distribution(members, found, call_correlation),
        _distribution(_SLIDE - members, rate, false_calls.correlation),
    )
    return float(counted[least:].sum())


def slide_correlation(false: NDArray[np.bool_], slides: NDArray[np.str_], rates: Floats) -> float:
    """How strongly false calls cluster on slides, by maximum likelihood of a beta-binomial distribution.

    Args:
        false: (N,) whether each validation cell was falsely called.
        slides: (N,) names, empty where unknown; such cells say nothing here.
        rates: (N,) how often a cell of such a type is; a slide's mean is that of its own cells.

    Returns:
        The intra-slide correlation, from 0.0001 to 0.3; the least where no slide has enough cells, or hardly
        any call is false.
    """
    groups = [slides == name for name in sorted(set(slides.tolist()) - {""})]
    usable = [here for here in groups if here.sum() >= _LEAST_CELLS]
    totals = np.asarray([here.sum() for here in usable])
    counts = np.asarray([false[here].sum() for here in usable])
    if counts.sum() < _LEAST_FALSE:
        return LEAST_CORRELATION
    means = np.asarray([rates[here].mean() for here in usable])

    def loss(log_correlation: float) -> float:
        scale = 1 / np.exp(log_correlation) - 1
        return -float(scipy.stats.betabinom.logpmf(counts, totals, means * scale, (1 - means) * scale).sum())

    bounds = (np.log(LEAST_CORRELATION), np.log(_GREATEST_CORRELATION))
    best = scipy.optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(best.x))


def tail_probability(count: int, total: int, rate: float, correlation: float) -> float:
    """The probability of `count` or more false calls among `total` cells at a mean rate that varies by slide."""
    scale = _scale(correlation)
    return float(scipy.stats.betabinom.sf(count - 1, total, rate * scale, (1 - rate) * scale))


def _distribution(total: int, rate: float, correlation: float) -> Floats:
    """The probability of each count from 0 to `total` at a mean rate that varies by slide."""
    scale = _scale(correlation)
    return np.asarray(scipy.stats.betabinom.pmf(np.arange(total + 1), total, rate * scale, (1 - rate) * scale))


def _scale(correlation: float) -> float:
    return 1 / max(correlation, LEAST_CORRELATION) - 1
