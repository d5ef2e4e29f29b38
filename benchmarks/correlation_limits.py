"""How often limits of a correlation hold the correlation of all slides. A simulation. Prints Markdown.

    python -m benchmarks.correlation_limits cells.csv

A simulated slide has the composition of one of the labelled slides. The model calls its 100 leukocytes with the
ensemble's measured errors, which vary between slides. Limits of Pearson's r by `slidescreen.statistics.correlation`
are compared with Fisher's.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy.stats
import typer
from numpy.typing import NDArray

from benchmarks.analysers import SHOWN
from benchmarks.verdict import EnsembleOption
from slidescreen import cells
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import read_labels
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble
from slidescreen.statistics.correlation import correlation

_FOREIGN = frozenset({"plasma_cell", "promonocyte", "normal_unspecified"})
_LEUKOCYTES = 100
_ALIKE = 60.0  # concentration of a slide's composition about that of its labelled slide
_STEADY = 15.0  # concentration of a slide's errors about the measured ones
_POPULATION = 20_000


class Slides:
    """Slides with their percentages by truth and by the model, drawn from labelled slides and measured errors."""

    def __init__(self, compositions: NDArray[np.float64], errors: NDArray[np.float64], seed: int) -> None:
        self._compositions, self._errors = compositions, errors
        self._generator = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True and called percentages, each (count, types)."""
        generator = self._generator
        true, called = np.zeros((2, count, len(self._errors)))
        for number in range(count):
            chosen = self._compositions[generator.integers(len(self._compositions))]
            true[number] = generator.multinomial(_LEUKOCYTES, generator.dirichlet(_ALIKE * chosen + 0.02))
            for kind in np.flatnonzero(true[number]).tolist():
                shares = generator.dirichlet(_STEADY * self._errors[kind] + 1e-3)
                called[number] += generator.multinomial(int(true[number, kind]), shares)
        return true, called


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with slides.")],
    ensemble: EnsembleOption = None,
    source: Annotated[str, typer.Option(help="The source whose slides are drawn.")] = "deepapl",
    trials: int = 300,
) -> None:
    """The share of trials whose limits hold the correlation of 20,000 slides, and the limits' median width."""
    model = storage.load(ensemble or default_ensemble())
    leukocytes = cells.indices(model.cell_types, cells.LEUKOCYTES)
    types = [model.cell_types[place] for place in leukocytes]
    matrix = np.asarray(model.validation.confusion_matrix, dtype=np.float64)[np.ix_(leukocytes, leukocytes)] + 0.05
    slides = Slides(_compositions(data, source, types), matrix / matrix.sum(axis=1, keepdims=True), seed=0)
    groups = {name: cells.indices(types, cells.GROUPS.get(name, (name,))) for name in SHOWN}
    everything = slides.draw(_POPULATION)
    print("| slides | % of leukocytes | correlation of all | Fisher's limits hold it, % | width | ours, % | width |")
    print("| ---: | --- |" + " ---: |" * 5)
    for count in (6, 12, 24, 60):
        drawn = [slides.draw(count) for _ in range(trials)]
        for name, members in groups.items():
            row = _row([_pair(each, members) for each in drawn], _pair(everything, members))
            print(f"| {count} | {cells.DISPLAY_NAMES[name]} | {row} |", flush=True)


def _compositions(data: Path, source: str, types: list[str]) -> NDArray[np.float64]:
    """The shares (S, types) of the labelled slides with 20 leukocytes or more."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for image in read_labels(data, LabelRules(_FOREIGN)).images:
        if image.source == source and image.slide and image.label in types:
            counts[image.slide][image.label] += 1
    rows = np.asarray([[each[name] for name in types] for each in counts.values() if each.total() >= 20], float)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _pair(
    slides: tuple[NDArray[np.float64], NDArray[np.float64]], members: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    true, called = slides
    return true[:, members].sum(axis=1), called[:, members].sum(axis=1)


def _row(
    drawn: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    everything: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> str:
    population = float(np.corrcoef(*everything)[0, 1])
    held: dict[str, list[bool]] = {"Fisher": [], "ours": []}
    widths: dict[str, list[float]] = {"Fisher": [], "ours": []}
    for true, called in drawn:
        ours = correlation(true, called).pearson_interval
        if np.isnan(ours.low):
            continue
        fisher = scipy.stats.pearsonr(true, called).confidence_interval(0.95)
        for name, limits in (("Fisher", fisher), ("ours", ours)):
            held[name].append(bool(limits.low <= population <= limits.high))
            widths[name].append(float(limits.high - limits.low))
    if len(held["ours"]) < len(drawn) / 2:
        return f"{population:.3f} | too few slides | | too few slides | "
    told = (f"{100 * np.mean(held[name]):.0f} | {np.median(widths[name]):.2f}" for name in held)
    return f"{population:.3f} | {' | '.join(told)}"


if __name__ == "__main__":
    typer.run(main)
