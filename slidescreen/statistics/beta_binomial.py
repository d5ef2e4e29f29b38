"""The beta-binomial distribution: counts of a binomial whose rate varies.

scipy.stats has it too, but its import takes half a second in every run.
"""

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import ArrayLike

from slidescreen.statistics.arrays import Floats


def log_probability(count: ArrayLike, total: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """The logarithm of the probability of each count, elementwise; all arguments broadcast.

    Args:
        count: from 0 to `total`.
        total: number of trials.
        a, b: the parameters of the rate's beta distribution, over 0.
    """
    k, n, a, b = np.broadcast_arrays(count, total, a, b)
    ways = -np.log(n + 1) - scipy.special.betaln(n - k + 1, k + 1)
    result: Floats = ways + scipy.special.betaln(k + a, n - k + b) - scipy.special.betaln(a, b)
    return result


def upper_tail(count: int, total: int, a: float, b: float) -> float:
    """The probability of `count` or more of `total`: 1 if `count` is 0 or less, 0 if it exceeds `total`."""
    if count <= 0:
        return 1.0
    above = np.exp(log_probability(np.arange(count, total + 1), total, a, b))
    return float(min(above.sum(), 1.0))
