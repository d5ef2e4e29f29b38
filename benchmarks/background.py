"""Does the ensemble look at the cell, or at what lies around it? Prints Markdown.

    python -m benchmarks.background cells.csv --split test --leave-out plasma_cell

The leukocyte lies in the middle of an export's images. After the white balance, a centred disc counts as the cell, and
the rest counts as background. A network that relies on the cell falls to chance if it sees the background alone. Its
calls stay the same if the background comes from another laboratory's image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.by_source import images_of, show
from slidescreen.data.images import Pixels, decode, prepare, read_bytes
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble

_PLAIN = 240  # the neutral that the white balance gives backgrounds
_BATCH = 64

# Of which image is what lies inside the disc, and what lies outside.
SHOWN = {
    "as it is": ("own", "own"),
    "on a plain ground": ("own", "plain"),
    "on another laboratory's background": ("own", "other"),
    "background alone": ("plain", "own"),
}


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    split: str = "test",
    leave_out: Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")] = None,
    radius: Annotated[float, typer.Option(help="Of the disc, as a share of the image's side.")] = 0.4,
    seed: int = 0,
) -> None:
    """Accuracy on images whose background, or cell, was exchanged."""
    model = storage.load(ensemble or default_ensemble())
    images = images_of(model, data, split, leave_out)
    engines = load_engines(model.members, EngineConfiguration(EngineKind.OPENVINO, Device.CPU, "fp32"))
    truth = np.asarray([model.cell_types.index(image.label) for image in images])
    donors = _donors(images, seed)
    called: dict[str, list[NDArray[np.int64]]] = {name: [] for name in SHOWN}
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        pixels = [
            tuple(_load([i.path for i in side[part]], member.checkpoint.preprocessing) for side in (images, donors))
            for member in model.members
        ]
        for name, (inside, outside) in SHOWN.items():
            members = []
            for engine, (own, others) in zip(engines.members, pixels, strict=True):
                layers = {"own": own, "other": others, "plain": np.full_like(own, _PLAIN)}
                members.append(engine.probabilities(_mixed(layers[inside], layers[outside], radius)))
            called[name].append(model.combine(members).argmax(axis=1))
    print(
        f"{len(images)} images of the {split} split, every cell called; the disc's radius is {radius:g} of the side.\n"
    )
    show(images, truth, {name: np.concatenate(parts) for name, parts in called.items()}, model.cell_types)


def _donors(images: Sequence[LabelledImage], seed: int) -> list[LabelledImage]:
    """For each image one of another source, drawn."""
    generator = np.random.default_rng(seed)
    sources = sorted({image.source for image in images})
    if len(sources) < 2:
        raise typer.BadParameter("images of two sources or more are needed")
    foreign = {source: [i for i in images if i.source != source] for source in sources}
    return [foreign[i.source][generator.integers(len(foreign[i.source]))] for i in images]


def _load(paths: Sequence[Path], preprocessing: Preprocessing) -> Pixels:
    return np.stack([prepare(decode(read_bytes(path)), preprocessing) for path in paths])


def _mixed(inside: Pixels, outside: Pixels, radius: float) -> Pixels:
    """Images (N, S, S, 3) of two, one inside a centred disc and one outside; its edge is two pixels wide."""
    side = inside.shape[1]
    places = (np.arange(side) + 0.5) / side - 0.5
    distance = np.hypot(places[:, None], places[None, :])
    disc = np.clip((radius - distance) * side / 2 + 0.5, 0, 1)[..., None]
    mixed: Pixels = np.rint(inside * disc + outside * (1 - disc)).astype(np.uint8)
    return mixed


if __name__ == "__main__":
    typer.run(main)
