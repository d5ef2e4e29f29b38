"""Labelled images as batches of pixels. Up to a memory limit, each image is decoded once and kept."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.images import Pixels, decode, prepare, read_bytes
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import InputError, UnreadableImageError, UnreadableNote
from slidescreen.files.writing import printable

Progress = Callable[[int, int], None]
_MOST_TOLD = 5  # unreadable files


@dataclass(frozen=True)
class FileCheck:
    """The result of a first pass over the files: content hashes of readable files, reasons for the others."""

    digests: dict[Path, str]
    unreadable: dict[Path, str]

    def tell(self, note: Callable[[str], None]) -> None:
        """Note the first unreadable files, and the number of the others."""
        for path, reason in list(self.unreadable.items())[:_MOST_TOLD]:
            note(UnreadableNote(f"left out: {printable(path)}: {reason}"))
        if len(self.unreadable) > _MOST_TOLD:
            note(UnreadableNote(f"left out: {len(self.unreadable) - _MOST_TOLD} more unreadable images"))


def check_files(images: Sequence[LabelledImage], workers: int, progress: Progress) -> FileCheck:
    """Hash and decode every file once, to find bad files before the training starts."""

    def look(image: LabelledImage) -> tuple[str, str]:
        try:
            content = read_bytes(image.path)
            decode(content)
        except UnreadableImageError as error:
            return "", str(error)
        return hashlib.sha256(content).hexdigest(), ""

    digests: dict[Path, str] = {}
    unreadable: dict[Path, str] = {}
    with ThreadPoolExecutor(workers) as pool:
        for done, (image, (digest, reason)) in enumerate(zip(images, pool.map(look, images), strict=True), 1):
            if reason:
                unreadable[image.path] = reason
            else:
                digests[image.path] = digest
            progress(done, len(images))
    return FileCheck(digests, unreadable)


def data_hash(images: Sequence[LabelledImage], digests: dict[Path, str]) -> str:
    """One hash of all contents, labels, splits and sources. Order and location on the disk do not change it."""
    lines = sorted(f"{digests[i.path]},{i.label},{i.split}" + (f",{i.source}" if i.source else "") for i in images)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class PixelStore:
    """The prepared pixels of a list of images, by position.

    The pixels stay in memory if they need at most `memory` bytes. Otherwise `batch` decodes them on each call.
    """

    def __init__(
        self, images: Sequence[LabelledImage], preprocessing: Preprocessing, memory: int, workers: int
    ) -> None:
        self._paths = [image.path for image in images]
        self._preprocessing = preprocessing
        self._pool = ThreadPoolExecutor(workers)
        self.image_size = side = preprocessing.image_size
        self.in_memory = len(images) * side * side * 3 <= memory
        self._kept: Pixels | None = None
        if self.in_memory:
            self._kept = np.empty((len(images), side, side, 3), np.uint8)
            for position, pixels in enumerate(self._pool.map(self._load, self._paths)):
                self._kept[position] = pixels

    def batch(self, positions: NDArray[np.int64]) -> Pixels:
        """Pixels of the images at `positions`: (N, side, side, 3)."""
        if self._kept is not None:
            return self._kept[positions]
        return np.stack(list(self._pool.map(self._load, [self._paths[p] for p in positions])))

    def _load(self, path: Path) -> Pixels:
        try:
            return prepare(decode(read_bytes(path)), self._preprocessing)
        except UnreadableImageError as error:  # the first pass could read the file
            raise InputError(f"{printable(path)} changed during the training: {error}") from error


def group_weights(images: Sequence[LabelledImage], power: float) -> NDArray[np.float64]:
    """How often to show each image, relative to 1 on average.

    A group is one label within one source. Rare types and rare sources of a type have larger weights, so that the
    network cannot recognise a type by its camera. A group of n images weighs n^(1 - power) in all.
    """
    keys = [(image.label, image.source) for image in images]
    sizes: dict[tuple[str, str], int] = {}
    for key in keys:
        sizes[key] = sizes.get(key, 0) + 1
    weights = np.asarray([sizes[key] ** -power for key in keys], dtype=np.float64)
    return np.asarray(weights / weights.mean())


def class_weights(images: Sequence[LabelledImage], cell_types: Sequence[str], power: float) -> NDArray[np.float64]:
    """The loss weight of each cell type: its count to the power of -`power`, scaled to a mean of 1 over images."""
    counts = np.asarray([sum(i.label == name for i in images) for name in cell_types], dtype=np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0.0)
    return np.asarray(weights * counts.sum() / (weights * counts).sum())


def epoch_order(count: int, weights: NDArray[np.float64] | None, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of an epoch's images: a shuffle, or with `weights` a draw with replacement."""
    generator = np.random.default_rng((seed, epoch))
    if weights is None:
        return generator.permutation(count)
    return generator.choice(count, size=count, replace=True, p=weights / weights.sum())


def in_batches(order: NDArray[np.int64], size: int, processes: int = 1) -> list[NDArray[np.int64]]:
    """The images of an epoch in batches of `size`; the last may have fewer.

    If the last batch has fewer than two images for each process, they join the batch before. Normalisation needs the
    spread of at least two images.
    """
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if len(batches) > 1 and len(batches[-1]) < 2 * processes:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches
