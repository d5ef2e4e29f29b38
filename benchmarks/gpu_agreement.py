"""Whether a GPU calls cells as the processor does in float32. Prints Markdown.

python -m benchmarks.gpu_agreement
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from benchmarks.gpu_timing import engines
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.data.slides import discover
from slidescreen.engine.gpu import Execution, exact_float32
from slidescreen.engine.interface import MemberEngines
from slidescreen.engine.pytorch import TorchEngine
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.voting import Vote, Voted
from slidescreen.errors import UnreadableImageError

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    slides: Annotated[Path, typer.Argument(help="Folder of slide folders.")] = Path("sample_data"),
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    images: Annotated[int, typer.Option(help="The most images.")] = 5000,
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
) -> None:
    """Compare calls."""
    where, cpu = torch.device(device), torch.device("cpu")
    model = storage.load(ensemble or default_ensemble())
    exact = MemberEngines([TorchEngine(member.path, cpu) for member in model.members], "")
    needed = Vote(model, exact).preprocessings
    shown = [decode(content) for content in contents(slides, images)]
    pixels = [np.stack([prepare(image, each) for image in shown]) for each in needed]
    expected = voted(model, exact, pixels)
    calls = model.called(expected.probabilities)
    print(f"{len(shown)} images of {slides}, {model.members[0].checkpoint.preprocessing.image_size} pixels\n")
    print("| | most probable type changed | call changed | largest difference of a probability | of unfamiliarity |")
    print("| --- | ---: | ---: | ---: | ---: |")
    plain, eager = Execution(), Execution(graphs=False)
    ways = [("fp32", plain), ("fp32+bf16", plain), ("bf16", plain), ("fp16", plain), ("fp16", eager)]
    for tf32 in (False, True):
        exact_float32()
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        for precision, execution in ways[:1] if tf32 else ways:
            members = engines(model, where, precision, execution, batch=min(128, len(shown)))
            found = voted(model, members, pixels)
            types = int((found.probabilities.argmax(1) != expected.probabilities.argmax(1)).sum())
            changed = int((model.called(found.probabilities) != calls).sum())
            apart = np.abs(found.probabilities - expected.probabilities).max()
            grades = np.nanmax(np.abs(found.unfamiliarity - expected.unfamiliarity))
            name = f"{precision}{', no CUDA graphs' * (not execution.graphs)}{', rounded to TF32' * tf32}"
            print(f"| {name} | {types} | {changed} | {apart:.2g} | {grades:.2g} |")
    print(flush=True)


def contents(slides: Path, most: int) -> Iterator[bytes]:
    """The readable images of some slides, each once."""
    seen: set[bytes] = set()
    for image in (image for slide in discover(slides) for image in slide.images):
        try:
            content = read_bytes(image.path)
            decode(content)
        except UnreadableImageError:
            continue
        if content not in seen and len(seen) < most:
            seen.add(content)
            yield content


def voted(model: Ensemble, members: MemberEngines, pixels: list[NDArray[np.uint8]]) -> Voted:
    """The ensemble's votes, in batches of 128."""
    vote = Vote(model, members)
    starts = range(0, len(pixels[0]), 128)
    parts = [vote([each[start : start + 128] for each in pixels]) for start in starts]
    return Voted(
        np.concatenate([part.probabilities for part in parts]), np.concatenate([part.unfamiliarity for part in parts])
    )


if __name__ == "__main__":
    app()
