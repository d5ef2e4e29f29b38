"""How exactly each engine and precision agrees with plain float32 PyTorch, on labelled images. Prints Markdown.

    python -m benchmarks.agreement cells.csv --split validation --leave-out plasma_cell

Arithmetic that a processor lacks is emulated by OpenVINO: slow, and as exact as the real one.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from slidescreen import cells
from slidescreen import ensemble as ensembles
from slidescreen.cli.shared import default_ensemble
from slidescreen.engine.interface import Choice
from slidescreen.engine.selection import load_engines
from slidescreen.ensemble import Ensemble
from slidescreen.evaluation.truth import chosen
from slidescreen.labels import LabelRules, read_labelled
from slidescreen.statistics import classification
from slidescreen.validation import MemberPredictions, predict

REFERENCE = Choice("pytorch", "cpu", "fp32")


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    split: str = "validation",
    leave_out: Annotated[list[str] | None, typer.Option(help="Pass over images of this label.")] = None,
    precisions: Annotated[str, typer.Option(help="Of OpenVINO, joined by commas.")] = "fp32,bf16",
) -> None:
    """Largest difference of a probability, changed calls, change of macro F1 and of any slide's blasts."""
    model = ensembles.load(ensemble or default_ensemble())
    rules = LabelRules(frozenset(leave_out or ()))
    images = [i for i in chosen(read_labelled(data, rules), split) if i.label in model.cell_types]

    def by(choice: Choice) -> MemberPredictions:
        return predict(model, load_engines(model.members, choice), images, lambda *_: None)

    expected = by(REFERENCE)
    print(f"{len(images)} images of the {split} split, against PyTorch in float32.\n")
    print("| engine | probability, largest difference | calls changed | macro F1 | a slide's blasts, largest change |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for precision in precisions.split(","):
        found = by(Choice("openvino", "cpu", precision))
        before, after = (model.combine(side.members) for side in (expected, found))
        changed = before.argmax(axis=1) != after.argmax(axis=1)
        f1 = [macro_f1(expected.truth, side) for side in (before, after)]
        pairs = zip(_blasts(model, expected, before), _blasts(model, expected, after), strict=True)
        blasts = max(abs(first - second) for first, second in pairs)
        print(
            f"| OpenVINO, {precision} | {np.abs(after - before).max():.1e} | {changed.sum()} ({changed.mean():.2%}) "
            f"| {f1[1]:.4f} ({f1[1] - f1[0]:+.4f}) | {blasts:.2f} percentage points |",
            flush=True,
        )


def macro_f1(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Of true types (N,) and probabilities (N, K), every cell called."""
    matrix = classification.confusion_matrix(truth, probabilities.argmax(axis=1), probabilities.shape[1])
    return classification.macro(classification.per_type(matrix).f1).value


def _blasts(model: Ensemble, found: MemberPredictions, probabilities: np.ndarray) -> list[float]:
    """Each slide's blasts in percent of its leukocytes, unidentified cells left out."""
    called = np.where(
        probabilities.max(axis=1) >= model.calibration.rejection_threshold, probabilities.argmax(axis=1), -1
    )
    names = np.asarray([image.slide for image in found.images])
    shares = []
    for name in sorted(set(names.tolist()) - {""}):
        here = called[names == name]
        leukocytes = np.isin(here, cells.indices(model.cell_types, cells.LEUKOCYTES)).sum()
        if leukocytes:
            shares.append(100 * np.isin(here, cells.indices(model.cell_types, cells.BLASTS)).sum() / leukocytes)
    return shares


if __name__ == "__main__":
    typer.run(main)
