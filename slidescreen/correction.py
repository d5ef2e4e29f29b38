"""The composition a slide must have had for an imperfect classifier to call it as it did."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_PRIOR = 0.05  # pseudo-cells for each call of each true type: an error not seen on validation is not impossible
_LEAST_SUPPORT = 50  # an error rate from fewer cells is known to no better than 14 points
_LEAST_FOUND = 0.5  # a type mostly called something else is known from its calls least of all
_LEAST_ON_SLIDE = 5  # cells of a type on a slide, to say anything of its own errors
_CORRELATIONS = (1e-4, 0.3)
_DRAWS = 400
_STEPS, _BETWEEN_CHECKS = 40, 10
_CONVERGED = 1e-5  # a hundredth of a thousandth of a share, in ten steps


@dataclass(frozen=True)
class Composition:
    """Shares of the true cell types in a slide, and `draws` of them from their uncertainty.

    Attributes:
        shares: (K,), adding up to 1.
        draws: (D, K), each adding up to 1; they carry the sampling of the slide's cells and what the validation
            cells leave open about the error rates.
        supported: (K,), False for types with too few validation cells to know their errors; calls of those are
            taken as they are.
        rates: (K, K) how often each true type is called each type.
    """

    shares: Floats
    draws: Floats
    supported: NDArray[np.bool_]
    rates: Floats

    def identifies(self, positions: list[int]) -> bool:
        """Whether it says something of the types at `positions` together: none of too few cells, none mostly missed."""
        if not positions or not self.supported[positions].all():
            return False
        return bool((self.rates[np.ix_(positions, positions)].sum(axis=1) >= _LEAST_FOUND).all())


def unmix(calls: Counts, confusion: Counts, correlation: float = 0.0, seed: int = 0) -> Composition | None:
    """Maximum-likelihood composition given the counts of calls and the classifier's confusion matrix.

    The calls are multinomial with probabilities shares @ rates, where rates are the rows of the confusion matrix;
    the shares that make them most likely are found by expectation maximisation (Saerens, Latinne and Decaestecker
    2002, on counts). The interval draws use a Dirichlet distribution for each row of the rates, as wide as what the
    validation cells leave open and the variation between slides make it, and a multinomial resampling of the calls.

    Args:
        calls: (K,) how many cells were called each type.
        confusion: (K, K) validation cells, rows true, columns called.
        correlation: how the rates vary between slides, by `call_correlation`.
        seed: of the draws.

    Returns:
        The composition, or None where nothing was called.
    """
    total = int(calls.sum())
    if total == 0:
        return None
    supported = confusion.sum(axis=1) >= _LEAST_SUPPORT
    concentration = confusion + _PRIOR
    concentration[~supported] = 0
    concentration[~supported, ~supported] = 1  # an unsupported type: taken at its word
    rates = concentration / concentration.sum(axis=1, keepdims=True)
    generator = np.random.default_rng(seed)
    spread = 1 / (concentration.sum(axis=1, keepdims=True) + 1) + correlation  # of the rates, over rate * (1 - rate)
    gammas = generator.gamma(np.broadcast_to(rates * (1 / spread - 1), (_DRAWS, *rates.shape)))
    drawn_rates = gammas / gammas.sum(axis=2, keepdims=True)
    drawn_calls = generator.multinomial(total, calls / total, size=_DRAWS)
    shares = _most_likely(calls[None].astype(np.float64), rates[None])[0]
    return Composition(shares, _most_likely(drawn_calls.astype(np.float64), drawn_rates), supported, rates)


def call_correlation(truth: Counts, called: Counts, slides: Sequence[str], confusion: Counts) -> float:
    """How the calls of one true type vary between slides, by maximum likelihood of a Dirichlet-multinomial.

    Args:
        truth, called: (N,) type indices of validation cells that were called.
        slides: (N,) names, empty where unknown; such cells say nothing here.
        confusion: (K, K) of the same cells, rows true, columns called.

    Returns:
        The intra-slide correlation, the same for all types, 0.0001–0.3; 0 where no slide has cells enough.
    """
    names = np.asarray(slides)
    rates = confusion + _PRIOR
    rates = rates / rates.sum(axis=1, keepdims=True)
    counts, means = [], []
    for slide in sorted(set(names.tolist()) - {""}):
        for true in np.unique(truth[names == slide]):
            chosen = (names == slide) & (truth == true)
            if chosen.sum() >= _LEAST_ON_SLIDE:
                counts.append(np.bincount(called[chosen], minlength=len(rates)))
                means.append(rates[true])
    if not counts:
        return 0.0

    def loss(log_correlation: float) -> float:
        alphas = np.asarray(means) * (1 / np.exp(log_correlation) - 1)
        totals = np.asarray(counts).sum(axis=1)
        return -float(scipy.stats.dirichlet_multinomial.logpmf(np.asarray(counts), alphas, totals).sum())

    best = scipy.optimize.minimize_scalar(loss, bounds=np.log(_CORRELATIONS), method="bounded")
    return float(np.exp(best.x))


def _most_likely(calls: Floats, rates: Floats) -> Floats:
    """Expectation maximisation for many slides at once: calls (D, K) and rates (D, K, K) to shares (D, K)."""
    shares = np.full(calls.shape, 1 / calls.shape[1])
    left = np.arange(len(calls))  # those that still change
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
