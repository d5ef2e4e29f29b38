"""Which correction of a slide's percentages is best on real slides. Prints Markdown.

    slidescreen report cells.csv --split validation --drop-duplicates --out evaluation
    python -m benchmarks.corrections evaluation/predictions.csv --tested test/predictions.csv

The other slides of a slide's file determine its correction. For slides of the tested file, the first file alone does.
Files of other networks' calls may be added, see `benchmarks.folds`. The corrections are expectation maximisation over
the counts of calls, over separate counts of sure and of other calls (as slidescreen does), or over the cells'
probabilities (Saerens, Latinne and Decaestecker 2002). The last starts with or without the other slides' composition.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.verdict import read, slides_of
from slidescreen import cells
from slidescreen.building.validation import among_leukocytes
from slidescreen.evaluation.predictions import Predictions
from slidescreen.screening.correction import graded, unmix
from slidescreen.screening.differential import NAMES
from slidescreen.statistics import classification

Floats = NDArray[np.float64]
Method = Callable[[Predictions, Predictions], Floats]
"""From a slide and the cells of all others to the shares of the K types, 0–1."""

_STEPS = 400
_RESAMPLES = 10_000
_PRINTED = 0.05  # percentage points: what a change must reach to be seen in a tenth


def counted(slide: Predictions, _: Predictions) -> Floats:
    """The calls as they are."""
    return np.bincount(slide.called[slide.called >= 0], minlength=len(slide.cell_types)).astype(np.float64)


def by_counts(apart: bool) -> Method:
    """The composition that makes the counts of calls most likely, sure calls and others `apart` or together."""

    def correct(slide: Predictions, others: Predictions) -> Floats:
        types = len(slide.cell_types)
        columns = types * (2 if apart else 1)
        calls, known = (_columns(found, apart) for found in (slide, others))
        matrix = classification.confusion_matrix(others.truth[others.called >= 0], known, columns)[:types]
        found = unmix(np.bincount(calls, minlength=columns), matrix)
        assert found is not None
        return found.shares

    return correct


def _columns(found: Predictions, apart: bool) -> NDArray[np.int64]:
    assert found.probabilities is not None
    kept = found.called >= 0
    called = found.called[kept]
    return graded(called, found.probabilities[kept].max(axis=1), len(found.cell_types)) if apart else called


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


OURS = "sure and other calls apart"
METHODS: dict[str, Method] = {
    "counted": counted,
    "over counts": by_counts(apart=False),
    OURS: by_counts(apart=True),
    "over probabilities": by_probabilities(flat=False),
    "… of a flat composition": by_probabilities(flat=True),
}


def main(
    predictions: Annotated[list[Path], typer.Argument(help="predictions.csv of an evaluation, or several.")],
    tested: Annotated[Path | None, typer.Option(help="Another, whose slides nothing is learnt from.")] = None,
    least: Annotated[int, typer.Option(help="Leukocytes by truth that a slide must have.")] = 50,
) -> None:
    """Mean absolute errors of the corrections over slides, and what that of `classify` gains, with limits."""
    known = [read(path) for path in predictions]
    pairs = [(slide, others) for each in known for _, slide, others in slides_of(each, least)]
    if tested is not None:
        pairs += [(slide, known[0]) for _, slide, _ in slides_of(read(tested), least)]
    found = {name: np.array([_errors(method, *pair) for pair in pairs]) for name, method in METHODS.items()}
    gains = found["counted"] - found[OURS]
    drawn = np.random.default_rng(0).integers(len(pairs), size=(_RESAMPLES, len(pairs)))
    limits = np.quantile(gains[drawn].mean(axis=1), (0.025, 0.975), axis=0)
    print(f"Mean absolute error in percentage points, {len(pairs)} slides:\n")
    print("| type or group | " + " | ".join(METHODS) + " | gain of these (95%) | slides nearer, farther |")
    print("| --- |" + " ---: |" * (len(METHODS) + 2))
    for row, type_or_group in enumerate(NAMES):
        means = " | ".join(f"{found[name][:, row].mean():.2f}" for name in METHODS)
        gain = f"{gains[:, row].mean():+.2f} ({limits[0, row]:+.2f} to {limits[1, row]:+.2f})"
        moved = f"{(gains[:, row] > _PRINTED).sum()}, {(gains[:, row] < -_PRINTED).sum()}"
        print(f"| {cells.DISPLAY_NAMES[type_or_group]} | {means} | {gain} | {moved} |")
    _print_by_blasts([slide for slide, _ in pairs], found["counted"], found[OURS])


def _print_by_blasts(slides: Sequence[Predictions], before: Floats, after: Floats) -> None:
    """The error of the blasts by how many there truly are."""
    row = NAMES.index("blasts")
    true = np.asarray([100 * among_leukocytes(_true(slide), slide.cell_types)[row] for slide in slides])
    print("\n| true blasts | slides | counted | " + OURS + " |")
    print("| --- | ---: | ---: | ---: |")
    for low, high in itertools.pairwise((0, 2, 10, 30, 60, 101)):
        here = (true >= low) & (true < high)
        title = f"{low}–{min(high, 100)}%"
        print(f"| {title} | {here.sum()} | {before[here, row].mean():.2f} | {after[here, row].mean():.2f} |")


def _errors(method: Method, slide: Predictions, others: Predictions) -> Floats:
    """Of a method on a slide, for each of `NAMES`, in percentage points."""
    parts = [among_leukocytes(shares, slide.cell_types) for shares in (method(slide, others), _true(slide))]
    return 100 * np.abs(parts[0] - parts[1])


def _true(slide: Predictions) -> NDArray[np.int64]:
    return np.bincount(slide.truth, minlength=len(slide.cell_types))


if __name__ == "__main__":
    typer.run(main)
