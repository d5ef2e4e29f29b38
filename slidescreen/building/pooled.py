"""What an ensemble's networks see in labelled images. An interrupted look goes on where it stopped."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.building.replay import Features
from slidescreen.data.appearance import measure
from slidescreen.data.images import Pixels, decode, prepare, read_bytes
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.devices import choose_device, usable_threads
from slidescreen.engine.options import Device
from slidescreen.errors import UnreadableImageError
from slidescreen.files.writing import printable, write_whole
from slidescreen.models.member import Member

NAME = "adapting.safetensors"
_BATCH, _KEPT_EVERY = 32, 16  # images, and batches


@dataclass(frozen=True)
class Looked:
    """Images that could be read, what each member sees in them (N, F), and how they look."""

    images: tuple[LabelledImage, ...]
    features: tuple[Features, ...]
    appearances: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class _Row:
    features: tuple[Features, ...]
    appearance: tuple[float, ...]


def look_at(
    members: Sequence[Member],
    images: Sequence[LabelledImage],
    device: Device,
    folder: Path,
    progress: Callable[[int, int], None],
    note: Callable[[str], None],
) -> Looked:
    """The pooled features of images.

    Args:
        members: whose networks look.
        images: labelled.
        device: that computes.
        folder: where what was seen is kept until `forget`.
        progress: told how many images are done, and of how many.
        note: told of images that cannot be read.
    """
    import torch

    from slidescreen.models.last_layer import FeatureReader

    where = choose_device(device)
    torch.set_num_threads(usable_threads())
    readers = [FeatureReader(member.path, where) for member in members]
    networks = " ".join(member.sha256 for member in members)
    rows = _recalled(folder / NAME, networks)
    kept: list[tuple[LabelledImage, str]] = []

    def load(image: LabelledImage) -> tuple[str, tuple[float, ...], list[Pixels]] | str:
        try:
            content = read_bytes(image.path)
            name = hashlib.sha256(content).hexdigest()
            if name in rows:
                return name, (), []
            whole = decode(content)
        except UnreadableImageError as error:
            return f"passed over: {printable(image.path)}: {error}"
        return name, measure(whole), [prepare(whole, member.checkpoint.preprocessing) for member in members]

    with ThreadPoolExecutor(usable_threads()) as pool:
        for number, start in enumerate(range(0, len(images), _BATCH)):
            batch = images[start : start + _BATCH]
            new: list[tuple[str, tuple[float, ...], list[Pixels]]] = []
            for image, found in zip(batch, pool.map(load, batch), strict=True):
                if isinstance(found, str):
                    note(found)
                    continue
                kept.append((image, found[0]))
                if found[2]:
                    new.append(found)
            if new:
                seen = [read(np.stack([each[2][place] for each in new])) for place, read in enumerate(readers)]
                for row, (name, appearance, _) in enumerate(new):
                    rows[name] = _Row(tuple(each[row] for each in seen), appearance)
            if number % _KEPT_EVERY == _KEPT_EVERY - 1:
                _keep(folder / NAME, networks, rows)
            progress(min(start + _BATCH, len(images)), len(images))
    found_rows = [rows[name] for _, name in kept]
    features = tuple(np.stack([row.features[place] for row in found_rows]) for place in range(len(members)))
    return Looked(tuple(image for image, _ in kept), features, tuple(row.appearance for row in found_rows))


def forget(folder: Path) -> None:
    """Remove what `look_at` kept."""
    with contextlib.suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)


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
    """What an interrupted look kept; nothing where it is of other networks, or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from slidescreen.errors import InputError
    from slidescreen.models.checkpoints import read_metadata

    if not path.is_file():
        return {}
    try:
        if read_metadata(path).get("members") != networks:
            return {}
        tensors = load(path.read_bytes())
        names = [bytes(row).hex() for row in tensors["names"]]
        parts = [tensors[f"features.{place}"] for place in range(len(networks.split()))]
        appearances = tensors["appearances"].tolist()
        return {
            name: _Row(tuple(part[number] for part in parts), tuple(appearances[number]))
            for number, name in enumerate(names)
        }
    except (InputError, SafetensorError, OSError, KeyError, IndexError):
        return {}
