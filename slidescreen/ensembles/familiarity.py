"""How unlike the cells that an ensemble was measured on a cell is, by what its networks see of it.

Two measures, of each network. By its *optics* a cell is abroad: the first layers respond otherwise than on any camera
of the training cells, for colour, contrast or sharpness are others. By its *kind* it is unlike every type: its last
features lie far from each type for how far they lie from all cells together (relative Mahalanobis distance, Ren et al.
2021). Where it was shown cells of types that the networks have no class for, likeness to these raises the kind.
Several networks must agree on the optics, and are averaged on the kind.
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

OPTICS_POWER, KIND_POWER = 4, 2  # what lies below its cut disturbs the other measure little
LEAST_LIKENESS = -1.5
"""Likeness to a shown type counts from here on. From lower on, types that were never shown would be told less often."""

EXACT, COARSE = "fp32", "int8"
"""In which arithmetic a network's features were taken; those of others go by the exact ones."""


@dataclass(frozen=True, eq=False)
class HomeFeatures:
    """Where one network's features of training cells lie. F features, E of them early; S cameras, T types; U types
    without a class that it was shown.

    Attributes:
        middle, scale: (F,) mean and standard deviation.
        cameras, camera_whitening: (S, E) and (S, E, E), of the early features of each source.
        components: (F - E, C) the principal components of the last features.
        types, type_whitening: (T, C) and (C, C), one scatter for all types.
        spread: (C,) standard deviations of all cells.
        shown, shown_offsets: (U, C) and (U,), by which a cell's likeness to each type without a class is computed from
            its components: 0 is what 97.5% of the cells at home stay below, 1 a standard deviation more.
        optics_cut, kind_cut: distances that 97.5% of the cells stay below.
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
        """Of features (N, F), optics and kind (N, 2), 1 at the cut."""
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
        """Of features (N, F), the principal components of the last ones (N, C)."""
        return self._projected(features)[1]

    def _projected(self, features: Features) -> tuple[Floats, Floats]:
        scaled = (features - self.middle) / self.scale
        return scaled[:, :EARLY_FEATURES], scaled[:, EARLY_FEATURES:] @ self.components


@dataclass(frozen=True)
class UsualShare:
    """What share of a slide's cells is beyond a cut at home, 0–1, and how that clusters on slides."""

    rate: float
    correlation: float


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What tells cells and slides that the ensemble was not measured on.

    Attributes:
        networks: by member's position and arithmetic.
        optics_cut, kind_cut: of all members together, in units of their own.
        most_unfamiliar: share of unfamiliar cells that no slide at home exceeds, 0–1.
        unknown: of cells that are unlike every type.
        measured_on: how many training and validation cells.
        shown: the labels of cells without a class by which it was shown what is unknown.
        path, sha256: its file.
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
        """By one member's features (N, F): unfamiliarity and strangeness (N, 2), see `grades`."""
        return grades(self._ratios(member, arithmetic, features))

    def of_all(self, arithmetics: Sequence[str], features: Sequence[Features]) -> Floats:
        """By all members' features: unfamiliarity and strangeness (N, 2), see `grades`."""
        pairs = enumerate(zip(arithmetics, features, strict=True))
        joint = together([self._ratios(member, each, seen) for member, (each, seen) in pairs])
        return grades(joint / (self.optics_cut, self.kind_cut))

    def _ratios(self, member: int, arithmetic: str, features: Features) -> Floats:
        home = self.networks.get((member, arithmetic)) or self.networks[member, EXACT]
        return home.ratios(features)


def together(ratios: Sequence[Floats]) -> Floats:
    """Several members' ratios (N, 2 each) as one: the least optics, the mean kind."""
    stacked = np.stack(ratios)
    return np.column_stack([stacked[:, :, 0].min(axis=0), stacked[:, :, 1].mean(axis=0)])


def grades(ratios: Floats) -> Floats:
    """From optics and kind (N, 2) to unfamiliarity, the greater of both, and strangeness, of the kind alone.

    Both are 1 at the cut, which 5% (2.5%) of the cells at home exceed.
    """
    optics, kind = ratios[:, 0] ** OPTICS_POWER, ratios[:, 1] ** KIND_POWER
    return np.column_stack([np.maximum(optics, kind), kind])
