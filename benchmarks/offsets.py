"""The benefit of the offsets of `slidescreen ensemble` on slides outside their training data. Prints Markdown.

    slidescreen report cells.csv --split validation --drop-duplicates --ensemble without-offsets --out evaluation
    python -m benchmarks.offsets evaluation/predictions.csv

An offset for each cell type is added to the logarithms of its probabilities. For each eighth of a file's slides, the
offsets are learnt from the other seven eighths. Cells without a known slide are dealt out singly.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.verdict import read
from slidescreen.engine.exactness import macro_f1
from slidescreen.evaluation.predictions import Predictions
from slidescreen.statistics.calibration import negative_log_likelihood
from slidescreen.statistics.scaling import apply_offsets, fit_offsets

_PARTS = 8


def main(
    predictions: Annotated[list[Path], typer.Argument(help="predictions.csv of an evaluation, or several.")],
) -> None:
    """Accuracy, macro F1 and log loss of every cell, without and with offsets."""
    print("| file | cells | accuracy, without | with | macro F1, without | with | log loss, without | with |")
    print("| --- |" + " ---: |" * 7)
    for path in predictions:
        found = read(path)
        assert found.probabilities is not None
        pair = (found.probabilities, _moved(found, found.probabilities))
        accuracy = " | ".join(f"{(p.argmax(axis=1) == found.truth).mean():.3f}" for p in pair)
        score = " | ".join(f"{macro_f1(found.truth, p):.3f}" for p in pair)
        loss = " | ".join(f"{negative_log_likelihood(found.truth, p):.3f}" for p in pair)
        print(f"| {path.parent.name} | {len(found.truth)} | {accuracy} | {score} | {loss} |")


def _moved(found: Predictions, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    names = [slide or f"cell {number}" for number, slide in enumerate(found.slides)]
    distinct, slide_of_cell = np.unique(names, return_inverse=True)
    part = np.random.default_rng(0).permutation(len(distinct))[slide_of_cell] % _PARTS
    moved = np.empty_like(probabilities)
    for number in range(_PARTS):
        here = part == number
        moved[here] = apply_offsets(probabilities[here], fit_offsets(probabilities[~here], found.truth[~here]))
    return moved


if __name__ == "__main__":
    typer.run(main)
