"""Split the training images into halves. A network that has seen only one half then calls the other half.

    python -m benchmarks.folds cells.csv
    slidescreen train fold0.csv --out fold0 …
    slidescreen ensemble fold0/efficientnet_b1.safetensors --data fold0.csv --out without0
    slidescreen report fold0.csv --split validation --drop-duplicates --ensemble without0 --out called0

Writes fold0.csv and fold1.csv. Slides stay whole. So slides of the training split can also test corrections and
verdicts, and can show images with implausible labels.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with their slides and split.")],
    folds: int = 2,
    seed: int = 0,
) -> None:
    """Write a table for each fold, which is its validation split."""
    table = pd.read_csv(data, dtype=str, keep_default_na=False)
    table = table[table.split == "train"].copy()
    table["file"] = [str((data.parent / name).absolute()) for name in table["file"]]
    together = [slide or file for slide, file in zip(table.slide, table.file, strict=True)]
    names = sorted(set(together))
    drawn = dict(zip(names, np.random.default_rng(seed).integers(folds, size=len(names)).tolist(), strict=True))
    fold_of = np.asarray([drawn[name] for name in together])
    for fold in range(folds):
        table["split"] = np.where(fold_of == fold, "validation", "train")
        table.to_csv(f"fold{fold}.csv", index=False)
        print(f"fold{fold}.csv: {(fold_of != fold).sum()} images to train on, {(fold_of == fold).sum()} to call")


if __name__ == "__main__":
    typer.run(main)
