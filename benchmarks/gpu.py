"""How fast a GPU classifies prepared images, compared with the loop that a user would write with timm. Prints Markdown.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --device cpu --sizes 64 --images 64    # only to see that it runs

Timings cover both networks of an ensemble, from pixels to probabilities in the CPU's memory. The plain loop is timm's
network under automatic mixed precision (AMP), at batch 32 and at its best batch. All ways take turns in one process.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from benchmarks.throughput import operations, resized
from slidescreen.engine.gpu import LARGEST_BATCH, GpuEngine, batch_on
from slidescreen.engine.interface import MemberEngines
from slidescreen.engine.options import for_each
from slidescreen.engine.pytorch import choose_precision
from slidescreen.engine.transfer import PixelTransfer
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.voting import Vote
from slidescreen.errors import memory_ran_out
from slidescreen.models.checkpoints import load_network

Classify = Callable[[NDArray[np.uint8]], object]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    sizes: Annotated[str, typer.Option(help="Image sizes, pixels.")] = "160,256,355",
    images: Annotated[int, typer.Option(help="Images a turn.")] = 4096,
    turns: Annotated[int, typer.Option(help="Turns of each.")] = 3,
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
) -> None:
    """Compare on a GPU."""
    where = torch.device(device)
    half = torch.float16 if device == "cpu" or not torch.cuda.is_bf16_supported() else torch.bfloat16
    peak = matrix_peak(where, torch.bfloat16 if device == "cpu" else half)
    name = torch.cuda.get_device_name(where) if device == "cuda" else "CPU"
    print(f"{name}, PyTorch {torch.__version__}, {peak / 1e12:.3g} TFLOP/s in large matrices of half precision\n")
    for size in map(int, sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            resized(ensemble or default_ensemble(), Path(folder) / "ensemble", size)
            compare(storage.load(Path(folder) / "ensemble"), where, size, images, turns, peak)


def compare(model: Ensemble, device: torch.device, size: int, images: int, turns: int, peak: float) -> None:
    """Print the table of one image size."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    plain = plain_loop(model, device)
    best = best_batch(plain, pixels)
    runs: dict[str, tuple[Classify, int]] = {"plain loop, AMP, batch 32": (plain, 32)}
    if best != 32:
        runs[f"plain loop, AMP, batch {best}, its best"] = (plain, best)
    chosen = choose_precision("auto", "cuda", model.validation.precisions)
    for precision in dict.fromkeys(("fp32", chosen, "bf16")):
        transfer = PixelTransfer(device)
        engines = [
            GpuEngine(member.path, device, its, transfer)
            for member, its in zip(model.members, for_each(precision, len(model.members)), strict=True)
        ]
        batch = batch_on(engines, device) if device.type == "cuda" else 32
        vote = Vote(model, MemberEngines(engines, "", arithmetics=for_each(precision, len(engines))))
        runs[f"slidescreen, {precision}, batch {batch}"] = (
            lambda part, vote=vote: vote([part] * len(vote.preprocessings)),
            batch,
        )
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for classify, batch in runs.values():
        rate(classify, pixels[: 2 * batch], batch)  # warm
    for _ in range(turns):
        for name, (classify, batch) in runs.items():
            rates[name].append(rate(classify, pixels, batch))
    flops = sum(operations(member.checkpoint.backbone, size) for member in model.members)
    base = statistics.median(rates["plain loop, AMP, batch 32"])
    print(f"{size} pixels, {images} images, {turns} turns, {flops / 1e9:.2f} GFLOP an image\n")
    print("| | images/s, median (range) | times the plain loop | of the matrix peak |\n| --- | ---: | ---: | ---: |")
    for name, found in rates.items():
        middle = statistics.median(found)
        share = f"{100 * middle * flops / peak:.0f}%"
        print(f"| {name} | {middle:.0f} ({min(found):.0f}–{max(found):.0f}) | {middle / base:.1f} | {share} |")
    print()


def by(vote: Vote) -> Classify:
    """slidescreen's own way. Members with different preparations get the same pixels."""
    return lambda pixels: vote([pixels] * len(vote.preprocessings))


def plain_loop(model: Ensemble, device: torch.device) -> Classify:
    """timm's networks one after the other, as a user would write it."""
    networks = [(load_network(member.path)[1].to(device), member.checkpoint.preprocessing) for member in model.members]

    @torch.inference_mode()
    def classify(pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        found = []
        for network, prepared in networks:
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
            mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (prepared.mean, prepared.std))
            with torch.autocast(device.type):
                logits = network(((images - mean) / std).to(device))
            found.append(logits.float().softmax(1).cpu().numpy())
        return found

    return classify


def best_batch(classify: Classify, pixels: NDArray[np.uint8]) -> int:
    """The fastest of the batches that fit into memory."""
    rates: dict[int, float] = {}
    size = 32
    while size <= min(LARGEST_BATCH, len(pixels) // 2):
        try:
            rate(classify, pixels[:size], size)
            rates[size] = rate(classify, pixels[: 2 * size], size)
        except Exception as error:
            if not memory_ran_out(error):
                raise
            break
        size *= 2
    return max(rates, key=lambda each: rates[each], default=32)


def rate(classify: Classify, pixels: NDArray[np.uint8], batch: int) -> float:
    """Images a second."""
    started = time.perf_counter()
    for start in range(0, len(pixels), batch):
        classify(pixels[start : start + batch])
    return len(pixels) / (time.perf_counter() - started)


def matrix_peak(device: torch.device, kind: torch.dtype) -> float:
    """Operations a second of large matrix products."""
    side = 8192 if device.type == "cuda" else 512
    first, second = (torch.rand(side, side, device=device).to(kind) for _ in range(2))
    seconds: Sequence[float] = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(first, second)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = [*seconds, time.perf_counter() - started]
    return 2 * side**3 / min(seconds)


if __name__ == "__main__":
    app()
