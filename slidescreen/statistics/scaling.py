"""Correct the certainty of probabilities, and the effect of each type's frequency in training.

The result is softmax(log probabilities / T + offsets): temperature scaling and, with offsets, its bias-corrected form.
Alexandari, Kundaje and Shrikumar (ICML 2020) found the latter best for estimating a changed composition.
"""

from collections.abc import Sequence

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Floats, at_least, numbers, probability_rows
from slidescreen.statistics.calibration import checked, logarithms

COLDEST, HOTTEST = 0.05, 20.0

# The penalty on the squares of offsets, added to the mean log-likelihood. A labelled set has its own slides and mixture
# of types, so the penalty does not vanish with many cells. With few cells it outweighs them.
_PENALTY, _PRIOR_CELLS = 0.01, 2000


def fit_temperature(probabilities: ArrayLike, true: ArrayLike, prior_cells: float = 0.0) -> float:
    """The temperature T at which softmax(log probabilities / T) makes the true types most likely.

    A T above 1 means an overconfident model, below 1 an underconfident one. The log-likelihood is concave in the
    sharpness 1 / T, so its maximum is the only root of its derivative. With few cells the maximum is unreliable: if
    all are called right, it lies at the bound. A prior on the sharpness prevents that: a gamma distribution with its
    mode at 1. Its logarithm is concave, too.

    Args:
        probabilities: probabilities of cells that the model was not trained on, shape (n, K).
        true: type indices, shape (n,), n at least 1.
        prior_cells: the weight of the prior, the shape of the gamma distribution less 1; 0 for none.

    Returns:
        The temperature, from 0.05 to 20. It is one of these bounds if the maximum lies beyond (every cell is right, or
        calls are worse than chance). It is 1 if no temperature changes anything (all probabilities are equal).

    Raises:
        ValueError: shapes do not fit, values out of range, no cells.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
    """
    types, table = checked(true, probabilities)
    at_least(types, 1, "true")
    scores = logarithms(table)
    if not 0 <= prior_cells < np.inf:
        raise ValueError(f"prior_cells must be a finite number of 0 or more, received {prior_cells!r}")
    if np.all(scores == scores[:, :1]):
        return 1.0
    against_true = scores - scores[np.arange(len(types)), types][:, None]

    def surplus(sharpness: float) -> float:
        of_cells = float(np.sum(scipy.special.softmax(sharpness * scores, axis=1) * against_true))
        return of_cells + prior_cells * (1 - 1 / sharpness)

    # It rises with sharpness: below the maximum the expected log-probability is less than that of the truth.
    if surplus(1 / COLDEST) <= 0:
        return COLDEST
    if surplus(1 / HOTTEST) >= 0:
        return HOTTEST
    return 1 / float(scipy.optimize.brentq(surplus, 1 / HOTTEST, 1 / COLDEST, xtol=1e-12))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """softmax(log probabilities / T), float64 of shape (n, K). The order of a cell's types does not change.

    Args:
        probabilities: shape (n, K).
        temperature: above 0; 1 changes nothing but the rounding.

    Raises:
        ValueError: wrong shape, values out of range, a temperature that is not a number above 0.
    """
    table = probability_rows(probabilities)
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be a finite number above 0, received {temperature!r}")
    result: Floats = scipy.special.softmax(logarithms(table) / temperature, axis=1)
    return result


def fit_offsets(probabilities: ArrayLike, true: ArrayLike) -> Floats:
    """Offsets to add to the logarithms of probabilities, so that the true types become most likely.

    Training draws rare types more often than they occur, so networks call them too often. An offset for each type
    corrects this. A penalty keeps offsets close to 0: it is that of a normal distribution around 0, whose spread is
    smaller for fewer cells. The problem is convex and has one solution.

    Args:
        probabilities: probabilities of cells that the model was not trained on, shape (n, K).
        true: type indices, shape (n,), n at least 1.

    Returns:
        Shape (K,), adding up to 0.

    Raises:
        ValueError: shapes do not fit, values out of range, no cells.
    """
    types, table = checked(true, probabilities)
    at_least(types, 1, "true")
    count, kinds = table.shape
    scores = logarithms(table)
    penalty = _PENALTY * (1 + _PRIOR_CELLS / count)
    frequencies = np.bincount(types, minlength=kinds) / count

    def loss(offsets: Floats) -> tuple[float, Floats]:
        moved = scores + offsets
        likelihood = float(np.mean(moved[np.arange(count), types] - scipy.special.logsumexp(moved, axis=1)))
        slope = scipy.special.softmax(moved, axis=1).mean(axis=0) - frequencies + 2 * penalty * offsets
        return penalty * float(offsets @ offsets) - likelihood, slope

    options = {"gtol": 1e-9, "ftol": 0}
    found = scipy.optimize.minimize(loss, np.zeros(kinds), jac=True, method="L-BFGS-B", options=options)
    result: Floats = found.x
    return result


def apply_offsets(probabilities: ArrayLike, offsets: ArrayLike, spared: Sequence[int] = ()) -> Floats:
    """softmax(log probabilities + offsets), float64 of shape (n, K).

    Args:
        probabilities: shape (n, K).
        offsets: shape (K,), finite.
        spared: some of the K types. Where offsets would lower their joint probability, each keeps its own. The other
            types then share the rest in proportion to their new probabilities.

    Raises:
        ValueError: wrong shapes, values out of range.
    """
    table = probability_rows(probabilities)
    added = numbers(offsets, "offsets")
    if added.shape != table.shape[1:]:
        raise ValueError(f"offsets must be one for each of {table.shape[1]} types, received {len(added)}")
    result: Floats = scipy.special.softmax(logarithms(table) + added, axis=1)
    if spared:
        _give_back(result, table, list(spared))
    return result


def favoured(probabilities: ArrayLike, types: Sequence[int], factor: float) -> Floats:
    """Probabilities in which some types count more: their odds against all others are multiplied by a factor.

    Args:
        probabilities: shape (n, K).
        types: the favoured of the K types.
        factor: above 0; 1 changes nothing.
    """
    result = probability_rows(probabilities).copy()
    result[:, list(types)] *= factor
    result /= result.sum(axis=1, keepdims=True)
    return result


def _give_back(moved: Floats, before: Floats, spared: list[int]) -> None:
    """Restore the spared types' probabilities in the rows in which they lost."""
    kept = before[:, spared].sum(axis=1)
    lost = np.flatnonzero(moved[:, spared].sum(axis=1) < kept)
    rest = np.delete(np.arange(moved.shape[1]), spared)
    others = moved[np.ix_(lost, rest)]
    moved[np.ix_(lost, rest)] = others * ((1 - kept[lost]) / others.sum(axis=1))[:, None]
    moved[lost[:, None], spared] = before[lost[:, None], spared]
