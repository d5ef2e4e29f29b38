"""The members' predictions for labelled images, before any vote."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slidescreen.data.appearance import measure
from slidescreen.data.images import Pixels, decode, prepare, read_bytes
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.batches import BatchRunner
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import Engine, MemberEngines
from slidescreen.engine.options import Precision
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import is_of_other_optics
from slidescreen.errors import InputError, UnreadableImageError
from slidescreen.files.writing import printable

Floats = NDArray[np.float64]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class MemberPredictions:
    """Each member's probabilities (N, K) for the same N labelled images, before any vote, and the images' appearance.

    `features` are (N, F) for each member; empty unless requested. `of_other_optics` (N,) tells which cells are (see
    `familiarity.is_of_other_optics`); None unless requested, or if the ensemble does not know.
    """

    images: tuple[LabelledImage, ...]
    truth: NDArray[np.int64]
    members: tuple[Floats, ...]
    appearances: tuple[tuple[float, ...], ...] = ()
    features: tuple[Features, ...] = ()
    of_other_optics: NDArray[np.bool_] | None = None


def predict(
    ensemble: Ensemble,
    engines: MemberEngines,
    images: Sequence[LabelledImage],
    progress: Callable[[int, int], None],
    with_features: bool = False,
    with_familiarity: bool = False,
) -> MemberPredictions:
    """Classify labelled images with each member.

    Args:
        ensemble: the ensemble.
        engines: one for each member.
        images: images with labels of the ensemble's types.
        progress: receives the number of finished images, and of all images.
        with_features: whether to keep each network's features too.
        with_familiarity: whether to tell cells of other optics too.

    Raises:
        InputError: an image cannot be read (the message names it), or the ensemble does not have its type.
    """
    types = ensemble.cell_types
    foreign = sorted({image.label for image in images} - set(types))
    if foreign:
        raise InputError(f"the ensemble does not know {', '.join(foreign)}: exclude these labels with --leave-out")
    prepared = [member.checkpoint.preprocessing for member in ensemble.members]
    familiarity = ensemble.familiarity if with_familiarity else None
    needed = with_features or familiarity is not None
    classifiers = [BatchRunner(_of_stacked(engine, needed)) for engine in engines.members]
    arithmetics = engines.arithmetics or [Precision.FP32] * len(classifiers)
    parts: list[list[Floats]] = [[] for _ in engines.members]
    elsewhere: list[NDArray[np.bool_]] = []
    appearances: list[tuple[float, ...]] = []
    done = 0

    def load(image: LabelledImage) -> tuple[tuple[float, ...], list[Pixels]]:
        whole = decoded(image)
        return measure(whole), [prepare(whole, preprocessing) for preprocessing in prepared]

    with ThreadPoolExecutor(usable_threads()) as pool:
        for batch in _batches(images, engines.batch_size):
            loaded = list(pool.map(load, batch))
            rows = [classify([pixels[number] for _, pixels in loaded]) for number, classify in enumerate(classifiers)]
            if familiarity is not None:
                features = [each[:, len(types) :].astype(np.float32) for each in rows]
                elsewhere.append(is_of_other_optics(familiarity.of_all(arithmetics, features)))
            for part, each in zip(parts, rows, strict=True):
                part.append(each if with_features else each[:, : len(types)].copy())
            appearances += [appearance for appearance, _ in loaded]
            done += len(batch)
            progress(done, len(images))
    truth = np.asarray([types.index(image.label) for image in images], dtype=np.int64)
    whole = [np.concatenate(part) for part in parts]
    found = MemberPredictions(
        tuple(images),
        truth,
        tuple(np.ascontiguousarray(rows[:, : len(types)]) for rows in whole),
        tuple(appearances),
        of_other_optics=np.concatenate(elsewhere) if elsewhere else None,
    )
    if not with_features:
        return found
    return replace(found, features=tuple(rows[:, len(types) :].astype(np.float32) for rows in whole))


def decoded(image: LabelledImage) -> Image.Image:
    """The decoded picture of a labelled image.

    Raises:
        InputError: the image cannot be read. The message names it.
    """
    try:
        return decode(read_bytes(image.path))
    except UnreadableImageError as error:
        raise InputError(f"{printable(image.path)}: {error}") from error


def _of_stacked(engine: Engine, with_features: bool) -> Callable[[Sequence[Pixels]], Floats]:
    """A function from images to rows of probabilities, followed by features if requested."""

    def classify(images: Sequence[Pixels]) -> Floats:
        if not with_features:
            return engine.probabilities(np.stack(images))
        found = engine.outputs(np.stack(images))
        return np.hstack([found.probabilities, found.features])

    return classify


def _batches(images: Sequence[LabelledImage], size: int) -> Iterator[Sequence[LabelledImage]]:
    for start in range(0, len(images), size):
        yield images[start : start + size]
