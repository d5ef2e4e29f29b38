"""How fast JPEG files become prepared pixels: by processes on the CPU, and on the GPU. Prints Markdown.

    python -m benchmarks.gpu_decoding

The processes are those of `slidescreen classify`: they also look for images without a cell, and measure colours. The
GPU decodes, resizes and balances white, no more.
"""

import tempfile
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn import functional
from torchvision.io import ImageReadMode, decode_jpeg

from benchmarks.gpu_agreement import contents, voted
from benchmarks.gpu_timing import engines, finished
from slidescreen.data.images import decode, prepare
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.decoder import Decoder
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.gpu import exact_float32
from slidescreen.engine.readers import Readers, Task
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_BACKGROUND, _SHARE, _MOST_GAIN = 240.0, 0.9, 2.5  # as `data.images` balances white


@app.command()
def main(
    slides: Annotated[Path, typer.Argument(help="Folder of slide folders with JPEG files.")] = Path("sample_data"),
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    images: Annotated[int, typer.Option(help="Images a turn.")] = 4096,
) -> None:
    """Compare decoders."""
    where = torch.device(device)
    files = list(contents(slides, images))
    model = storage.load(default_ensemble())
    wanted = model.members[0].checkpoint.preprocessing
    print(f"{images} images, {decode(files[0]).size} pixels each, to {wanted.image_size} pixels\n")
    print("| | images/s |\n| --- | ---: |", flush=True)
    cores = usable_threads()
    for workers in sorted({1, min(8, cores), cores, cores * 3 // 2}):
        found = by_processes(files, wanted, workers, min(images, 500 * workers))
        print(f"| {workers} process{'es'[: 2 * (workers > 1)]} | {found:.0f} |", flush=True)
    for batch in (32, 128, 512):
        for prepared in (False, True):
            found = by_device(files, wanted if prepared else None, where, batch, images)
            print(f"| GPU, {batch} at once{', resized and balanced' * prepared} | {found:.0f} |", flush=True)
    print()
    compare(files, where)


def by_processes(files: Sequence[bytes], wanted: Preprocessing, workers: int, images: int) -> float:
    """Images a second of decoding processes, as a night has them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.jpg" for number in range(len(files))]
        for path, content in zip(paths, files, strict=True):
            path.write_bytes(content)
        readers = Readers(partial(Decoder, (wanted,), 60.0), workers, 60.0)
        try:
            for task in [readers.submit(paths[0]) for _ in range(4 * workers)]:  # each process has started
                readers.wait(task)
            ahead: deque[Task] = deque()
            started = time.perf_counter()
            for number in range(images):
                ahead.append(readers.submit(paths[number % len(paths)]))
                if len(ahead) > 8 * workers:
                    readers.wait(ahead.popleft())
            for task in ahead:
                readers.wait(task)
            return images / (time.perf_counter() - started)
        finally:
            readers.close()


def by_device(
    files: Sequence[bytes], wanted: Preprocessing | None, device: torch.device, batch: int, images: int
) -> float:
    """Images a second, decoded on a device and prepared if `wanted` says how."""
    tensors = [as_tensor(files[number % len(files)]) for number in range(images)]

    def work(part: Sequence[Tensor]) -> None:
        decoded = decode_jpeg(list(part), mode=ImageReadMode.RGB, device=device)
        if wanted:
            prepared_on_device(decoded, wanted)

    for _ in range(2):
        work(tensors[:batch])
    started = finished(device)
    for start in range(0, images, batch):
        work(tensors[start : start + batch])
    return images / (finished(device) - started)


def as_tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def prepared_on_device(images: Sequence[Tensor], wanted: Preprocessing) -> Tensor:
    """Images (3, H, W) resized with anti-aliasing and balanced, as `data.images.prepare` does, (N, 3, S, S)."""
    shapes = [tuple(image.shape) for image in images]
    side, found = wanted.image_size, [Tensor()] * len(images)
    for shape in set(shapes):
        places = [place for place, each in enumerate(shapes) if each == shape]
        together = torch.stack([images[place] for place in places]).float()
        resized = functional.interpolate(together, (side, side), mode=wanted.interpolation, antialias=True)
        for place, image in zip(places, resized.round().clamp(0, 255), strict=True):
            found[place] = image
    return balanced(torch.stack(found)) if wanted.white_balance else torch.stack(found).byte()


def balanced(images: Tensor) -> Tensor:
    """Each channel scaled so that its background becomes bright neutral grey."""
    values = images.flatten(2).byte().sort(dim=2).values
    count = values.shape[2]
    background = values[:, :, int(np.ceil(count * _SHARE)) - 1].float().clamp_min(1)
    gains = (_BACKGROUND / background).clamp_max(_MOST_GAIN)
    return (images * gains[:, :, None, None]).round().clamp(0, 255).byte()


def compare(files: Sequence[bytes], device: torch.device) -> None:
    """Print how pixels and calls change if the device decodes and prepares."""
    exact_float32()
    model = storage.load(default_ensemble())
    wanted = model.members[0].checkpoint.preprocessing
    exact = np.stack([prepare(decode(content), wanted) for content in files])
    tensors = [as_tensor(content) for content in files]
    there = decode_jpeg(tensors, mode=ImageReadMode.RGB, device=device)
    # decoded on the CPU, prepared on the device: what the preparation alone changes
    here = [torch.from_numpy(np.array(decode(content))).permute(2, 0, 1).to(device) for content in files]
    members = engines(model, device, "fp32", batch=min(128, len(files)))
    expected = voted(model, members, [exact] * len({member.checkpoint.preprocessing for member in model.members}))
    print("| | mean difference of a pixel | largest | calls changed | largest difference of a probability |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, decoded in (("prepared on the GPU", here), ("decoded and prepared on the GPU", there)):
        pixels = prepared_on_device(decoded, wanted).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        apart = np.abs(pixels.astype(np.int16) - exact)
        found = voted(model, members, [pixels] * len({m.checkpoint.preprocessing for m in model.members}))
        changed = int((model.called(found.probabilities) != model.called(expected.probabilities)).sum())
        largest = np.abs(found.probabilities - expected.probabilities).max()
        print(f"| {name} | {apart.mean():.3f} | {apart.max()} | {changed} of {len(files)} | {largest:.2g} |")
    print(flush=True)


if __name__ == "__main__":
    app()
