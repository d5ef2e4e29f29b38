"""Fit a last layer on few cells of some types, so that the other types keep their probability.

A cell's logits are `base + x D' + b` at the columns that may change, and `base` at the others. The loss is the mean
cross entropy plus a penalty on D. The targets may leave a part of the probability to other types. The loss is convex.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS = 60
_BIAS = 0.01  # the penalty on b as a share of the penalty on D


@dataclass(frozen=True)
class Examples:
    """Cells to learn from.

    Attributes:
        base: (N, K) logits before learning.
        inputs: (N, P), the inputs x of the layer.
        targets: (N, K) the probabilities to learn. Each row adds up to 1.
        weights: (N,), with a sum of 1 or less.
    """

    base: Floats
    inputs: Floats
    targets: Floats
    weights: Floats

    def joined(self, other: "Examples") -> "Examples":
        """These examples and `other` together."""
        return Examples(
            np.concatenate([self.base, other.base]),
            np.concatenate([self.inputs, other.inputs]),
            np.concatenate([self.targets, other.targets]),
            np.concatenate([self.weights, other.weights]),
        )


def fit(examples: Examples, free: NDArray[np.int64], penalty: float) -> tuple[Floats, Floats]:
    """Fit the change of the layer at the columns `free`: D (F, P) and b (F,).

    Args:
        examples: cells to learn from.
        free: the columns that may change.
        penalty: the weight of the squares of the change.
    """
    inputs, count = examples.inputs, examples.inputs.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        change = flat.reshape(len(free), count + 1)
        slopes, offsets = change[:, :count], change[:, count]
        logits = examples.base.copy()
        logits[:, free] += inputs @ slopes.T + offsets
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(axis=1, keepdims=True)
        value = np.log(total[:, 0]) - (examples.targets * logits).sum(axis=1)
        slope = examples.weights[:, None] * (odds / total - examples.targets)[:, free]
        gradient = np.hstack([slope.T @ inputs + 2 * penalty * slopes, slope.sum(axis=0)[:, None]])
        gradient[:, count] += 2 * penalty * _BIAS * offsets
        held = penalty * (float((slopes**2).sum()) + _BIAS * float((offsets**2).sum()))
        return float(examples.weights @ value) + held, gradient.ravel()

    start = np.zeros(len(free) * (count + 1))
    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    change = np.asarray(found.x).reshape(len(free), count + 1)
    return change[:, :count], change[:, count]
