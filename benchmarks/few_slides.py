"""Do limits and tests over slides hold their level, and how many slides do they need? A simulation. Prints Markdown.

    python -m benchmarks.few_slides --trials 1000
    python -m benchmarks.few_slides --measured evaluation/predictions.csv

Errors within a slide are correlated. Each slide has its own composition and its own accuracy for each type. This
accuracy scatters about the type's accuracy with an intra-slide correlation. Two models share some errors on a slide,
and neither is better. Slides have one size or lognormal sizes. The limits and tests of `slidescreen.statistics` are
compared with those of resampled slides (the percentile bootstrap). With `--measured`, the benchmark instead prints how
strongly the cells of an evaluation cluster.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy.stats
import typer
from numpy.typing import NDArray

from benchmarks.verdict import read
from slidescreen.statistics import clustered_tables, clusters, rates
from slidescreen.statistics.overall_scores import ScalarStatistic, scalar_statistic

SLIDES = (2, 3, 4, 6, 12, 24)
_FREQUENCIES = np.asarray([0.40, 0.25, 0.12, 0.08, 0.06, 0.04, 0.03, 0.02])
_ACCURACIES = np.asarray([0.93, 0.90, 0.85, 0.80, 0.75, 0.90, 0.70, 0.80])
_TYPES = len(_FREQUENCIES)
_MIXED = 12.0  # of the Dirichlet distribution of a slide's composition
_ALIKE = 0.5  # correlation of a slide's effect between two types, and between two models
_STATISTICS: tuple[ScalarStatistic, ...] = ("accuracy", "macro_f1")
_RESAMPLES = 400
_SPREAD_OF_SIZES = 0.8  # of the logarithm


@dataclass
class Tally:
    """How often limits held the truth and tests found a difference, and how wide the limits were."""

    held: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)

    def words(self) -> str:
        if not self.held:
            return "too few slides | | "
        return f"{100 * np.mean(self.held):.0f} | {np.median(self.widths):.3f} | {100 * np.mean(self.found):.1f}"


@dataclass(frozen=True)
class Scene:
    """How slides are made."""

    cells: int
    correlation: float
    even: bool

    def slides(self, count: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
        """The true types of `count` slides' cells, what two models called them, and their slides."""
        sizes = np.full(count, self.cells)
        if not self.even:
            sizes = np.clip(generator.lognormal(np.log(self.cells), _SPREAD_OF_SIZES, count), 20, 1000).astype(int)
        compositions = generator.dirichlet(_MIXED * _FREQUENCIES, count)
        truth = np.concatenate([generator.choice(_TYPES, n, p=p) for n, p in zip(sizes, compositions, strict=True)])
        slide = np.repeat(np.arange(count), sizes)
        effects = [generator.normal(size=shape) for shape in ((1, count, 1), (1, count, _TYPES), (2, count, _TYPES))]
        shared, own = np.sqrt(_ALIKE), np.sqrt((1 - _ALIKE) / 2)
        place = scipy.stats.norm.cdf(shared * effects[0] + own * effects[1] + own * effects[2])
        scale = 1 / self.correlation - 1
        accuracy = scipy.stats.beta.ppf(place, _ACCURACIES * scale, (1 - _ACCURACIES) * scale)
        calls = []
        for model in range(2):
            right = generator.random(len(truth)) < accuracy[model, slide, truth]
            wrong = (truth + generator.integers(1, _TYPES, len(truth))) % _TYPES
            calls.append(np.where(right, truth, wrong))
        return truth, calls[0], calls[1], slide


def main(
    trials: int = 1000,
    cells: Annotated[int, typer.Option(help="Of a slide; the median where sizes differ.")] = 130,
    correlation: Annotated[list[float], typer.Option(help="Intra-slide correlations.")] = [0.01, 0.12, 0.3],  # noqa: B006
    sizes: Annotated[list[str], typer.Option(help="Of slides: one, many.")] = ["one", "many"],  # noqa: B006
    measured: Annotated[Path | None, typer.Option(help="predictions.csv of an evaluation.")] = None,
    seed: int = 0,
) -> None:
    """Simulate, or measure."""
    if measured is not None:
        _measure(measured)
        return
    names = " | ".join(f"{s}: limits hold, % | width | false p < 0.05, %" for s in ("accuracy", "macro F1"))
    print(f"| sizes | correlation | slides | by | {names} |")
    print("| --- | ---: | ---: | --- |" + " ---: |" * 6)
    for size in sizes:
        for each in correlation:
            scene = Scene(cells, each, even=size == "one")
            generator = np.random.default_rng(seed)
            truths = _truths(scene, generator)
            for count in SLIDES:
                ours, theirs = _simulate(scene, count, trials, truths, generator)
                for name, tallies in (("resampled slides", theirs), ("slidescreen", ours)):
                    words = " | ".join(tally.words() for tally in tallies)
                    print(f"| {size} | {each:g} | {count} | {name} | {words} |", flush=True)


def _truths(scene: Scene, generator: np.random.Generator) -> list[float]:
    """What the statistics would be of more slides than there are."""
    truth, called, _, _ = scene.slides(4000, generator)
    whole = np.bincount(truth * _TYPES + called, minlength=_TYPES**2).reshape(_TYPES, _TYPES)
    return [float(rates.accuracy(whole)), float(rates.macro_f1(whole))]


def _simulate(
    scene: Scene, count: int, trials: int, truths: Sequence[float], generator: np.random.Generator
) -> tuple[list[Tally], list[Tally]]:
    ours, theirs = ([Tally() for _ in _STATISTICS] for _ in range(2))
    for _ in range(trials):
        truth, first, second, slide = scene.slides(count, generator)
        tables = [clustered_tables.tabulate(truth, called, _TYPES, slide) for called in (first, second)]
        weights = generator.multinomial(count, [1 / count] * count, size=_RESAMPLES)
        for number, (name, expected) in enumerate(zip(_STATISTICS, truths, strict=True)):
            _resample(theirs[number], tables, weights, name, expected)
            limits = clustered_tables.statistic_limits(tables[0], name)
            if limits.note != clusters.TOO_FEW:
                p = clustered_tables.paired_difference(truth, first, second, _TYPES, name, slide).p
                _add(ours[number], (limits.low, limits.high), expected, bool(p < 0.05))
    return ours, theirs


def _resample(
    tally: Tally,
    tables: Sequence[clustered_tables.SlideTables],
    weights: NDArray[np.int64],
    name: ScalarStatistic,
    expected: float,
) -> None:
    """Percentile limits and p of resampled slides."""
    score = scalar_statistic(name)
    first, second = (score(np.tensordot(weights, each.counts, axes=1)) for each in tables)
    smaller = min(np.count_nonzero(first <= second), np.count_nonzero(first >= second))
    low, high = np.quantile(first, (0.025, 0.975))
    _add(tally, (float(low), float(high)), expected, bool(2 * (1 + smaller) / (_RESAMPLES + 1) < 0.05))


def _add(tally: Tally, limits: tuple[float, float], expected: float, found: bool) -> None:
    tally.held.append(limits[0] <= expected <= limits[1])
    tally.widths.append(limits[1] - limits[0])
    tally.found.append(bool(found))


def _measure(predictions: Path) -> None:
    """The intra-slide correlation of being called right, of all cells and of each type's (analysis of variance)."""
    found = read(predictions)
    names = np.asarray(found.slides)
    right = found.forced() == found.truth
    groups = [("all", names != "")]
    groups += [(name, (names != "") & (found.truth == place)) for place, name in enumerate(found.cell_types)]
    print("| cells | slides | number | right, % | correlation |\n| --- | ---: | ---: | ---: | ---: |")
    for name, here in groups:
        for slides, cells, correlation in _correlation(names[here], right[here]):
            print(f"| {name} | {slides} | {cells} | {100 * right[here].mean():.0f} | {correlation:.2f} |")


def _correlation(names: NDArray[np.str_], right: NDArray[np.bool_]) -> Iterator[tuple[int, int, float]]:
    """Slides, cells and correlation, where there are enough of them to tell."""
    _, slide, sizes = np.unique(names, return_inverse=True, return_counts=True)
    total, count = len(names), len(sizes)
    if count < 4 or total < 40 + count:
        return
    means = np.bincount(slide, weights=right) / sizes
    between = float(np.sum(sizes * (means - right.mean()) ** 2) / (count - 1))
    within = float(np.sum((right - means[slide]) ** 2) / (total - count))
    size = (total - np.sum(sizes**2) / total) / (count - 1)
    yield count, total, (between - within) / (between + (size - 1) * within)


if __name__ == "__main__":
    typer.run(main)
