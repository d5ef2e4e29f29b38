"""The features of labelled images in an ensemble's networks. An interrupted computation can be continued."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.building.replay import Features
from slidescreen.building.turned import alone, turned
from slidescreen.data.appearance import measure
from slidescreen.data.images import Pixels, decode, prepare, read_bytes
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.batches import BatchRunner
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import Engine, EngineConfiguration
from slidescreen.engine.options import Precision
from slidescreen.ensembles.member_predictions import Floats
from slidescreen.errors import UnreadableImageError, UnreadableNote
from slidescreen.files.existence import sees_file
from slidescreen.files.writing import printable, remove_if_possible, write_whole
from slidescreen.models.backbones import EARLY_FEATURES
from slidescreen.models.member import Member

NAME = "adapting.safetensors"
_BATCH, _KEPT_EVERY = 16, 16  # in images, in batches
_MOST_VIEWS, _MOST_LOOKS = 5, 8000


@dataclass(frozen=True)
class Looked:
    """The readable images, and their features for each member.

    Attributes:
        images: the N images.
        early: (N, E) for each member, the features of its first layers.
        features: (N, F) for each member, the features of its last layers.
        views: (N, V, F) for each member, the last features of turned, mirrored, scaled and recoloured images.
        appearances: the measured appearance of each image.
    """

    images: tuple[LabelledImage, ...]
    early: tuple[Features, ...]
    features: tuple[Features, ...]
    views: tuple[Features, ...]
    appearances: tuple[tuple[float, ...], ...]

    def where(self, chosen: Sequence[int]) -> "Looked":
        """The chosen images."""
        early, features, views = (
            tuple(each[np.asarray(chosen, dtype=np.int64)] for each in of_members)
            for of_members in (self.early, self.features, self.views)
        )
        images = tuple(self.images[place] for place in chosen)
        appearances = tuple(self.appearances[place] for place in chosen)
        return Looked(images, early, features, views, appearances)


@dataclass(frozen=True)
class _Row:
    """One image's features (1 + V, E + F) for each member. The image itself comes first."""

    features: tuple[Features, ...]
    appearance: tuple[float, ...]


_New = tuple[str, tuple[float, ...], list[Pixels]]  # name, appearance, pixels (1 + V, S, S, 3) for each member


def views_of(count: int) -> int:
    """The number of views of each image. More images get fewer views each, to save time."""
    return min(_MOST_VIEWS, max(_MOST_LOOKS // max(count, 1) - 1, 0))


def look_at(
    members: Sequence[Member],
    images: Sequence[LabelledImage],
    configuration: EngineConfiguration,
    folder: Path,
    progress: Callable[[int, int], None],
    note: Callable[[str], None],
    views: int = 0,
) -> Looked:
    """The features of images. There may be none, if no image is readable.

    Args:
        members: the members that compute the features.
        images: the labelled images.
        configuration: the configuration in which the networks run.
        folder: the folder that keeps the features until `forget`.
        progress: receives the number of finished images and of all images.
        note: receives a message for each unreadable image.
        views: the number of views of each image, without the image itself.
    """
    engines = load_engines(members, replace(configuration, precision=Precision.FP32))
    readers = [BatchRunner(_reader(engine)) for engine in engines.members]
    networks = " ".join([*(member.sha256 for member in members), f"views={views}"])
    rows = _recalled(folder / NAME, networks)
    kept: list[tuple[LabelledImage, str]] = []

    def load(image: LabelledImage) -> _New | UnreadableNote:
        try:
            content = read_bytes(image.path)
            name = hashlib.sha256(content).hexdigest()
            if name in rows:
                return name, (), []
            whole = decode(content)
        except UnreadableImageError as error:
            return UnreadableNote(f"passed over: {printable(image.path)}: {error}")
        prepared = [prepare(whole, member.checkpoint.preprocessing) for member in members]
        return name, measure(whole), [turned(pixels, views, name) for pixels in prepared]

    with ThreadPoolExecutor(usable_threads(), initializer=alone if views else None) as pool:
        for number, start in enumerate(range(0, len(images), _BATCH)):
            batch = images[start : start + _BATCH]
            new: list[_New] = []
            for image, found in zip(batch, pool.map(load, batch), strict=True):
                if isinstance(found, UnreadableNote):
                    note(found)
                    continue
                kept.append((image, found[0]))
                if found[2]:
                    new.append(found)
            rows |= _seen(new, readers)
            done = min(start + _BATCH, len(images))
            if new and (number % _KEPT_EVERY == _KEPT_EVERY - 1 or done == len(images)):
                _keep(folder / NAME, networks, rows)
            progress(done, len(images))
    found_rows = [rows[name] for _, name in kept]
    none = np.empty((0, 1 + views, EARLY_FEATURES), np.float32)
    stacked = [
        np.stack([row.features[place] for row in found_rows]) if found_rows else none for place in range(len(members))
    ]
    return Looked(
        tuple(image for image, _ in kept),
        tuple(np.ascontiguousarray(each[:, 0, :EARLY_FEATURES]) for each in stacked),
        tuple(np.ascontiguousarray(each[:, 0, EARLY_FEATURES:]) for each in stacked),
        tuple(np.ascontiguousarray(each[:, 1:, EARLY_FEATURES:]) for each in stacked),
        tuple(row.appearance for row in found_rows),
    )


def forget(folder: Path) -> None:
    """Remove the features that `look_at` kept."""
    remove_if_possible(folder / NAME)


def _reader(engine: Engine) -> Callable[[Sequence[Pixels]], Floats]:
    """A function that computes the features of images."""

    def read(pixels: Sequence[Pixels]) -> Floats:
        return engine.outputs(np.stack(pixels)).features.astype(np.float64)

    return read


def _seen(new: Sequence[_New], readers: Sequence[BatchRunner[Pixels]]) -> dict[str, _Row]:
    """Each member's features of the images and their views."""
    if not new:
        return {}
    each = len(new[0][2][0])
    seen = []
    for place, read in enumerate(readers):
        pixels = [view for _, _, prepared in new for view in prepared[place]]
        seen.append(read(pixels).astype(np.float32).reshape(len(new), each, -1))
    return {
        name: _Row(tuple(features[row] for features in seen), appearance)
        for row, (name, appearance, _) in enumerate(new)
    }


def _keep(path: Path, networks: str, rows: dict[str, _Row]) -> None:
    from safetensors.numpy import save

    if not rows:
        return
    some = next(iter(rows.values()))
    tensors: dict[str, NDArray[np.generic]] = {
        "names": np.frombuffer(bytes.fromhex("".join(rows)), np.uint8).reshape(len(rows), -1),
        "appearances": np.asarray([row.appearance for row in rows.values()], np.float64),
    }
    for place in range(len(some.features)):
        tensors[f"features.{place}"] = np.stack([row.features[place] for row in rows.values()])
    content = save(tensors, {"members": networks})
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def _recalled(path: Path, networks: str) -> dict[str, _Row]:
    """The features from an interrupted call; none if the file is damaged or of other networks or views."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from slidescreen.errors import InputError
    from slidescreen.models.checkpoints import read_metadata

    if not sees_file(path):
        return {}
    try:
        if read_metadata(path).get("members") != networks:
            return {}
        tensors = load(path.read_bytes())
        names = [bytes(row).hex() for row in tensors["names"]]
        parts = [tensors[f"features.{place}"] for place in range(len(tensors) - 2)]
        appearances = tensors["appearances"].tolist()
        return {
            name: _Row(tuple(part[number] for part in parts), tuple(appearances[number]))
            for number, name in enumerate(names)
        }
    except (InputError, SafetensorError, OSError, KeyError, IndexError):
        return {}
