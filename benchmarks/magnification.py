"""How well an ensemble calls cells that another microscope shows larger or smaller. Prints Markdown.

    python -m benchmarks.magnification cells.csv --split validation --leave-out plasma_cell

An enlarged image shows the middle of the original. A reduced image shows the original within a mirrored border.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from benchmarks.by_source import images_of, show
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble

_BATCH = 64


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    split: str = "validation",
    leave_out: Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")] = None,
    enlargements: str = "0.5,0.67,0.8,1,1.25,1.5,2",
    every: Annotated[int, typer.Option(help="Take one image of so many.")] = 1,
) -> None:
    """Accuracy at several magnifications."""
    model = storage.load(ensemble or default_ensemble())
    images = images_of(model, data, split, leave_out)[::every]
    engines = load_engines(model.members, EngineConfiguration(EngineKind.OPENVINO, Device.CPU, "fp32"))
    truth = np.asarray([model.cell_types.index(image.label) for image in images])
    factors = [float(text) for text in enlargements.split(",")]
    called: dict[float, list[NDArray[np.int64]]] = {factor: [] for factor in factors}
    for start in range(0, len(images), _BATCH):
        decoded = [decode(read_bytes(image.path)) for image in images[start : start + _BATCH]]
        for factor in factors:
            shown = [magnified(image, factor) for image in decoded]
            members = [
                engine.probabilities(np.stack([prepare(image, member.checkpoint.preprocessing) for image in shown]))
                for engine, member in zip(engines.members, model.members, strict=True)
            ]
            called[factor].append(model.combine(members).argmax(axis=1))
    print(f"{len(images)} images of the {split} split, every cell called.\n")
    show(images, truth, {f"{factor:g} ×": np.concatenate(called[factor]) for factor in factors}, model.cell_types)


def magnified(image: Image.Image, factor: float) -> Image.Image:
    width, height = image.size
    if factor >= 1:
        left, top = round(width * (1 - 1 / factor) / 2), round(height * (1 - 1 / factor) / 2)
        return image.crop((left, top, width - left, height - top))
    across, down = round(width * (1 / factor - 1) / 2), round(height * (1 / factor - 1) / 2)
    return Image.fromarray(np.pad(np.asarray(image), ((down, down), (across, across), (0, 0)), mode="reflect"))


if __name__ == "__main__":
    typer.run(main)
