"""How fast a GPU classifies prepared images, compared with the loop that a user would write with timm. Prints Markdown.

    python -m benchmarks.gpu_rates

Timings cover both networks of an ensemble, from images to probabilities in the CPU's memory. The plain loop is timm's
networks under automatic mixed precision (AMP), at batch 32 and at its best batch. It is given float32 images that are
already normalised, as a `DataLoader` gives them; slidescreen is given 8-bit pixels, and normalises them itself. All
run in one process, and each takes turns with the plain loop at batch 32. Each row is printed as soon as it is known.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from benchmarks.gpu_timing import Way, device_name, finished, ours, random_pixels, rate, spread, turn_of
from benchmarks.throughput import operations, resized
from slidescreen.engine.gpu import Execution, exact_float32
from slidescreen.engine.pytorch import choose_precision
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble
from slidescreen.errors import memory_ran_out
from slidescreen.models.checkpoints import load_network

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_SECONDS = 0.5  # of a turn
_MOST_PLAIN = 1024  # images that the plain loop is given, again and again


@app.command()
def main(
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    sizes: Annotated[str, typer.Option(help="Image sizes, pixels.")] = "160,256,355",
    images: Annotated[int, typer.Option(help="The most images a turn.")] = 4096,
    turns: Annotated[int, typer.Option(help="Turns of each.")] = 3,
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    short: Annotated[bool, typer.Option("--short", help="Only the plain loop and what auto chooses.")] = False,
) -> None:
    """Compare on a GPU."""
    exact_float32()
    where = torch.device(device)
    peak, memory = matrix_peak(where), memory_speed(where)
    print(
        f"{device_name(where)}, PyTorch {torch.__version__}: {peak / 1e12:.3g} TFLOP/s in large matrices of bfloat16, "
        f"{memory / 1e12:.3g} TB/s of memory\n"
    )
    for size in map(int, sizes.split(",")):
        _tell(f"{size} pixels")
        with tempfile.TemporaryDirectory() as folder:
            resized(ensemble or default_ensemble(), Path(folder) / "ensemble", size)
            compare(storage.load(Path(folder) / "ensemble"), where, size, images, turns, peak, short)


def compare(
    model: Ensemble, device: torch.device, size: int, images: int, turns: int, peak: float, short: bool
) -> None:
    """Print the table of one image size."""
    images = min(images, max(64, images * 160 * 160 // size**2))
    pixels = random_pixels(images, size)
    few = min(images, _MOST_PLAIN)
    loop = plain_loop(model, device, normalised(model, torch.from_numpy(pixels[:few])))

    def plain(batch: int) -> Way:
        return Way(f"plain loop, AMP, batch {batch}", lambda place: loop(around(place, few)), batch)

    base = plain(32)
    flops = sum(operations(member.checkpoint.backbone, size) for member in model.members)
    print(f"{size} pixels, {turns} turns, {flops / 1e9:.2f} GFLOP an image\n")
    print("| | images/s, median (range) | times plain, batch 32, median (range) | of the matrix peak |")
    print("| --- | ---: | ---: | ---: |", flush=True)
    count = turn_of(base, images, _SECONDS)

    def row(way: Way) -> float:
        mine = turn_of(way, images, _SECONDS)
        pairs = [(rate(base, count), rate(way, mine)) for _ in range(turns)]
        found = [its for _, its in pairs]
        times = [its / plain for plain, its in pairs]
        middle = statistics.median(found)
        print(f"| {way.name} | {spread(found)} | {spread(times, 1)} | {100 * middle * flops / peak:.1f}% |", flush=True)
        return middle

    def own(precision: str, execution: Execution = Execution()) -> float:
        words = [" (auto)" * (precision == chosen), ", no CUDA graph" * (not execution.graphs)]
        return row(ours(f"slidescreen, {precision}{''.join(words)}", model, pixels, device, precision, execution))

    slow = row(base)
    chosen = choose_precision("auto", "cuda", model.validation.precisions) if device.type == "cuda" else "bf16"
    found = {chosen: own(chosen)}
    best = max([slow, *(row(plain(batch)) for batch in fitting(plain, few))])
    if not short:
        found |= {precision: own(precision) for precision in ("fp16", "bf16", "fp32") if precision != chosen}
        if device.type == "cuda":
            own("fp16", Execution(graphs=False))
    told = ", ".join(f"{precision} {its / best:.1f}" for precision, its in found.items())
    print(f"\nTimes the plain loop at its best batch: {told}\n", flush=True)


def fitting(plain: Callable[[int], Way], images: int) -> Iterator[int]:
    """The plain loop's larger batches for which memory suffices."""
    for batch in (128, 256, 512):
        try:
            if batch <= images:
                plain(batch).classify(slice(0, batch))
                yield batch
        except Exception as error:
            if not memory_ran_out(error):
                raise
            return


def _tell(what: str) -> None:
    """Say how far the run is: the first use of each kernel may load libraries for a minute."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def around(place: slice, count: int) -> slice:
    """The place of as many images among the first `count`."""
    start = place.start % max(1, count - (place.stop - place.start) + 1)
    return slice(start, start + place.stop - place.start)


def normalised(model: Ensemble, pixels: Tensor) -> Tensor:
    """Images (N, 3, S, S) as a loader gives them, by the first member's preprocessing."""
    prepared = model.members[0].checkpoint.preprocessing
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (prepared.mean, prepared.std))
    return pixels.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std).contiguous()


def plain_loop(model: Ensemble, device: torch.device, images: Tensor) -> Callable[[slice], list[Tensor]]:
    """timm's networks one after the other, as a user would write it."""
    networks = [load_network(member.path)[1].to(device) for member in model.members]

    @torch.inference_mode()
    def classify(place: slice) -> list[Tensor]:
        found = []
        for network in networks:
            with torch.autocast(device.type):
                logits = network(images[place].to(device))
            found.append(logits.float().softmax(1).cpu())
        return found

    return classify


def matrix_peak(device: torch.device) -> float:
    """Operations a second of large matrix products."""
    side = 8192 if device.type == "cuda" else 512
    first, second = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    return 2 * side**3 / _least_seconds(lambda: torch.mm(first, second), device)


def memory_speed(device: torch.device) -> float:
    """Bytes a second that a large copy reads and writes."""
    first = torch.ones(2**30 if device.type == "cuda" else 2**24, dtype=torch.uint8, device=device)
    second = torch.empty_like(first)
    return 2 * first.numel() / _least_seconds(lambda: second.copy_(first), device)


def _least_seconds(work: Callable[[], object], device: torch.device) -> float:
    seconds = []
    for _ in range(8):
        started = finished(device)
        work()
        seconds.append(finished(device) - started)
    return min(seconds)


if __name__ == "__main__":
    app()
