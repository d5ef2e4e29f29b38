"""A member's last layer, learnt anew from a laboratory's signed cells.

Signed types get new weights, which a penalty holds near the old ones. Unsigned types keep the old weights. These
see features moved back by the mean shift between this laboratory and the training cells. So unsigned types keep the
probability of the old network. The result is a plain last layer: its bias contains the shift.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # imports its parts at first use; they take most of a second
from numpy.typing import NDArray

from slidescreen.building.replay import Features
from slidescreen.models.last_layer import LastLayer
from slidescreen.statistics.held_layer import Examples, Floats, fit

_COMPONENTS = 256
_PENALTY, _REPLAY = 0.02, 0.1  # chosen on four laboratories: docs/evidence/adaptation.md
_EVENED = 0.5  # a type's cells are weighted down by this power of their count


@dataclass(frozen=True)
class KnownMember:
    """A member before the adaptation, and the features of its training cells.

    Attributes:
        layer: the last layer.
        means: (K, F) the mean features of each type; NaN if unknown.
        mean, scale, basis: (F,), (F,), (F, P): they turn features into the inputs of the layer's change.
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
        """The inputs (N, P) of features (N, F)."""
        return np.asarray(((features - self.mean) / self.scale) @ self.basis)


@dataclass(frozen=True)
class SeenCells:
    """What a member sees in a laboratory's cells.

    Attributes:
        features: (N, F) of the cells.
        inputs: (N, 1 + V, P) of each cell and then of its views.
        logits: (N, 1 + V, K) of the old layer, likewise.
    """

    features: Features
    inputs: Floats
    logits: Floats

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "SeenCells":
        """The chosen cells."""
        return SeenCells(self.features[chosen], self.inputs[chosen], self.logits[chosen])

    def without_views(self) -> "SeenCells":
        """The cells without their views."""
        return SeenCells(self.features, self.inputs[:, :1], self.logits[:, :1])

    @property
    def old(self) -> Floats:
        """(N, K) the old probabilities of the cells without their views."""
        return np.asarray(scipy.special.softmax(self.logits[:, 0], axis=1))


def known_member(layer: LastLayer, means: Features, features: Features, truth: NDArray[np.int64]) -> KnownMember:
    """A member, made from its last layer and its replay."""
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
        member: the old member.
        cells: the laboratory's cells, at least one.
        allowed: (N, K) the possible types of each cell: one type, or the types of its group.
        guard: (K,) the part of its old probability that each unsigned type keeps, 0–1.
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
    """The mean difference of class means (F,) over the types that both sides know; 0 if there is none."""
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
    """The targets (N, K): the signed type, and for each unsigned type a part of its old probability.

    A label of a group does not tell its types apart, so these share in proportion to their old probabilities.
    """
    left = old * guard
    left[:, free] = 0
    inside = np.where(allowed, np.maximum(old, 1e-12), 0.0)
    share = 1 - left.sum(axis=1, keepdims=True)
    return np.asarray(left + share * inside / inside.sum(axis=1, keepdims=True))


def _evened(kinds: NDArray[np.int64], power: float) -> Floats:
    """A weight for each cell, lower for frequent types. The weights add up to 1."""
    weights = 1 / np.bincount(kinds)[kinds] ** power
    return np.asarray(weights / weights.sum())
