"""The composition of a slide, estimated from an imperfect classifier's calls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

SURE = 0.8  # calls at least this probable are seldom wrong; the correction treats the others differently
_PRIOR = 0.05  # pseudo-cells for each call of each true type: an error not seen on validation is not impossible
_LEAST_SUPPORT = 50  # with fewer cells, an error rate is uncertain by more than 14 points
_LEAST_FOUND = 0.5  # the calls say too little about a type that is mostly called something else
_LEAST_ON_SLIDE = 5  # cells of a type that a slide needs to show its own error rate
_CORRELATIONS = (1e-4, 0.3)
_DRAWS = 400
_GREATEST_SPREAD = 0.9  # the variance of a drawn rate, relative to rate * (1 - rate), which is the greatest there is
_STEPS, _BETWEEN_CHECKS = 40, 10
_CONVERGED = 1e-5  # the largest change of any share in ten steps


@dataclass(frozen=True)
class Composition:
    """Shares of the true cell types in a slide, and `draws` of them from their uncertainty.

    Attributes:
        shares: (K,), adding up to 1.
        draws: (D, K), each adding up to 1. They reflect the sampling of the slide's cells, and the uncertainty of the
            error rates from the validation cells.
        supported: (K,), False for types with too few validation cells to know their error rates; their calls are not
            corrected.
        rates: (K, K), the rate at which each true type is called each type.
    """

    shares: Floats
    draws: Floats
    supported: NDArray[np.bool_]
    rates: Floats

    def identifies(self, positions: list[int]) -> bool:
        """Whether the error rates of all types at `positions` are known: enough cells, and not mostly missed."""
        if not positions or not self.supported[positions].all():
            return False
        return bool((self.rates[np.ix_(positions, positions)].sum(axis=1) >= _LEAST_FOUND).all())


def graded(called: Counts, probability: Floats, types: int) -> Counts:
    """Column indices (N,) that separate sure calls from others: the type's index, plus `types` if the call is not
    sure.

    Args:
        called: (N,) type indices.
        probability: (N,) probability of the called type, 0–1.
        types: K, the number of types.
    """
    return np.where(probability >= SURE, called, called + types)


def unmix(calls: Counts, confusion: Counts, correlation: float = 0.0, seed: int = 0) -> Composition | None:
    """Maximum-likelihood composition given the counts of calls and the classifier's confusion matrix.

    The calls are multinomial with probabilities shares @ rates, where rates are the rows of the confusion matrix;
    expectation maximisation finds the most likely shares (Saerens, Latinne and Decaestecker
    2002, on counts). Calls may be graded (C = 2K columns, see `graded`) or not (C = K): sure calls and others have
    different error rates.

    The interval draws use a multinomial resampling of the calls, and a Dirichlet distribution for each row of the
    rates. Its width follows from the number of validation cells and the variation between slides.

    Args:
        calls: (C,) the number of cells called each type.
        confusion: (K, C) validation cells, rows true, columns called.
        correlation: the variation of the rates between slides, by `call_correlation`.
        seed: seed of the draws.

    Returns:
        The composition, or None without calls.
    """
    total = int(calls.sum())
    if total == 0:
        return None
    types, columns = confusion.shape
    supported = confusion.sum(axis=1) >= _LEAST_SUPPORT
    concentration = _with_prior(confusion)
    own = np.arange(columns) % types == np.arange(types)[:, None]
    at_its_word = own * concentration.sum(axis=0)  # calls of this type taken as right
    concentration[~supported] = at_its_word[~supported]
    rates = concentration / concentration.sum(axis=1, keepdims=True)
    generator = np.random.default_rng(seed)
    spread = np.minimum(1 / (concentration.sum(axis=1, keepdims=True) + 1) + correlation, _GREATEST_SPREAD)
    gammas = generator.gamma(np.broadcast_to(rates * (1 / spread - 1), (_DRAWS, *rates.shape)))
    whole = gammas.sum(axis=2, keepdims=True)  # 0 if a row's draws are all too small for a number
    drawn_rates = np.divide(gammas, whole, out=np.broadcast_to(rates, gammas.shape).copy(), where=whole > 0)
    drawn_calls = generator.multinomial(total, calls / total, size=_DRAWS)
    shares = _most_likely(calls[None].astype(np.float64), rates[None])[0]
    by_type = rates.reshape(types, -1, types).sum(axis=1)
    return Composition(shares, _most_likely(drawn_calls.astype(np.float64), drawn_rates), supported, by_type)


def call_correlation(truth: Counts, called: Counts, slides: Sequence[str], confusion: Counts) -> float:
    """The variation between slides of the calls of one true type, by maximum likelihood of a Dirichlet-multinomial.

    Args:
        truth, called: (N,) type indices of validation cells that were called. The calls may be graded.
        slides: (N,) names, empty if unknown. Cells of unknown slides do not count.
        confusion: (K, C) the confusion matrix of the same cells, rows true, columns called.

    Returns:
        The intra-slide correlation, the same for all types, 0.0001–0.3; 0 if no slide has enough cells.
    """
    names = np.asarray(slides)
    rates = _with_prior(confusion)
    rates = rates / rates.sum(axis=1, keepdims=True)
    counts, means = [], []
    for slide in sorted(set(names.tolist()) - {""}):
        for true in np.unique(truth[names == slide]):
            chosen = (names == slide) & (truth == true)
            if chosen.sum() >= _LEAST_ON_SLIDE:
                counts.append(np.bincount(called[chosen], minlength=rates.shape[1]))
                means.append(rates[true])
    if not counts:
        return 0.0

    def loss(log_correlation: float) -> float:
        alphas = np.asarray(means) * (1 / np.exp(log_correlation) - 1)
        totals = np.asarray(counts).sum(axis=1)
        return -float(scipy.stats.dirichlet_multinomial.logpmf(np.asarray(counts), alphas, totals).sum())

    best = scipy.optimize.minimize_scalar(loss, bounds=np.log(_CORRELATIONS), method="bounded")
    return float(np.exp(best.x))


def _with_prior(confusion: Counts) -> Floats:
    types, columns = confusion.shape
    return np.asarray(confusion + _PRIOR * types / columns)


def _most_likely(calls: Floats, rates: Floats) -> Floats:
    """Shares (D, K) from calls (D, C) and rates (D, K, C), by expectation maximisation for D slides at once."""
    shares = np.full(rates.shape[:2], 1 / rates.shape[1])
    left = np.arange(len(calls))  # slides whose shares still change
    for _ in range(_STEPS):
        before = found = shares[left]
        called, rate = calls[left], rates[left]
        for _ in range(_BETWEEN_CHECKS):
            expected = np.matmul(found[:, None, :], rate)[:, 0]
            ratio = np.divide(called, expected, out=np.zeros_like(called), where=expected > 0)
            found = found * np.matmul(rate, ratio[:, :, None])[:, :, 0] / called.sum(axis=1, keepdims=True)
        shares[left] = found
        left = left[np.abs(found - before).max(axis=1) >= _CONVERGED]
        if not len(left):
            break
    return shares
