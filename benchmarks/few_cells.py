"""How the verdict improves with the number of validation cells that measure an ensemble. Prints Markdown.

    slidescreen report cells.csv --split validation --out validation
    slidescreen report cells.csv --split test --out test
    python -m benchmarks.few_cells validation/predictions.csv test/predictions.csv

Each line draws new validation cells for each slide. Temperature, offsets, rejection threshold and errors are measured
on these cells alone. These measurements then judge slides composed from test cells. `--noise` makes the networks worse.
`--normal-only` draws only validation cells of normal blood.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.left_out import called_by, measured
from benchmarks.verdict import NORMAL, EnsembleOption, ScoredCell, calls_of, judge, rate, read
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble
from slidescreen.evaluation.predictions import Predictions
from slidescreen.screening.finding import Verdict
from slidescreen.statistics.scaling import apply_offsets, apply_temperature

VALIDATION_CELLS = (20, 50, 80, 100, 240, 500, 1000, 2000)
BLASTS = (0.0, 0.05, 0.10, 0.20)
_LEUKOCYTES = 200


def main(
    validation: Annotated[Path, typer.Argument(help="predictions.csv of the validation split.")],
    test: Annotated[Path, typer.Argument(help="predictions.csv of the test split.")],
    ensemble: EnsembleOption = None,
    slides: Annotated[int, typer.Option(help="Slides, and draws of validation cells, for each line.")] = 200,
    noise: Annotated[float, typer.Option(help="Standard deviation of what is added to log probabilities.")] = 0.0,
    normal_only: bool = False,
    seed: int = 0,
) -> None:
    """The share of slides flagged, at 0, 5, 10 and 20% blasts among 200 leukocytes."""
    made = storage.load(ensemble or default_ensemble())
    generator = np.random.default_rng(seed)
    known, later = (_as_voted(read(path), made, noise, generator) for path in (validation, test))
    if normal_only:
        known = known.where(np.isin(known.truth, [known.cell_types.index(name) for name in NORMAL]))
    shares = " | ".join(f"{100 * share:g}% blasts: flagged for them" for share in BLASTS)
    print(f"{(later.forced() == later.truth).mean():.0%} of the test cells are called right.\n")
    print(f"| validation cells | no blasts: urgent or review | {shares} |")
    print("| ---: |" + " --- |" * (1 + len(BLASTS)))
    for count in VALIDATION_CELLS:
        if count <= len(known.truth):
            drawn = [_drawn(known, later, count, np.random.default_rng([seed, count, n])) for n in range(slides)]
            print(_row(count, drawn), flush=True)


def _as_voted(found: Predictions, made: Ensemble, noise: float, generator: np.random.Generator) -> Predictions:
    """The vote as it was before temperature and offsets, which were learnt from all validation cells."""
    assert found.probabilities is not None
    plain = apply_offsets(found.probabilities, -np.asarray(made.validation.offsets))
    voted = apply_temperature(plain, 1 / made.validation.temperature)
    worse = voted * np.exp(generator.normal(0, noise, voted.shape))
    return replace(found, called=worse.argmax(axis=1), probabilities=worse / worse.sum(axis=1, keepdims=True))


def _drawn(known: Predictions, later: Predictions, count: int, generator: np.random.Generator) -> list[ScoredCell]:
    """A slide for each of `BLASTS`, judged by what `count` drawn cells say of the ensemble."""
    chosen = np.isin(np.arange(len(known.truth)), generator.choice(len(known.truth), count, replace=False))
    ensemble = measured(known.where(chosen))
    judged = []
    for share in BLASTS:
        shares = {name: part * (1 - share) for name, part in NORMAL.items()} | {"myeloblast": share}
        slide = called_by(ensemble, _composed(later, shares, generator))
        judged.append(judge("composed", calls_of(slide), shares, ensemble))
    return judged


def _composed(later: Predictions, shares: dict[str, float], generator: np.random.Generator) -> Predictions:
    """A slide of test cells; of a type with too few of them, some are drawn twice."""
    assert later.probabilities is not None
    numbers = generator.multinomial(_LEUKOCYTES, list(shares.values())).tolist()
    places: list[NDArray[np.int64]] = []
    for name, number in zip(shares, numbers, strict=True):
        own = np.flatnonzero(later.truth == later.cell_types.index(name))
        places.append(generator.choice(own, number, replace=number > len(own)))
    cells = np.concatenate(places)
    return replace(
        later,
        truth=later.truth[cells],
        called=later.called[cells],
        probabilities=later.probabilities[cells],
        slides=("composed",) * len(cells),
        sources=("",) * len(cells),
        images=(),
    )


def _row(count: int, drawn: Sequence[Sequence[ScoredCell]]) -> str:
    normal = sum(slide[0].finding.verdict in (Verdict.URGENT, Verdict.REVIEW) for slide in drawn)
    flagged = (sum("blasts" in slide[n].finding.flags for slide in drawn) for n in range(len(BLASTS)))
    return f"| {count} | " + " | ".join(rate(number, len(drawn)) for number in (normal, *flagged)) + " |"


if __name__ == "__main__":
    typer.run(main)
