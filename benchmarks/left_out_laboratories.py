"""How networks do in a laboratory that they never saw. Prints Markdown.

    python -m benchmarks.left_out_laboratories cells.csv labs.csv --before before --backbone efficientnet_b1 -- \\
        --init before/efficientnet_b1.safetensors --image-size 160 --epochs 3 …

For each laboratory of labs.csv, `slidescreen train` learns from cells.csv and the other laboratories, with the options
after the two dashes. Then the network calls all cells of that laboratory. The same command goes on after an
interruption. After a second call for the other backbone, a table also gives the vote of both (0.4 / 0.6). Without
options for a training, it only prints the tables.

The networks in `before`, from which the trainings start, must not have seen the laboratories. Every cell is called,
without offsets or rejection.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from numpy.typing import NDArray
from torch.nn.functional import softmax

from slidescreen import cells
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.models.backbones import BACKBONES, Backbone
from slidescreen.models.checkpoints import load_network

LABORATORIES = ("raabin", "rvpbs", "bcisc", "bm_pathbites", "taleqani")
_NORMAL = ("neutrophil", "eosinophil", "basophil", "monocyte", "lymphocyte")
_UNNAMED_NORMAL = "normal_unspecified"
SHARES = {Backbone.EFFICIENTNET_B1: 0.4, Backbone.EFFICIENTNETV2_B2: 0.6}
_BATCH = 64
Floats = NDArray[np.float64]


def main(
    data: Annotated[Path, typer.Argument(help="CSV of the home laboratories' labelled images, with their split.")],
    others: Annotated[
        Path, typer.Argument(help="CSV of the other laboratories' labelled images, with source and split.")
    ],
    before: Annotated[Path, typer.Option(help="Folder of networks that saw no laboratory of labs.csv.")],
    training: Annotated[
        list[str] | None, typer.Argument(help="Options of slidescreen train, after two dashes.")
    ] = None,
    backbone: Annotated[Backbone, typer.Option(help="What to train.")] = Backbone.EFFICIENTNET_B1,
    out: Annotated[Path, typer.Option(help="Folder of the trainings.")] = Path("left-out"),
    laboratory: Annotated[list[str] | None, typer.Option(help="One to leave out; all if not given.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, to call the cells.")] = "cpu",
) -> None:
    """Train without each laboratory in turn, and print how its cells are called."""
    home, abroad = read(data), read(others)
    names = laboratory or list(LABORATORIES)
    if training:
        for name in names:
            _train(home, abroad, name, out / name / backbone, ["--backbone", backbone, *training])
    rows: dict[str, list[dict[str, float]]] = {}
    for name in names:
        for who, found in _ways(abroad[abroad.source == name], before, out / name, torch.device(device)):
            rows.setdefault(who, []).append(found)
    for who, counted in rows.items():
        _show(who, names, counted)


def read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["file"] = [str((path.parent / name).absolute()) for name in table["file"]]
    return table


def _train(home: pd.DataFrame, abroad: pd.DataFrame, name: str, out: Path, options: list[str]) -> None:
    """One training without a laboratory, or the rest of it if it was interrupted."""
    out.mkdir(parents=True, exist_ok=True)
    table = pd.concat([home, abroad[abroad.source != name]])
    learnt = [cells.resolve(label) in cells.CELL_TYPES or cells.group_label(label) for label in table.label]
    table = table[(table.split != "test") & np.asarray(learnt, dtype=bool)]
    table[["file", "label", "source", "slide", "split"]].to_csv(out / "cells.csv", index=False)
    command = [sys.executable, "-m", "slidescreen", "train", str(out / "cells.csv"), "--out", str(out), *options]
    begun = any(out.glob("*.safetensors"))
    subprocess.run([*command, "--drop-duplicates", *(["--resume"] if begun else [])], check=True)


def _ways(
    table: pd.DataFrame, before: Path, trained: Path, device: torch.device
) -> Iterator[tuple[str, dict[str, float]]]:
    """Each network, and the vote of both, before and after the training without the laboratory."""
    for folder, when in ((before, "before"), (trained, "trained without the laboratory")):
        votes = []
        for backbone in Backbone:
            path = (folder / backbone if folder == trained else folder) / f"{backbone}.safetensors"
            if path.exists():
                probabilities = _probabilities(path, table.file.tolist(), device)
                yield f"{BACKBONES[backbone]}, {when}", figures(table, probabilities)
                votes.append(SHARES[backbone] * probabilities)
        if len(votes) == len(Backbone):
            yield f"the vote, {when}", figures(table, sum(votes[1:], votes[0]))


@torch.inference_mode()
def _probabilities(path: Path, files: list[str], device: torch.device) -> Floats:
    """What a checkpoint says of images: (N, K) for all cell types."""
    checkpoint, network = load_network(path)
    assert checkpoint.cell_types == cells.CELL_TYPES
    network, prepared = network.to(device), checkpoint.preprocessing
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (prepared.mean, prepared.std))
    found = []
    for start in range(0, len(files), _BATCH):
        pixels = np.stack([prepare(decode(read_bytes(Path(f))), prepared) for f in files[start : start + _BATCH]])
        images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
        found.append(softmax(network((images - mean) / std).double(), 1).cpu().numpy())
    return np.concatenate(found)


def figures(table: pd.DataFrame, probabilities: Floats) -> dict[str, float]:
    called = np.asarray(cells.CELL_TYPES)[probabilities.argmax(1)]
    labels: NDArray[Any] = np.asarray([cells.resolve(label) or label for label in table.label])
    known, normal = np.isin(labels, cells.CELL_TYPES), np.isin(labels, _NORMAL)
    healthy = normal | (table.label.to_numpy() == _UNNAMED_NORMAL)
    blasts, as_blasts = np.isin(labels, (*cells.BLASTS, cells.UNSPECIFIED_BLAST)), np.isin(called, cells.BLASTS)
    recalls = [(called == name)[labels == name].mean() for name in _NORMAL if (labels == name).any()]
    return {
        "cells": len(labels),
        "all types": _mean((called == labels)[known]),
        "normal types": _mean((called == labels)[normal]),
        "normal types, mean recall": _mean(np.asarray(recalls)),
        "normal cells called blasts": _mean(as_blasts[healthy]),
        "blasts found": _mean(as_blasts[blasts]),
    }


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _show(who: str, names: list[str], rows: list[dict[str, float]]) -> None:
    table = pd.DataFrame(rows, index=names)
    print(f"\n{who}:\n\n| left out | " + " | ".join(table.columns) + " |\n| --- |" + " ---: |" * table.shape[1])
    for name, row in table.iterrows():
        print(f"| {name} | {row.iloc[0]:.0f} | " + " | ".join(_number(value) for value in row.iloc[1:]) + " |")
    print("| mean | | " + " | ".join(_number(value) for value in table.iloc[:, 1:].mean()) + " |")


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    typer.run(main)
