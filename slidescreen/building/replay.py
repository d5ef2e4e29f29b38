"""An ensemble keeps features of its training cells, but no images.

An adaptation measures how the laboratory's cells differ from the training cells. It also learns from the training
cells, so that the networks do not forget types without a signed cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.labels import LabelledImage
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.files.existence import is_file
from slidescreen.files.writing import printable

LEAST_CELLS = 100
"""With fewer training cells, no replay is kept."""

_OF_A_TYPE = 40  # cells of a type whose features are kept
_OF_A_MEAN = 400  # the most cells for the mean of a type
_LEAST = 10  # the fewest cells for the mean of a type

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Replay:
    """The features of training cells for each member.

    Attributes:
        means: (K, F) for each member, the mean of each type; NaN with too few cells.
        features: (R, F) for each member, the features of some cells.
        truth: (R,) the types of these cells.
    """

    means: tuple[Features, ...]
    features: tuple[Features, ...]
    truth: NDArray[np.int64]

    def moved(self, shifts: Sequence[NDArray[np.float64]]) -> "Replay":
        """The replay with each member's features shifted (F,), as another laboratory would see them."""
        return replace(
            self,
            means=tuple((m + s).astype(np.float32) for m, s in zip(self.means, shifts, strict=True)),
            features=tuple((f + s).astype(np.float32) for f, s in zip(self.features, shifts, strict=True)),
        )


def drawn(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Draw at most `_OF_A_MEAN` training cells of each type, for the means. The draw is always the same."""
    order = np.random.default_rng(0).permutation(len(images)).tolist()
    taken: dict[str, int] = {}
    chosen = []
    for place in order:
        label = images[place].label
        taken[label] = taken.get(label, 0) + 1
        if taken[label] <= _OF_A_MEAN:
            chosen.append(images[place])
    return chosen


def summarise(features: Sequence[Features], truth: NDArray[np.int64], types: int) -> Replay | None:
    """The replay from each member's features (N, F) of training cells, and from their types (N,).

    None with fewer than `LEAST_CELLS` cells, or if no type has enough of them.
    """
    known = [kind for kind in range(types) if (truth == kind).sum() >= _LEAST]
    if len(truth) < LEAST_CELLS or not known:
        return None
    places = np.concatenate([np.flatnonzero(truth == kind)[:_OF_A_TYPE] for kind in known])
    means = []
    for each in features:
        table = np.full((types, each.shape[1]), np.nan, np.float32)
        for kind in known:
            table[kind] = each[truth == kind].mean(axis=0)
        means.append(table)
    kept = tuple(each[places].astype(np.float16).astype(np.float32) for each in features)
    return Replay(tuple(means), kept, truth[places])


def packed(ensemble: Ensemble, replay: Replay) -> bytes:
    """The content of the file with an ensemble's replay."""
    from safetensors.numpy import save

    tensors: dict[str, NDArray[np.generic]] = {"truth": replay.truth}
    for number, (means, features) in enumerate(zip(replay.means, replay.features, strict=True)):
        tensors[f"means.{number}"] = np.ascontiguousarray(means)
        tensors[f"features.{number}"] = np.ascontiguousarray(features.astype(np.float16))
    return save(tensors, {"members": " ".join(member.sha256 for member in ensemble.members)})


def read(folder: Path, ensemble: Ensemble) -> Replay:
    """Read what `packed` packed and `storage.save` wrote.

    Raises:
        InputError: the file is missing, damaged or of other networks.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from slidescreen.models.checkpoints import read_metadata

    path = storage.replay_path(folder)
    if not is_file(path):
        raise InputError(
            f"{printable(folder)} cannot be adapted: it has no {path.name}, which says what its networks saw in their "
            f"training cells; make it anew with slidescreen ensemble from data with {LEAST_CELLS} readable training "
            "cells or more"
        )
    if read_metadata(path).get("members") != " ".join(member.sha256 for member in ensemble.members):
        raise InputError(f"{printable(path)} is of other networks than the ensemble's")
    try:
        tensors = load(path.read_bytes())
        count = len(ensemble.members)
        found = Replay(
            tuple(tensors[f"means.{number}"].astype(np.float32) for number in range(count)),
            tuple(tensors[f"features.{number}"].astype(np.float32) for number in range(count)),
            tensors["truth"].astype(np.int64),
        )
    except (SafetensorError, OSError, KeyError) as error:
        raise InputError(f"{printable(path)} is damaged: {error}") from error
    types = len(ensemble.cell_types)
    if any(m.shape[0] != types for m in found.means) or any(len(f) != len(found.truth) for f in found.features):
        raise InputError(f"{printable(path)} is damaged: its tables do not fit the ensemble")
    return found
