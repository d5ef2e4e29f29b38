"""How often an ensemble calls a cell of another type a blast (or immature), and how that clusters on slides.

Few false calls are certain ones. So only calls above a certainty are tested. It is chosen on validation cells, so
that a few true blasts among many other cells stand out best.
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
_RARER = 0.5  # prior odds of an order of magnitude of the correlation against the one below
MOST_UNSEEN = 0.003  # upper bound of the rate of an error that was not seen on validation
_DOUBT = 20  # pseudo-cells added to those of a type: rates from few cells are shrunk towards none
_MANY = 0.05  # of the leukocytes: on such slides, cells with another label are often members
_LEAST_CELLS = 20  # on a slide, to say anything of its own rate
_LEAST_SLIDES = 3  # of such, to go by them alone
_LEAST_SUPPORT = 50  # cells of a type, likewise
_STEPS, _PROBABLY = 200, 2 / 3
# The certainty is chosen to find this share of true members at this rate of false alarms.
_SLIDE, _SHARE, _ERROR_RATE = 200, 0.05, 0.01

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FalseCalls:
    """What validation cells say of the calls into one group.

    Attributes:
        certainty: only calls of cells whose probabilities of the group's types add up to this are counted, 0–1.
        counted: (K,) of the called leukocytes of each true type, those called into the group with that certainty.
        called: (K,) of the cells of each true type, those called a leukocyte. Of types that are not of the group,
            cells of slides with many of the group are in neither, where there are others enough.
        correlation: how strongly false calls cluster on slides: the intra-slide correlation of a beta-binomial
            distribution, 0.0001–0.3.
    """

    certainty: float
    counted: Counts
    called: Counts
    correlation: float = LEAST_CORRELATION

    def rates(self, positions: Sequence[int]) -> Floats:
        """How often a cell of each type at `positions` is counted, 0–1.

        An unseen error is not impossible, so half a cell in one (Jeffreys) is added. But unmeasured errors must not
        explain blasts away: this adds at most `MOST_UNSEEN`, and rates from few cells are shrunk towards none. With
        many cells both vanish.
        """
        seen = self.counted[positions] / (self.called[positions] + _DOUBT)
        unseen = np.minimum(0.5 / (self.called[positions] + 1.0), MOST_UNSEEN)
        return np.asarray(seen + unseen)


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

    With fewer than fifty true members the certainty of their calls is unknown: then every call counts.

    Slides with many true members are left out, if enough others remain. The test concerns slides without true
    members, and cells with another label among a patient's blasts are often blasts. Promyelocytes are
    left out of the clustering of false blasts: they are called blasts on some slides and not on others, and would
    hide blasts on all slides. A slide with many of them is urgent by itself, whatever its blasts.

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
    return max(found, key=lambda each: power(each, inside, foreign, call_correlation))


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
    """Names of the slides with enough cells to show a rate of their own."""
    names, counts = np.unique(slides[slides != ""], return_counts=True)
    return [str(name) for name in names[counts >= _LEAST_CELLS]]


def power(
    false_calls: FalseCalls, inside: Sequence[int], foreign: Sequence[int], call_correlation: float = 0.0
) -> float:
    """The chance, 0–1, that a slide of 200 leukocytes with 5% true members is flagged, at 1% false alarms.

    Args:
        false_calls: measured at one certainty.
        inside, foreign: positions of the group's types, and of the other leukocytes; these are as on validation.
        call_correlation: how the share of the true members that is found varies between slides, 0–1. Members found on
            one slide and missed on the next are worth less than members found in part on each.
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

    The value that the true one does not exceed with a posterior probability of two thirds. The prior of each order of
    magnitude from 0.0001 to 0.3 is half that of the one below. False calls and slides are few, so the most likely
    value would often be one of these ends, and half of the time too low. Without data it is 0.0022:
    unmeasured errors must not explain blasts away.

    Args:
        false: (N,) whether each validation cell was falsely called.
        slides: (N,) names, empty where unknown; such cells say nothing here.
        rates: (N,) the rate of false calls for a cell of such a type. A slide's mean is that of its own cells, scaled
            to the observed number of false calls on all slides.

    Returns:
        From 0.0001 to 0.3; 0.0022 where no slide has enough cells, or none has a false call.
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
    """The probability of `count` or more false calls among `total` cells at a mean rate that varies by slide."""
    scale = float(_scale(correlation))
    return upper_tail(count, total, rate * scale, (1 - rate) * scale)


def _distribution(total: int, rate: float, correlation: float) -> Floats:
    """The probability of each count from 0 to `total` at a mean rate that varies by slide."""
    scale = _scale(correlation)
    return np.exp(log_probability(np.arange(total + 1), total, rate * scale, (1 - rate) * scale))


def _scale(correlation: Floats | float) -> Floats:
    """The sum of a beta distribution's two parameters, by the intra-slide correlation."""
    return np.asarray(1 / np.maximum(correlation, LEAST_CORRELATION) - 1)
