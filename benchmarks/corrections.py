"""Which correction of a slide's percentages is best on real slides. Prints Markdown.

    slidescreen report cells.csv --split validation --out evaluation
    python benchmarks/corrections.py evaluation/predictions.csv

Each slide is corrected by what is known of the other slides of the file: by expectation maximisation over the counts of
calls (what slidescreen does), or over the cells' probabilities (Saerens, Latinne and Decaestecker 2002), started from
the other slides' own composition or from none.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.correction import unmix
from slidescreen.differential import NAMES
from slidescreen.evaluation.predictions import Predictions
from slidescreen.evaluation.truth import of_tables
from slidescreen.labels import LabelRules
from slidescreen.statistics import classification
from slidescreen.validation import among_leukocytes

Floats = NDArray[np.float64]
Method = Callable[[Predictions, Predictions], Floats]
"""From a slide and the cells of all others to the shares of the K types, 0–1."""

_STEPS = 400


def counted(slide: Predictions, _: Predictions) -> Floats:
    """The calls as they are."""
    return np.bincount(slide.called[slide.called >= 0], minlength=len(slide.cell_types)).astype(np.float64)


def by_counts(slide: Predictions, others: Predictions) -> Floats:
    """The composition that makes the counts of calls most likely."""
    kept = others.called >= 0
    matrix = classification.confusion_matrix(others.truth[kept], others.called[kept], len(others.cell_types))
    found = unmix(counted(slide, others).astype(np.int64), matrix)
    assert found is not None
    return found.shares


def by_probabilities(flat: bool) -> Method:
    """The composition that makes the cells' probabilities most likely, these being of a `flat` composition or not."""

    def correct(slide: Predictions, others: Predictions) -> Floats:
        assert slide.probabilities is not None
        types = len(slide.cell_types)
        prior = np.full(types, 1.0) if flat else np.bincount(others.truth, minlength=types) + 1.0
        likelihood = (slide.probabilities + 1e-6) / prior
        shares = prior / prior.sum()
        for _ in range(_STEPS):
            weighted = likelihood * shares
            shares = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        return np.asarray(shares)

    return correct


METHODS: dict[str, Method] = {
    "counted": counted,
    "over counts": by_counts,
    "over probabilities": by_probabilities(flat=False),
    "… of a flat composition": by_probabilities(flat=True),
}


def main(
    predictions: Annotated[Path, typer.Argument(help="predictions.csv of an evaluation.")],
    least: Annotated[int, typer.Option(help="Leukocytes by truth that a slide must have.")] = 50,
) -> None:
    """Mean absolute errors of the corrections, over the slides of a file of predictions."""
    (found,) = of_tables([predictions], LabelRules())
    if found.probabilities is None:
        raise typer.BadParameter("the predictions have no probabilities")
    errors: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    for slide, others in _slides(found, least):
        true = 100 * among_leukocytes(np.bincount(slide.truth, minlength=len(found.cell_types)), found.cell_types)
        for name, method in METHODS.items():
            measured = 100 * among_leukocytes(method(slide, others), found.cell_types)
            errors[name].append(np.abs(measured - true).tolist())
    slides = len(errors["counted"])
    print(f"Mean absolute error in percentage points, {slides} slides:\n")
    print("| type or group | " + " | ".join(METHODS) + " |")
    print("| --- |" + " ---: |" * len(METHODS))
    for row, type_or_group in enumerate(NAMES):
        means = (np.mean([slide[row] for slide in errors[name]]) for name in METHODS)
        print(f"| {cells.DISPLAY_NAMES[type_or_group]} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")


def _slides(found: Predictions, least: int) -> Iterator[tuple[Predictions, Predictions]]:
    names = np.asarray(found.slides)
    leukocytes = cells.indices(found.cell_types, cells.LEUKOCYTES)
    for name in sorted(set(found.slides) - {""}):
        if np.isin(found.truth[names == name], leukocytes).sum() >= least:
            yield found.where(names == name), found.where(names != name)


if __name__ == "__main__":
    typer.run(main)
