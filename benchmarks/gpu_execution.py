"""Ways to run the networks on a GPU, and what each costs before its first result. Prints Markdown.

python -m benchmarks.gpu_execution eager          # memory layout, CUDA graphs, batches, searched convolutions
python -m benchmarks.gpu_execution compiled default
python -m benchmarks.gpu_execution kernels        # what the GPU does, by its kernels
"""

import math
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.gpu_timing import Way, engines, finished, ours, random_pixels, rates, spread
from benchmarks.throughput import resized
from slidescreen.data.images import Pixels
from slidescreen.engine.gpu import BATCH, Execution, exact_float32
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble

DeviceOption = Annotated[str, typer.Option(help="cuda, or cpu to try the script.")]
SizeOption = Annotated[int, typer.Option(help="Image size, pixels.")]
ImagesOption = Annotated[int, typer.Option(help="The most images a turn.")]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def eager(device: DeviceOption = "cuda", size: SizeOption = 160, images: ImagesOption = 4096) -> None:
    """Networks as they are, each way as soon as it is known."""
    where, eagerly, pixels = torch.device(device), Execution(graphs=False), random_pixels(images, size)
    most = min(BATCH, images)
    header()
    with at_size(size) as model:

        def row(precision: str, execution: Execution, batch: int, words: str = "") -> None:
            if batch <= images:
                show(*timed(model, pixels, where, precision, execution, batch, words), images)

        for execution in (Execution(), eagerly, Execution(channels_last=False)):
            row("fp16", execution, most)
        row("bf16", Execution(), most)
        for batch in (32, 64, 128, 512):
            row("fp16", Execution(), batch)
        for batch in (32, 64):
            row("fp16", eagerly, batch)
        networks_alone(model, pixels, where, most)
        torch.backends.cudnn.benchmark = True
        row("fp16", Execution(), most, "convolutions searched")
        print(flush=True)


@app.command()
def compiled(
    modes: Annotated[str, typer.Argument(help="Of torch.compile, joined by commas.")] = "default",
    device: DeviceOption = "cuda",
    size: SizeOption = 160,
    images: ImagesOption = 4096,
    members: Annotated[str, typer.Option(help="Positions of the networks to compile, joined by commas.")] = "0,1",
) -> None:
    """Networks compiled, beside the same networks as they are."""
    where, pixels, most = torch.device(device), random_pixels(images, size), min(BATCH, images)
    header()
    with at_size(size) as whole:
        chosen = tuple(whole.members[int(position)] for position in members.split(","))
        model = replace(whole, members=chosen, familiarity=None)
        words = f"networks {members}"
        show(*timed(model, pixels, where, "fp16", Execution(), most, words), images)
        for mode in modes.split(","):
            for graphs in (False, True) if device == "cuda" else (False,):
                show(*timed(model, pixels, where, "fp16", Execution(True, graphs, mode), most, words), images)
    print(flush=True)


@app.command()
def kernels(device: DeviceOption = "cuda", size: SizeOption = 160, images: ImagesOption = 512) -> None:
    """The kernels that take the GPU's time, one batch of each network in float16."""
    from torch._C._profiler import _ExperimentalConfig
    from torch.profiler import ProfilerActivity, profile

    where, pixels = torch.device(device), random_pixels(images, size)
    activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    field = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    with at_size(size) as model:
        for member, engine in zip(model.members, engines(model, where, "fp16", batch=images).members, strict=True):
            engine.outputs(pixels)
            # another thread starts the kernels
            with profile(
                activities=[activity], experimental_config=_ExperimentalConfig(profile_all_threads=True)
            ) as seen:
                started = finished(where)
                engine.outputs(pixels)
                seconds = finished(where) - started
            found = sorted(seen.key_averages(), key=lambda each: -getattr(each, field))
            busy = sum(getattr(each, field) for each in found) / 1e6
            print(
                f"{member.checkpoint.backbone}: {seconds * 1e3:.1f} ms for {images} images, kernels {busy * 1e3:.1f} ms"
            )
            print("\n| ms | calls | kernel |\n| ---: | ---: | --- |")
            for each in found[:10]:
                print(f"| {getattr(each, field) / 1e3:.2f} | {each.count} | `{each.key[:90]}` |")
            print(flush=True)


def timed(
    model: Ensemble,
    pixels: Pixels,
    device: torch.device,
    precision: str,
    execution: Execution,
    batch: int,
    words: str = "",
) -> tuple[Way, float]:
    """A way, and the seconds that it takes from checkpoints on the disk to its first batch of answers."""
    exact_float32()
    parts = [
        precision,
        "" if execution.channels_last else "channels first",
        f"compiled, {execution.compiled}" if execution.compiled else "",
        "" if execution.graphs else "no CUDA graph",
        words,
    ]
    name = ", ".join(part for part in parts if part)
    started = finished(device)
    way = ours(name, model, pixels, device, precision, execution, batch)
    way.classify(slice(0, batch))
    return way, finished(device) - started


def networks_alone(model: Ensemble, pixels: Pixels, device: torch.device, batch: int) -> None:
    """The networks without the vote and the familiarity that the processor computes."""
    loaded = engines(model, device, "fp16", batch=batch)
    way = Way(
        f"fp16, batch {batch}, without vote and familiarity",
        lambda place: [engine.outputs(pixels[place]) for engine in loaded.members],
        batch,
        ThreadPoolExecutor(loaded.at_once),
    )
    show(way, math.nan, len(pixels))


def header() -> None:
    print("| | images/s, median (range) | seconds to the first answers |\n| --- | ---: | ---: |", flush=True)


def show(way: Way, seconds: float, images: int) -> None:
    """The row of a way: its rates, and the seconds to its first answers."""
    print(f"| {way.name} | {spread(rates(way, images, 3))} | {seconds:.2f} |", flush=True)


@contextmanager
def at_size(size: int) -> Iterator[Ensemble]:
    """The ensemble that ships, told to take images of another size."""
    with tempfile.TemporaryDirectory() as folder:
        resized(default_ensemble(), Path(folder) / "ensemble", size)
        yield storage.load(Path(folder) / "ensemble")


if __name__ == "__main__":
    app()
