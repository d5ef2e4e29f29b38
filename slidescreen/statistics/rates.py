"""The rates of a confusion matrix, or of a whole stack of matrices.

Every function takes counts of shape (..., K, K), rows true and columns predicted, and is vectorised over the leading
axes. The functions check nothing: those that call them check their arguments.
"""

import numpy as np
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Floats, Ints


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Elementwise quotient; NaN for a denominator of 0."""
    above, below = np.broadcast_arrays(numerator, denominator)
    result: Floats = np.full(above.shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def correct(matrix: Ints) -> Ints:
    """Cells of each type that were called this type, shape (..., K)."""
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def support(matrix: Ints) -> Ints:
    """Cells that are of each type, shape (..., K)."""
    result: Ints = matrix.sum(axis=-1)
    return result


def predicted(matrix: Ints) -> Ints:
    """Cells that were called each type, shape (..., K)."""
    result: Ints = matrix.sum(axis=-2)
    return result


def precision(matrix: Ints) -> Floats:
    """Correct among predicted, shape (..., K); NaN for a type never predicted."""
    return ratio(correct(matrix), predicted(matrix))


def recall(matrix: Ints) -> Floats:
    """Correct among true, shape (..., K); NaN for a type without support."""
    return ratio(correct(matrix), support(matrix))


def specificity(matrix: Ints) -> Floats:
    """The fraction of other types' cells not called this type, shape (..., K); NaN for a type that does not occur."""
    total = matrix.sum(axis=(-2, -1))[..., None]
    true, called = support(matrix), predicted(matrix)
    result = ratio(total - true - called + correct(matrix), total - true)
    return np.where(true + called == 0, np.nan, result)


def f1(matrix: Ints) -> Floats:
    """Harmonic mean of precision and recall, shape (..., K); NaN for a type without support."""
    true = support(matrix)
    return np.where(true == 0, np.nan, ratio(2 * correct(matrix), true + predicted(matrix)))


def accuracy(matrix: Ints) -> Floats:
    """Correct among all cells, shape (...); NaN without cells."""
    return ratio(correct(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def kappa(matrix: Ints) -> Floats:
    """Cohen's kappa, shape (...); NaN without cells, or if chance alone would always agree."""
    total = matrix.sum(axis=(-2, -1)).astype(np.float64)
    by_chance = (support(matrix).astype(np.float64) * predicted(matrix)).sum(axis=-1)
    # Both parts are multiplied by total², so that an undefined kappa is exactly 0 / 0 and not a rounding error.
    return ratio(total * correct(matrix).sum(axis=-1) - by_chance, total * total - by_chance)


def mean_of_defined(values: Floats) -> Floats:
    """Mean of the values that are not NaN, over the last axis, shape (...); NaN if all values are NaN."""
    return ratio(np.nansum(values, axis=-1), np.count_nonzero(~np.isnan(values), axis=-1))


def macro_f1(matrix: Ints) -> Floats:
    """Unweighted mean of F1 over the types with support, shape (...)."""
    return mean_of_defined(f1(matrix))
