"""False calls into a group: how often cells of other types are called blasts (or immature), and how they cluster.

Few false calls are certain. So only calls above a certainty are tested. The certainty is chosen on validation cells, so
that a few true blasts among many other cells stand out best. Of equally good ones the highest is chosen: certain errors
are rare on all slides, other errors only where slides look like those of the validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.statistics.beta_binomial import log_probability, upper_tail

LEAST_CORRELATION = 1e-4
CERTAINTIES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)
_GREATEST_CORRELATION = 0.3
_RARER = 0.5  # prior odds of each order of magnitude of the correlation against the next lower one
MOST_UNSEEN = 0.003  # upper bound of the rate of an error that was not seen on validation
_DOUBT = 20  # pseudo-cells added to a type's cells, which shrinks rates from few cells towards 0
_MANY = 0.05  # of the leukocytes; on slides with more true members, cells of other labels are often members too
_LEAST_CELLS = 20  # the fewest cells on a slide that show its own rate
_LEAST_SLIDES = 3  # the fewest slides without many members that suffice alone for the clustering
_LEAST_SUPPORT = 50  # the fewest cells of a type that suffice alone for its rate
_STEPS, _PROBABLY = 200, 2 / 3
# The certainty is chosen to find this share of true members at this rate of false alarms.
_SLIDE, _SHARE, _ERROR_RATE = 200, 0.05, 0.01
# A higher certainty is as good as the best if its power is this close, and if it keeps this share of true calls.
_AS_GOOD, _KEPT = 0.01, 0.95

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FalseCalls:
    """The calls of validation cells into one group.

    Attributes:
        certainty: a call counts if the probabilities of the group's types add up to this or more, 0–1.
        counted: (K,) for each true type, the cells called into the group with this certainty.
        called: (K,) for each true type, the cells called a leukocyte. For types outside the group, cells of slides with
            many members of the group are in neither count, if there are enough other cells.
        correlation: how strongly false calls cluster on slides: the intra-slide correlation of a beta-binomial
            distribution, 0.0001–0.3.
    """

    certainty: float
    counted: Counts
    called: Counts
    correlation: float = LEAST_CORRELATION

    def rates(self, positions: Sequence[int]) -> Floats:
        """The rate at which cells of each type at `positions` are counted, 0–1.

        An unseen error is still possible, so half a cell (Jeffreys) is added. But unmeasured errors must not explain
        true blasts. So this adds at most `MOST_UNSEEN`, and rates from few cells are shrunk towards 0. With many cells
        both effects vanish.
        """
        seen = self.counted[positions] / (self.called[positions] + _DOUBT)
        unseen = np.minimum(0.5 / (self.called[positions] + 1.0), MOST_UNSEEN)
        return np.asarray(seen + unseen)


def others(cell_types: Sequence[str], members: Sequence[str]) -> list[int]:
    """Positions of the leukocyte types that are not `members`."""
    return [i for i in cells.indices(cell_types, cells.LEUKOCYTES) if cell_types[i] not in members]


def from_matrix(confusion: Counts, cell_types: Sequence[str], members: Sequence[str]) -> FalseCalls:
    """False calls of any certainty from a confusion matrix (rows true, columns called), as if slides were alike."""
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
    """Measure false calls into a group, at the certainty that is best at finding few true members.

    With fewer than fifty true members the certainty of their calls is unknown, and every call counts.

    Slides with many true members are left out: of a type's rate if fifty of its cells remain, on however few slides;
    of the clustering if three other slides remain. The test concerns slides without true members, and among a patient's
    blasts cells with another label are often blasts. For the clustering of false blasts promyelocytes are left out:
    some slides' promyelocytes are called blasts and others' are not, and this variation would hide blasts on all
    slides. A slide with many promyelocytes is urgent anyway.

    Args:
        truth, called: (N,) type indices of validation cells that were called.
        probabilities: (N, K).
        slides: (N,) names, empty if unknown. Cells of unknown slides do not count for the clustering.
        cell_types: the K types.
        members: the group's types.
        call_correlation: the variation between slides of the calls of one true type, 0–1.
    """
    inside, leukocytes = cells.indices(cell_types, members), cells.indices(cell_types, cells.LEUKOCYTES)
    foreign = others(cell_types, members)
    passed_over = cells.indices(cell_types, cells.BLAST_EQUIVALENTS) if set(members) == set(cells.BLASTS) else []
    looked_at = np.isin(called, leukocytes) & np.isin(truth, foreign) & ~np.isin(truth, passed_over)
    certainty_of = probabilities[:, inside].sum(axis=1)
    clean = ~_on_slides_of_members(truth, slides, inside, leukocytes)
    if len(_large(np.asarray(slides)[looked_at & clean])) >= _LEAST_SLIDES:
        looked_at &= clean
    names = np.asarray(slides)[looked_at]
    few = np.bincount(truth[clean], minlength=len(cell_types)) < _LEAST_SUPPORT
    telling = clean | few[truth] | np.isin(truth, inside)
    total = np.bincount(truth[np.isin(called, leukocytes) & telling], minlength=len(cell_types))
    found = []
    enough = total[inside].sum() >= _LEAST_SUPPORT
    for certainty in CERTAINTIES if enough else CERTAINTIES[:1]:
        counted = np.isin(called, inside) & (certainty_of >= certainty)
        measured = FalseCalls(certainty, np.bincount(truth[counted & telling], minlength=len(cell_types)), total)
        rate_of = dict(zip(foreign, measured.rates(foreign).tolist(), strict=True))
        rates = np.asarray([rate_of[t] for t in truth[looked_at].tolist()])
        found.append(replace(measured, correlation=slide_correlation(counted[looked_at], names, rates)))
    powers = [power(each, inside, foreign, call_correlation) for each in found]
    best = powers.index(max(powers))
    least, enough_kept = powers[best] - _AS_GOOD, _KEPT * found[0].counted[inside].sum()
    pairs = list(zip(found, powers, strict=True))[best:]
    as_good = [each for each, its in pairs if its >= least and each.counted[inside].sum() >= enough_kept]
    return as_good[-1] if as_good else found[best]


def _on_slides_of_members(
    truth: Counts, slides: Sequence[str], inside: Sequence[int], leukocytes: Sequence[int]
) -> NDArray[np.bool_]:
    """(N,) whether a cell's slide has many true members; False for cells of unknown slides."""
    names = np.asarray(slides)
    found = np.zeros(len(truth), bool)
    for name in set(names.tolist()) - {""}:
        here = names == name
        members, all_of_them = np.isin(truth[here], inside).sum(), np.isin(truth[here], leukocytes).sum()
        found |= here & bool(members >= _MANY * max(1, all_of_them))
    return found


def _large(slides: NDArray[np.str_]) -> list[str]:
    """Names of the slides with enough cells to show their own rate."""
    names, counts = np.unique(slides[slides != ""], return_counts=True)
    return [str(name) for name in names[counts >= _LEAST_CELLS]]


def power(
    false_calls: FalseCalls, inside: Sequence[int], foreign: Sequence[int], call_correlation: float = 0.0
) -> float:
    """The chance, 0–1, that a slide of 200 leukocytes with 5% true members is flagged, at 1% false alarms.

    Args:
        false_calls: false calls measured at one certainty.
        inside, foreign: positions of the group's types, and of the other leukocytes. The slide's other leukocytes are
            mixed as on validation.
        call_correlation: the variation between slides of the share of true members that is found, 0–1. Finding all
            members on half the slides is worth less than finding half of them on every slide.
    """
    total = false_calls.called
    weights = total[foreign] if total[foreign].any() else None
    rate = float(np.average(false_calls.rates(foreign), weights=weights))
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
    """How strongly false calls cluster on slides: the intra-slide correlation of a beta-binomial distribution.

    The result is the quantile of two thirds of the posterior. From 0.0001 to 0.3 the prior of each order of magnitude
    is half that of the next lower one. False calls and slides are few. So the most likely value would often be one of
    these ends, and too low half of the time. Without data the result is only 0.0022, because unmeasured errors must not
    explain true blasts.

    Args:
        false: (N,) whether each validation cell was falsely called.
        slides: (N,) names, empty if unknown. Cells of unknown slides do not count.
        rates: (N,) the rate of false calls for the type of each cell. A slide's mean rate is the mean of its cells,
            scaled to the observed number of false calls on all slides.

    Returns:
        The correlation, from 0.0001 to 0.3; 0.0022 if no slide has enough cells, or none has a false call.
    """
    usable = [slides == name for name in _large(slides)]
    totals = np.asarray([here.sum() for here in usable], dtype=np.int64)
    counts = np.asarray([false[here].sum() for here in usable], dtype=np.int64)
    means = np.asarray([rates[here].mean() for here in usable])
    means = np.minimum(means * counts.sum() / max(float(means @ totals), 1e-12), 0.99)
    tried = np.geomspace(LEAST_CORRELATION, _GREATEST_CORRELATION, _STEPS)
    scale = _scale(tried[:, None])
    likelihood = np.zeros(_STEPS)
    if counts.any():
        likelihood = log_probability(counts, totals, means * scale, (1 - means) * scale).sum(axis=1)
    before = np.log10(tried) * np.log(_RARER)
    below = np.cumsum(np.exp(likelihood + before - (likelihood + before).max()))
    return float(np.exp(np.interp(_PROBABLY, below / below[-1], np.log(tried))))


def tail_probability(count: int, total: int, rate: float, correlation: float) -> float:
    """The probability of `count` or more false calls among `total` cells. The rate varies by slide about its mean."""
    scale = float(_scale(correlation))
    return upper_tail(count, total, rate * scale, (1 - rate) * scale)


def _distribution(total: int, rate: float, correlation: float) -> Floats:
    """The probability of each count from 0 to `total`. The rate varies by slide about its mean."""
    scale = _scale(correlation)
    return np.exp(log_probability(np.arange(total + 1), total, rate * scale, (1 - rate) * scale))


def _scale(correlation: Floats | float) -> Floats:
    """The sum of a beta distribution's two parameters, from the intra-slide correlation."""
    return np.asarray(1 / np.maximum(correlation, LEAST_CORRELATION) - 1)
