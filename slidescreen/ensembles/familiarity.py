"""How unlike a cell is to the cells on which an ensemble was measured, by the features of its networks.

Each network gives two measures:

- *optics*: high if the first layers respond otherwise than for every camera of the training cells, because colour,
  contrast or sharpness differ;
- *kind*: high if the cell resembles no type. Its last features lie far from each type, relative to their distance from
  all cells together (relative Mahalanobis distance, Ren et al. 2021). If the ensemble was shown cells of types without
  a class, likeness to them raises the kind.

Of several networks the lowest optics and the mean kind count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.models.backbones import EARLY_FEATURES
from slidescreen.statistics.distances import distances

Floats = NDArray[np.float64]
Features = NDArray[np.float32]

OPTICS_POWER, KIND_POWER = 4, 2
POWER_BELOW = 12  # of the optics below its cut: makes it small, so that the kind alone ranks cells of a known camera
LEAST_LIKENESS = -1.5
"""Likeness to a shown type counts from here on. A lower value would find fewer cells of types that were never shown."""

EXACT, COARSE = "fp32", "int8"
"""Two of the precisions in which a network's features are measured. Those not measured use those of `EXACT`.

In bfloat16 the first layers' means are off by as much as they vary between images, always in the same direction.
"""


@dataclass(frozen=True, eq=False)
class HomeFeatures:
    """The distribution of one network's features over the training cells.

    Sizes: F features, E of them early; C components; S cameras; T types; U shown types without a class.

    Attributes:
        middle, scale: (F,) mean and standard deviation.
        cameras, camera_whitening: (S, E) and (S, E, E), the early features' centres and whitening matrices by source.
        components: (F - E, C) the principal components of the last features.
        types, type_whitening: (T, C) and (C, C), the centres of the types and their common whitening matrix.
        spread: (C,) standard deviations of all cells.
        shown, shown_offsets: (U, C) and (U,), linear functions that give a cell's likeness to each type without a class
            from its components. 97.5% of the training cells have a likeness below 0; 1 is one standard deviation.
        optics_cut, kind_cut: the distances below which 97.5% of the cells lie.
    """

    middle: Floats
    scale: Floats
    cameras: Floats
    camera_whitening: Floats
    components: Floats
    types: Floats
    type_whitening: Floats
    spread: Floats
    shown: Floats
    shown_offsets: Floats
    optics_cut: float = 1.0
    kind_cut: float = 1.0

    def ratios(self, features: Features) -> Floats:
        """Optics and kind (N, 2) of features (N, F), 1 at the cut."""
        early, last = self._projected(features)
        optics = distances(early, self.cameras, self.camera_whitening).min(axis=1)
        nearest = distances(last, self.types, self.type_whitening).min(axis=1)
        overall = np.linalg.norm(last / self.spread, axis=1)
        kind = nearest / np.maximum(overall, 1e-9)
        if len(self.shown):
            likeness = (last @ self.shown.T + self.shown_offsets).max(axis=1)
            kind *= np.exp(np.maximum(likeness, LEAST_LIKENESS) / KIND_POWER)
        return np.column_stack([optics / self.optics_cut, kind / self.kind_cut])

    def components_of(self, features: Features) -> Floats:
        """The principal components (N, C) of the last of features (N, F)."""
        return self._projected(features)[1]

    def _projected(self, features: Features) -> tuple[Floats, Floats]:
        scaled = (features - self.middle) / self.scale
        return scaled[:, :EARLY_FEATURES], scaled[:, EARLY_FEATURES:] @ self.components


@dataclass(frozen=True)
class UsualShare:
    """The share of the training laboratories' cells above a cut, 0–1, and how such cells cluster on slides."""

    rate: float
    correlation: float


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Recognises cells and slides unlike those on which the ensemble was measured.

    Attributes:
        networks: the features of each network, by its member's position and its precision.
        optics_cut, kind_cut: the cuts of all members together, in units of the members' own cuts.
        most_unfamiliar: the largest share of unfamiliar cells on a slide of the training laboratories, 0–1.
        unknown: the usual share of cells that resemble no type.
        measured_on: the numbers of training and validation cells.
        shown: the labels of the cells without a class that were shown as examples of unknown cells.
        path, sha256: the file.
    """

    networks: Mapping[tuple[int, str], HomeFeatures]
    optics_cut: float
    kind_cut: float
    most_unfamiliar: float
    unknown: UsualShare
    measured_on: tuple[int, int]
    shown: tuple[str, ...] = ()
    path: Path = Path()
    sha256: str = ""

    def of_one(self, member: int, arithmetic: str, features: Features) -> Floats:
        """Unfamiliarity and strangeness (N, 2) by one member's features (N, F), see `grades`."""
        return grades(self._ratios(member, arithmetic, features))

    def of_all(self, arithmetics: Sequence[str], features: Sequence[Features]) -> Floats:
        """Unfamiliarity and strangeness (N, 2) by all members' features, see `grades`."""
        pairs = enumerate(zip(arithmetics, features, strict=True))
        joint = together([self._ratios(member, each, seen) for member, (each, seen) in pairs])
        return grades(joint / (self.optics_cut, self.kind_cut))

    def _ratios(self, member: int, arithmetic: str, features: Features) -> Floats:
        home = self.networks.get((member, arithmetic)) or self.networks[member, EXACT]
        return home.ratios(features)


def together(ratios: Sequence[Floats]) -> Floats:
    """Combine several members' ratios (N, 2 each): the lowest optics, the mean kind."""
    stacked = np.stack(ratios)
    return np.column_stack([stacked[:, :, 0].min(axis=0), stacked[:, :, 1].mean(axis=0)])


def grades(ratios: Floats) -> Floats:
    """Unfamiliarity and strangeness (N, 2) from optics and kind (N, 2).

    Unfamiliarity is the greater of both; strangeness is the kind alone. Both are 1 at the cut. Of the training cells 5%
    exceed it by their unfamiliarity, 2.5% by their strangeness.
    """
    optics = ratios[:, 0] ** np.where(ratios[:, 0] < 1, POWER_BELOW, OPTICS_POWER)
    kind = ratios[:, 1] ** KIND_POWER
    return np.column_stack([np.maximum(optics, kind), kind])


def is_of_other_optics(found: Floats) -> NDArray[np.bool_]:
    """(N,) whether cells are unfamiliar by their optics, not by their kind, from their `grades` (N, 2).

    Nearly all cells of another laboratory are, and 3% at home. Leukaemic cells at home are unfamiliar by their kind.
    """
    return np.asarray((found[:, 0] >= 1) & (found[:, 0] > found[:, 1]))
