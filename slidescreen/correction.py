"""The composition a slide must have had for an imperfect classifier to call it as it did."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_PRIOR = 0.05  # pseudo-cells for each call of each true type: an error not seen on validation is not impossible
_LEAST_SUPPORT = 10
_DRAWS = 400
_STEPS = 400


@dataclass(frozen=True)
class Composition:
    """Shares of the true cell types in a slide, and `draws` of them from their uncertainty.

    Attributes:
        shares: (K,), adding up to 1.
        draws: (D, K), each adding up to 1; they carry the sampling of the slide's cells and what the validation
            cells leave open about the error rates.
        supported: (K,), False for types with too few validation cells to know their errors; calls of those are
            taken as they are.
    """

    shares: Floats
    draws: Floats
    supported: NDArray[np.bool_]


def unmix(calls: Counts, confusion: Counts, seed: int = 0) -> Composition | None:
    """Maximum-likelihood composition given the counts of calls and the classifier's confusion matrix.

    The calls are multinomial with probabilities shares @ rates, where rates are the rows of the confusion matrix;
    the shares that make them most likely are found by expectation maximisation (Saerens, Latinne and Decaestecker
    2002, on counts). The interval draws use a Dirichlet posterior for each row of the rates and a multinomial
    resampling of the calls.

    Args:
        calls: (K,) how many cells were called each type.
        confusion: (K, K) validation cells, rows true, columns called.
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
    gammas = generator.gamma(np.broadcast_to(concentration, (_DRAWS, *concentration.shape)))
    drawn_rates = gammas / gammas.sum(axis=2, keepdims=True)
    drawn_calls = generator.multinomial(total, calls / total, size=_DRAWS)
    shares = _most_likely(calls[None].astype(np.float64), rates[None])[0]
    return Composition(shares, _most_likely(drawn_calls.astype(np.float64), drawn_rates), supported)


def _most_likely(calls: Floats, rates: Floats) -> Floats:
    """Expectation maximisation for many slides at once: calls (D, K) and rates (D, K, K) to shares (D, K)."""
    shares = np.full(calls.shape, 1 / calls.shape[1])
    total = calls.sum(axis=1, keepdims=True)
    for _ in range(_STEPS):
        expected = np.einsum("dk,dkj->dj", shares, rates)
        ratio = np.divide(calls, expected, out=np.zeros_like(calls), where=expected > 0)
        shares = shares * np.einsum("dkj,dj->dk", rates, ratio) / total
    return shares
