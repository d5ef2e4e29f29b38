"""A member's last layer, learnt anew from a laboratory's signed cells.

The types that the laboratory signed get new weights, held to the old ones. The types that it did not sign keep the
old weights, on features moved back by the mean shift between this laboratory and the training cells; so they keep the
probability that the old network gave them. The result is a plain last layer: the shift goes into its bias.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used: they take most of a second
from numpy.typing import NDArray

from slidescreen.building.replay import Features
from slidescreen.models.last_layer import LastLayer
from slidescreen.statistics.held_layer import Examples, Floats, fit

_COMPONENTS = 256
_PENALTY, _REPLAY = 0.02, 0.1  # chosen on four laboratories: docs/evidence/adaptation.md
_EVENED = 0.5  # the power of a type's count that its cells are weighted down by


@dataclass(frozen=True)
class KnownMember:
    """A member as it was, and what it saw in its training cells.

    Attributes:
        layer: its last layer.
        means: (K, F) of each type; not a number where it is not known.
        mean, scale, basis: (F,), (F,), (F, P): from features to the inputs that the change of the layer uses.
        inputs, logits, truth: (R, P), (R, K), (R,) of some training cells.
    """

    layer: LastLayer
    means: Features
    mean: Floats
    scale: Floats
    basis: Floats
    inputs: Floats
    logits: Floats
    truth: NDArray[np.int64]

    def projected(self, features: Features) -> Floats:
        """(N, P) from features (N, F)."""
        return np.asarray(((features - self.mean) / self.scale) @ self.basis)


@dataclass(frozen=True)
class SeenCells:
    """What a member sees in a laboratory's cells.

    Attributes:
        features: (N, F) of the cells.
        inputs: (N, 1 + V, P) of each cell, then of its views.
        logits: (N, 1 + V, K) by the old layer, likewise.
    """

    features: Features
    inputs: Floats
    logits: Floats

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "SeenCells":
        """Some of them."""
        return SeenCells(self.features[chosen], self.inputs[chosen], self.logits[chosen])

    def without_views(self) -> "SeenCells":
        """The cells themselves."""
        return SeenCells(self.features, self.inputs[:, :1], self.logits[:, :1])

    @property
    def old(self) -> Floats:
        """(N, K) the old probabilities of the cells themselves."""
        return np.asarray(scipy.special.softmax(self.logits[:, 0], axis=1))


def known_member(layer: LastLayer, means: Features, features: Features, truth: NDArray[np.int64]) -> KnownMember:
    """From a member's last layer and its replay."""
    mean, scale = features.mean(axis=0).astype(np.float64), features.std(axis=0).astype(np.float64) + 1e-3
    scaled = (features - mean) / scale
    _, _, components = np.linalg.svd(scaled, full_matrices=False)
    basis = components[:_COMPONENTS].T
    return KnownMember(layer, means, mean, scale, basis, scaled @ basis, layer.logits(features), truth)


def seen_by(member: KnownMember, features: Features, views: Features | None = None) -> SeenCells:
    """What a member sees in cells with these features (N, F), and in views of them (N, V, F)."""
    stacked = features[:, None] if views is None else np.concatenate([features[:, None], views], axis=1)
    flat = stacked.reshape(-1, features.shape[1])
    inputs, logits = member.projected(flat), member.layer.logits(flat)
    shape = stacked.shape[:2]
    return SeenCells(features, inputs.reshape(*shape, -1), logits.reshape(*shape, -1))


def learn(member: KnownMember, cells: SeenCells, allowed: NDArray[np.bool_], guard: Floats) -> tuple[LastLayer, Floats]:
    """A new last layer, and the mean shift (F,) of the laboratory's features.

    Args:
        member: the old one.
        cells: the laboratory's, at least one.
        allowed: (N, K) the types that each cell may be: one, or those of its group.
        guard: (K,) how much of its old probability each unsigned type keeps, 0–1.
    """
    shift = mean_shift(member, cells.features, allowed)
    free = np.flatnonzero(allowed.any(axis=0))
    old = member.layer
    looks = cells.inputs.shape[1]
    meant = np.repeat(allowed, looks, axis=0)
    inputs = cells.inputs.reshape(len(meant), -1)
    base = cells.logits.reshape(len(meant), -1) - old.weight @ shift
    targets = _targets(np.asarray(scipy.special.softmax(base, axis=1)), meant, free, guard)
    centre = inputs.mean(axis=0)
    own = Examples(base, inputs - centre, targets, _evened(meant.argmax(axis=1), _EVENED))
    moved = member.inputs + (shift / member.scale) @ member.basis - centre
    kinds = np.eye(allowed.shape[1])[member.truth]
    known = Examples(member.logits, moved, kinds, _REPLAY * _evened(member.truth, 1.0))
    slopes, offsets = fit(own.joined(known), free, _PENALTY)
    change = slopes @ member.basis.T / member.scale
    weight, bias = old.weight.copy(), old.bias - old.weight @ shift
    weight[free] += change
    bias[free] += offsets - slopes @ centre - change @ member.mean
    return LastLayer(weight, bias), shift


def mean_shift(member: KnownMember, features: Features, allowed: NDArray[np.bool_]) -> Floats:
    """The mean over signed types of the difference of class means (F,); none where no type is known to both."""
    single, kind = allowed.sum(axis=1) == 1, allowed.argmax(axis=1)
    known = [t for t in np.unique(kind[single]).tolist() if np.isfinite(member.means[t]).all()]
    if not known:
        return np.zeros(features.shape[1])
    return np.asarray(
        np.mean(
            [features[single & (kind == t)].mean(axis=0, dtype=np.float64) - member.means[t] for t in known], axis=0
        )
    )


def _targets(old: Floats, allowed: NDArray[np.bool_], free: NDArray[np.int64], guard: Floats) -> Floats:
    """What to learn (N, K): the type that was signed, and for each unsigned type a part of its old probability.

    The types of a group share as the old network says: the laboratory said nothing of that.
    """
    left = old * guard
    left[:, free] = 0
    inside = np.where(allowed, np.maximum(old, 1e-12), 0.0)
    share = 1 - left.sum(axis=1, keepdims=True)
    return np.asarray(left + share * inside / inside.sum(axis=1, keepdims=True))


def _evened(kinds: NDArray[np.int64], power: float) -> Floats:
    """A weight for each cell: less for those of frequent types; they add up to 1."""
    weights = 1 / np.bincount(kinds)[kinds] ** power
    return np.asarray(weights / weights.sum())
