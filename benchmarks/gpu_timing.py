"""What the sections of `benchmarks.gpu` share: networks on a GPU, and their rates."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from slidescreen.engine.gpu import AT_ONCE, BATCH, Execution, load
from slidescreen.engine.interface import MemberEngines
from slidescreen.engine.options import for_each
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.voting import Vote

Classify = Callable[[slice], object]


@dataclass(frozen=True)
class Way:
    """A way to classify: it is given the place of a batch among the images.

    Attributes:
        name: in words.
        classify: classifies a batch.
        batch: its images.
        threads: those that give batches at the same time, as long as the way is used: PyTorch chooses kernels anew for
            each thread. None for the calling thread alone.
    """

    name: str
    classify: Classify
    batch: int
    threads: ThreadPoolExecutor | None = None


def rate(way: Way, images: int) -> float:
    """Images a second."""
    places = [slice(start, min(start + way.batch, images)) for start in range(0, images, way.batch)]
    started = time.perf_counter()
    if way.threads is None:
        for place in places:
            way.classify(place)
    else:
        list(way.threads.map(way.classify, places))
    return images / (time.perf_counter() - started)


def turn_of(way: Way, images: int, seconds: float) -> int:
    """The images of a turn: whole batches, for some seconds if there are so many. The way is warm afterwards."""

    def whole(count: float) -> int:  # a part of a batch would be a new size, for which kernels are chosen anew
        return min(images, max(1, int(min(count, images)) // way.batch) * way.batch)

    few = whole(2 * way.batch * (1 if way.threads is None else AT_ONCE))
    rate(way, few)
    return max(few, whole(seconds * rate(way, few)))


def rates(way: Way, images: int, turns: int, seconds: float = 0.3) -> list[float]:
    """The rates of a way, warm."""
    count = turn_of(way, images, seconds)
    return [rate(way, count) for _ in range(turns)]


def spread(found: Sequence[float], digits: int = 0) -> str:
    """The median and the range."""
    middle, least, most = (f"{value:.{digits}f}" for value in (statistics.median(found), min(found), max(found)))
    return f"{middle} ({least}–{most})"


def random_pixels(images: int, size: int) -> NDArray[np.uint8]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (images, size, size, 3), dtype=torch.uint8, generator=generator).numpy()


def engines(
    model: Ensemble, device: torch.device, precision: str, execution: Execution = Execution(), batch: int | None = None
) -> MemberEngines:
    """An ensemble's engines for a GPU, for batches as a night has them, or of the size that was asked for."""
    precisions = for_each(precision, len(model.members))
    batch = batch or (BATCH if device.type == "cuda" else 32)
    members, batch = load([member.path for member in model.members], device, precisions, execution, batch)
    return MemberEngines(members, "", batch, AT_ONCE, arithmetics=precisions)


def ours(
    name: str,
    model: Ensemble,
    pixels: NDArray[np.uint8],
    device: torch.device,
    precision: str,
    execution: Execution = Execution(),
    batch: int | None = None,
) -> Way:
    """slidescreen's own way, from pixels to votes, with the batches at once that a night has."""
    members = engines(model, device, precision, execution, batch)
    vote, size = Vote(model, members), members.batch_size
    copies = len(vote.preprocessings)
    threads = ThreadPoolExecutor(members.at_once)
    return Way(f"{name}, batch {size}", lambda place: vote([pixels[place]] * copies), size, threads)


def finished(device: torch.device) -> float:
    """The time, after all that the device was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
