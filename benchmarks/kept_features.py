"""The features that an ensemble's networks see in labelled images, kept in a file. Benchmarks run each network once."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.building import pooled
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.configuration import configure
from slidescreen.engine.options import Device, EngineOptions
from slidescreen.ensembles.ensemble import Ensemble


def features_of(
    images: Sequence[LabelledImage], ensemble: Ensemble, kept: Path | None
) -> tuple[NDArray[np.float32], ...]:
    """Each member's pooled features (N, F) of the images, all of which must be readable.

    Args:
        images: of one table, in its order.
        ensemble: whose members look.
        kept: an `.npz` file with `f1`, `f2`, …; written if it isn't there. None: nothing is kept.
    """
    if kept is not None and kept.exists():
        with np.load(kept) as stored:
            found = tuple(stored[f"f{number}"] for number in range(1, len(ensemble.members) + 1))
        if any(len(each) != len(images) for each in found):
            raise SystemExit(f"{kept} holds features of {len(found[0])} images, and the table names {len(images)}")
        return found
    configuration = configure(EngineOptions(Device.AUTO))
    with tempfile.TemporaryDirectory() as scratch:
        looked = pooled.look_at(ensemble.members, images, configuration, Path(scratch), _count, print)
    if len(looked.images) < len(images):
        raise SystemExit("not all images can be read")
    if kept is not None:
        named = {f"f{number}": each for number, each in enumerate(looked.features, start=1)}
        np.savez(kept, **named)  # type: ignore[arg-type]
    return looked.features


def _count(done: int, images: int) -> None:
    if done % 3200 == 0 or done == images:
        print(f"looked at {done} of {images} images", flush=True)


@dataclass(frozen=True)
class Reduced:
    """A member's features as a last layer learns from them, by the training cells' principal components."""

    inputs: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float32], taught: NDArray[np.int64], components: int = 256) -> "Reduced":
        """All features, centred and projected as those at the positions `taught` say."""
        from sklearn.decomposition import PCA

        known = PCA(components, svd_solver="randomized", whiten=True, random_state=0).fit(features[taught])
        return cls(np.asarray(known.transform(features), np.float64))
