"""Ways to run the networks on a GPU, and what each costs before its first result. Prints Markdown.

python -m benchmarks.gpu_execution eager          # memory layout, CUDA graphs, searched convolutions
python -m benchmarks.gpu_execution compiled default
python -m benchmarks.gpu_execution kernels        # what the GPU does, by its kernels
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.gpu_timing import Way, engines, finished, ours, random_pixels, rates, spread
from benchmarks.throughput import resized
from slidescreen.engine.gpu import Execution, exact_float32
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble

DeviceOption = Annotated[str, typer.Option(help="cuda, or cpu to try the script.")]
SizeOption = Annotated[int, typer.Option(help="Image size, pixels.")]
ImagesOption = Annotated[int, typer.Option(help="The most images a turn.")]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def eager(device: DeviceOption = "cuda", size: SizeOption = 160, images: ImagesOption = 4096) -> None:
    """Networks as they are."""
    where, graphs, pixels = torch.device(device), device == "cuda", random_pixels(images, size)
    most = min(512, images)
    header()
    with at_size(size) as model:
        ways = []
        for precision in ("bf16", "fp16"):
            ways.append(timed(model, pixels, where, precision, Execution(), most))
            ways.append(timed(model, pixels, where, precision, Execution(channels_last=False), most))
            ways.append(timed(model, pixels, where, precision, Execution(graphs=graphs), most))
        for batch in (32, 64, 128, 256, 1024):
            if batch <= images:
                ways.append(timed(model, pixels, where, "fp16", Execution(), batch))
                ways.append(timed(model, pixels, where, "fp16", Execution(graphs=graphs), batch))
        show(ways, images)
        networks_alone(model, pixels, where, most)
        torch.backends.cudnn.benchmark = True
        searched = timed(model, pixels, where, "fp16", Execution(graphs=graphs), most, "convolutions searched")
        show([searched], images)
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
    where, pixels, most = torch.device(device), random_pixels(images, size), min(512, images)
    header()
    with at_size(size) as whole:
        chosen = tuple(whole.members[int(position)] for position in members.split(","))
        model = replace(whole, members=chosen, familiarity=None)
        words = f"networks {members}"
        ways = [timed(model, pixels, where, "fp16", Execution(), most, words)]
        for mode in modes.split(","):
            for graphs in (False, True) if device == "cuda" else (False,):
                ways.append(timed(model, pixels, where, "fp16", Execution(True, graphs, mode), most, words))
                show(ways, images)
    print(flush=True)


@app.command()
def kernels(device: DeviceOption = "cuda", size: SizeOption = 160, images: ImagesOption = 512) -> None:
    """The kernels that take the GPU's time, one batch of each network in float16."""
    from torch.profiler import ProfilerActivity, profile

    where, pixels = torch.device(device), random_pixels(images, size)
    activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    field = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    with at_size(size) as model:
        for member, engine in zip(model.members, engines(model, where, "fp16", batch=images)[0].members, strict=True):
            for _ in range(2):
                engine.outputs(pixels)
            with profile(activities=[activity]) as seen:
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
    pixels: object,
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
        "CUDA graphs" if execution.graphs else "",
        words,
    ]
    name = ", ".join(part for part in parts if part)
    started = finished(device)
    way = ours(name, model, pixels, device, precision, execution, batch)
    way.classify(slice(0, batch))
    return way, finished(device) - started


def networks_alone(model: Ensemble, pixels: object, device: torch.device, batch: int) -> None:
    """The networks without the vote and the familiarity that the processor computes."""
    members = engines(model, device, "fp16", batch=batch)[0].members
    way = Way(
        f"fp16, batch {batch}, without vote and familiarity",
        lambda place: [engine.outputs(pixels[place]) for engine in members],
        batch,
        2,
    )
    show([(way, math.nan)], len(pixels))


def header() -> None:
    print("| | images/s, median (range) | seconds to the first answers |\n| --- | ---: | ---: |", flush=True)


def show(ways: Sequence[tuple[Way, float]], images: int) -> None:
    """The rates of ways that take turns."""
    seconds = {way.name: first for way, first in ways}
    for name, found in rates([way for way, _ in ways], images, 3, 0.3).items():
        print(f"| {name} | {spread(found)} | {seconds[name]:.2f} |", flush=True)


@contextmanager
def at_size(size: int) -> Iterator[Ensemble]:
    """The ensemble that ships, told to take images of another size."""
    with tempfile.TemporaryDirectory() as folder:
        resized(default_ensemble(), Path(folder) / "ensemble", size)
        yield storage.load(Path(folder) / "ensemble")


if __name__ == "__main__":
    app()
