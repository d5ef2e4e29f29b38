"""How fast slides are classified end to end, compared with loops that a user would write with timm. Prints Markdown.

    python -m benchmarks.throughput compare SLIDES --image-size 355
    python -m benchmarks.throughput stages SLIDES
    python -m benchmarks.throughput scaling SLIDES

Every timing covers a whole separate process: imports, loading, decoding, classifying, writing. SLIDES is a folder of
slide folders.
"""

import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.process_cost import Cost, cost_of
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.data.slides import discover
from slidescreen.engine.configuration import configure, load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind, EngineOptions
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.voting import Vote
from slidescreen.errors import UnreadableImageError
from slidescreen.models.member import member_of

EnsembleOption = Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")]
SizeOption = Annotated[int | None, typer.Option(help="Classify at this size, pixels, instead of the ensemble's own.")]
SlidesArgument = Annotated[Path, typer.Argument(help="Folder of slide folders.")]
_BASE = "plain loop, batch 32"
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def compare(
    slides: SlidesArgument,
    ensemble: EnsembleOption = None,
    image_size: SizeOption = None,
    images: Annotated[int, typer.Option(help="Images to classify.")] = 500,
    repeats: int = 3,
    precisions: Annotated[str, typer.Option(help="Of slidescreen, joined by commas; fast is its fast mode.")] = "fp32",
    plain: Annotated[
        bool, typer.Option(help="The plain loops too, or slidescreen against its first precision.")
    ] = True,
) -> None:
    """slidescreen against plain loops, in turns."""
    with _prepared(slides, ensemble, image_size, images) as (folder, weights, count):
        ways = {f"slidescreen, {p}": _command(folder, weights, "openvino", p) for p in precisions.split(",")}
        if plain:
            ways |= _plain(folder, weights)
        for precision in precisions.split(","):  # fills the cache of compiled networks
            model = storage.load(weights)
            load_engines(model.members, configure(_options(precision), model.validation))
        times: dict[str, list[Cost]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, command in ways.items():
                times[name].append(timed(command))
        print(machine(), f"{count} images, {image_size or 'own'} px, {repeats} turns.\n", sep="\n")
        base = _BASE if plain else next(iter(ways))
        print(f"| | seconds, median (range) | images/s | memory, MB | times {base} |")
        print("| --- | ---: | ---: | ---: | ---: |")
        slowest = statistics.median(t.seconds for t in times[base])
        for name, found in times.items():
            middle = statistics.median(t.seconds for t in found)
            spread = f"{min(t.seconds for t in found):.1f}–{max(t.seconds for t in found):.1f}"
            memory = max(t.megabytes for t in found)
            print(
                f"| {name} | {middle:.1f} ({spread}) | {count / middle:.1f} | {memory:.0f} | {slowest / middle:.1f} |"
            )


@app.command()
def stages(
    slides: SlidesArgument, ensemble: EnsembleOption = None, image_size: SizeOption = None, images: int = 100
) -> None:
    """What one image costs a single thread in each stage, and how near inference comes to the processor's limit."""
    with _prepared(slides, ensemble, image_size, images) as (folder, weights, _):
        model = storage.load(weights)
        paths = [image.path for slide in discover(folder) for image in slide.images]
        decoded, decoding = [], []
        for path in paths:
            started = time.perf_counter()
            try:
                decoded.append(decode(read_bytes(path)))
            except UnreadableImageError:
                continue
            decoding.append(time.perf_counter() - started)
        rows = [("read and decode", statistics.median(decoding))]
        peak = _matrix_peak()
        print(machine(), f"{len(decoded)} images, one thread.\n", sep="\n")
        engines = load_engines(
            model.members, EngineConfiguration(EngineKind.OPENVINO, Device.CPU, "fp32"), threads=1
        ).members
        limits = {}
        for member, engine in zip(model.members, engines, strict=True):
            backbone, size = member.checkpoint.backbone, member.checkpoint.preprocessing.image_size
            pixels, times = [], []
            for image in decoded:
                started = time.perf_counter()
                pixels.append(prepare(image, member.checkpoint.preprocessing))
                times.append(time.perf_counter() - started)
            rows.append((f"resize to {size} px, white balance", statistics.median(times)))
            started = time.perf_counter()
            engine.probabilities(np.stack(pixels))
            name = f"{backbone}, fp32"
            rows.append((name, (time.perf_counter() - started) / len(pixels)))
            limits[name] = operations(backbone, size)
        whole = sum(seconds for _, seconds in rows)
        print("| stage | ms an image | share | GFLOP | of the matrix peak |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name, seconds in rows:
            work = f"{limits[name] / 1e9:.2f} | {limits[name] / seconds / peak:.0%}" if name in limits else "|"
            print(f"| {name} | {1000 * seconds:.2f} | {seconds / whole:.0%} | {work} |")
        print(f"\nMatrix peak of one thread, float32: {peak / 1e9:.0f} GFLOP/s (2048 × 2048 matrices).")


@app.command()
def scaling(
    slides: SlidesArgument,
    ensemble: EnsembleOption = None,
    image_size: SizeOption = None,
    cells: Annotated[int, typer.Option(help="Images of a slide.")] = 200,
    counts: Annotated[str, typer.Option(help="Numbers of slides, joined by commas.")] = "1,10,100",
    threads: Annotated[str, typer.Option(help="Numbers of threads, joined by commas.")] = "1,2",
    precisions: Annotated[str, typer.Option(help="Joined by commas; fast is the fast mode.")] = "fp32",
) -> None:
    """Rate and memory by the number of slides and of threads, beside the bare engine's rate."""
    print(machine(), "", sep="\n")
    print("| precision | threads | slides | images | seconds | images/s | of the bare engine | memory, MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for precision, used in product(precisions.split(","), map(int, threads.split(","))):
        with _prepared(slides, ensemble, image_size, cells) as (folder, weights, count):
            bare = _bare_rate(folder, weights, precision, used)
            for number in map(int, counts.split(",")):
                with tempfile.TemporaryDirectory() as copies:
                    for copy in range(number):
                        shutil.copytree(folder, Path(copies) / f"S{copy:03d}", copy_function=os.link)
                    command = [*_command(Path(copies), weights, "openvino", precision), "--threads", str(used)]
                    found = timed([*command, "--slide-depth", "1"])
                rate = number * count / found.seconds
                print(
                    f"| {precision} | {used} | {number} | {number * count} | {found.seconds:.1f} | {rate:.1f} "
                    f"| {rate / bare:.0%} | {found.megabytes:.0f} |",
                    flush=True,
                )


@contextmanager
def _prepared(
    slides: Path, ensemble: Path | None, image_size: int | None, images: int
) -> Iterator[tuple[Path, Path, int]]:
    """A folder with the first readable images, an ensemble of the asked size, and how many images there are."""
    with tempfile.TemporaryDirectory() as name:
        folder, weights = Path(name) / "slide", Path(name) / "ensemble"
        folder.mkdir()
        found = (image for slide in discover(slides) for image in slide.images)
        count = 0
        seen: set[bytes] = set()  # a copy would not be classified
        for image in found:
            if count == images:
                break
            try:
                content = read_bytes(image.path)
                decode(content)
            except UnreadableImageError:
                continue
            if content in seen:
                continue
            seen.add(content)
            shutil.copy(image.path, folder / f"{count:05d}{image.path.suffix}")
            count += 1
        if image_size is None:
            weights = ensemble or default_ensemble()
        else:
            resized(ensemble or default_ensemble(), weights, image_size)
        yield folder, weights.resolve(), count


def resized(source: Path, target: Path, image_size: int) -> None:
    """The ensemble, told to prepare images at another size; its calls are then worth little, its speed is right."""
    import torch
    from safetensors.torch import load_file

    from slidescreen.models.checkpoints import save_checkpoint

    model = storage.load(source)
    target.mkdir()
    members = []
    for member in model.members:
        prepared = member.checkpoint.preprocessing
        checkpoint = replace(member.checkpoint, preprocessing=replace(prepared, image_size=image_size))
        path = target / member.path.name
        state: dict[str, torch.Tensor] = load_file(member.path)
        save_checkpoint(path, state, checkpoint, half=True)
        members.append(member_of(path, member.weight))
    storage.save(target, replace(model, members=tuple(members)))


def _plain(folder: Path, weights: Path) -> dict[str, list[str]]:
    """What else one could run: slidescreen without OpenVINO, and loops of one's own."""
    loop = [sys.executable, "-m", "benchmarks.plain_loop", str(folder), str(weights)]
    return {
        "slidescreen with PyTorch, fp32": _command(folder, weights, "pytorch", "fp32"),
        "plain loop, batch 1, channels_last, allocator tamed": [*loop, "1", "True"],
        "plain loop, batch 32, allocator tamed": [*loop, "32", "True"],
        _BASE: [*loop, "32", "False"],
    }


def _options(precision: str) -> EngineOptions:
    fast = precision == "fast"
    return EngineOptions(Device.CPU, EngineKind.OPENVINO, "auto" if fast else precision, fast=fast)


def _command(folder: Path, weights: Path, engine: str, precision: str) -> list[str]:
    way = ["--fast"] if precision == "fast" else ["--precision", precision]
    options = ["--ensemble", str(weights), "--engine", engine, *way, "--quiet"]
    return [sys.executable, "-m", "slidescreen", "classify", str(folder), *options]


def timed(command: Sequence[str]) -> Cost:
    """Run a process in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        return cost_of(command, Path(name), {**os.environ, "PYTHONPATH": str(Path.cwd())})


def _bare_rate(folder: Path, weights: Path, precision: str, threads: int) -> float:
    """Images a second of the engines alone, on prepared pixels."""
    model = storage.load(weights)
    vote = Vote(model, load_engines(model.members, configure(_options(precision), model.validation), threads))
    decoded = [decode(read_bytes(image.path)) for slide in discover(folder) for image in slide.images]
    prepared = [np.stack([prepare(image, each) for image in decoded]) for each in vote.preprocessings]
    started = time.perf_counter()
    vote(prepared)
    return len(decoded) / (time.perf_counter() - started)


def operations(backbone: str, size: int) -> float:
    """Floating-point operations for one image, a multiplication and an addition being two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from slidescreen.models.checkpoints import build

    network = build(backbone, 16).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, size, size))
    return float(counter.get_total_flops())


def _matrix_peak() -> float:
    """Operations a second of one thread multiplying large float32 matrices."""
    import torch

    torch.set_num_threads(1)
    side = 2048
    first, second = torch.rand(side, side), torch.rand(side, side)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(first, second)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds)


def machine() -> str:
    import openvino
    import torch

    name = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME").strip()
    return (
        f"{name}, {len(os.sched_getaffinity(0))} threads, Python {platform.python_version()}, "
        f"OpenVINO {openvino.get_version().split('-')[0]}, PyTorch {torch.__version__.split('+')[0]}."
    )


if __name__ == "__main__":
    app()
