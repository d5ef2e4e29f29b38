"""What the sections of `benchmarks.gpu` share: networks on a GPU, and their rates."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from slidescreen.engine.gpu import AT_ONCE, Execution, GpuEngine, batch_on
from slidescreen.engine.interface import MemberEngines
from slidescreen.engine.options import for_each
from slidescreen.engine.transfer import PixelTransfer
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.voting import Vote

Classify = Callable[[slice], object]


@dataclass(frozen=True)
class Way:
    """A way to classify: it is given the place of a batch among the images."""

    name: str
    classify: Classify
    batch: int
    at_once: int = 1


def rate(way: Way, images: int) -> float:
    """Images a second."""
    places = [slice(start, min(start + way.batch, images)) for start in range(0, images, way.batch)]
    started = time.perf_counter()
    if way.at_once == 1:
        for place in places:
            way.classify(place)
    else:
        with ThreadPoolExecutor(way.at_once) as threads:
            list(threads.map(way.classify, places))
    return images / (time.perf_counter() - started)


def rates(ways: Sequence[Way], images: int, turns: int, seconds: float = 1.0) -> dict[str, list[float]]:
    """The rates of ways that take turns, each warm. A slow way is given fewer images."""
    counts = {}
    for way in ways:
        rate(way, min(images, 2 * way.batch * way.at_once))
        first = rate(way, min(images, 2 * way.batch * way.at_once))
        counts[way.name] = min(images, max(way.batch * way.at_once, int(seconds * first) // way.batch * way.batch))
    found: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(turns):
        for way in ways:
            found[way.name].append(rate(way, counts[way.name]))
    return found


def spread(found: Sequence[float]) -> str:
    """The median and the range."""
    return f"{statistics.median(found):.0f} ({min(found):.0f}–{max(found):.0f})"


def random_pixels(images: int, size: int) -> NDArray[np.uint8]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (images, size, size, 3), dtype=torch.uint8, generator=generator).numpy()


def engines(
    model: Ensemble, device: torch.device, precision: str, execution: Execution = Execution(), batch: int | None = None
) -> tuple[MemberEngines, int]:
    """An ensemble's engines, and the batch that fits, or the one that was asked for."""
    transfer, precisions = PixelTransfer(device), for_each(precision, len(model.members))
    members = [
        GpuEngine(member.path, device, its, transfer, execution)
        for member, its in zip(model.members, precisions, strict=True)
    ]
    batch = batch or (batch_on(members, device) if device.type == "cuda" else 32)
    for member in members:
        member.settle(batch)
    return MemberEngines(members, "", batch, AT_ONCE, arithmetics=precisions), batch


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
    members, batch = engines(model, device, precision, execution, batch)
    vote = Vote(model, members)
    copies = len(vote.preprocessings)
    return Way(f"{name}, batch {batch}", lambda place: vote([pixels[place]] * copies), batch, AT_ONCE)


def finished(device: torch.device) -> float:
    """The time, after all that the device was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
