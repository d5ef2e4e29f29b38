"""The weighted mean of the weights of two checkpoints, one of them trained on from the other.

    python weights/average.py first.safetensors second.safetensors efficientnet_b1.safetensors --share 0.25

The result is used as the first says: at its image size, on images prepared its way. It carries both records.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.files.writing import sha256_of
from slidescreen.models.checkpoints import load_weights, read_checkpoint, save_checkpoint


def average(
    first: Path,
    second: Path,
    out: Path,
    share: Annotated[float, typer.Option(help="Of the second in the mean.", min=0, max=1)] = 0.5,
) -> None:
    """Write the mean of two checkpoints of one backbone and the same cell types."""
    one, other = read_checkpoint(first), read_checkpoint(second)
    if (one.backbone, one.cell_types) != (other.backbone, other.cell_types):
        raise SystemExit("error: the two are not of one backbone and the same cell types")
    weights, others = load_weights(first), load_weights(second)
    mean = {
        name: tensor.lerp(others[name], share) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
    parts = ((first, one, 1 - share), (second, other, share))
    record = {"mean_of": [{"share": s, "sha256": sha256_of(p), **c.provenance} for p, c, s in parts]}
    save_checkpoint(out, mean, replace(one, provenance=record), half=True)


if __name__ == "__main__":
    typer.run(average)
