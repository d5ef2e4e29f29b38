"""The verdict on real slides. Each slide is judged by measurements on the others. Prints Markdown.

    slidescreen report cells.csv --split validation --drop-duplicates --out evaluation
    python -m benchmarks.left_out evaluation/predictions.csv

Each slide of a file of predictions is judged as by `classify`, with an ensemble measured on the file's other cells.
`benchmarks.folds` provides slides of the training split.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.verdict import ScoredCell, calls_of, judge, percent, rate, read, shares_of, slides_of
from slidescreen.building.options import RejectionTargets
from slidescreen.building.validation import calibrate
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.member_predictions import MemberPredictions
from slidescreen.evaluation.predictions import Predictions
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member

_FLAGS = {"blasts": "blasts", "immature_granulocytes": "ig"}
_RANGES = ((20.0, 101.0), (10.0, 20.0), (5.0, 10.0), (2.0, 5.0), (0.0, 2.0))  # true percentages


def main(
    predictions: Annotated[list[Path], typer.Argument(help="predictions.csv of an evaluation, or several.")],
    least: Annotated[int, typer.Option(help="Leukocytes by truth that a slide must have.")] = 50,
) -> None:
    """How many slides are flagged, by the true percentage of what they are flagged for."""
    judged = [each for path in predictions for each in _judged(read(path), least)]
    print(f"{len(judged)} slides.\n")
    print("| truly | slides with so many blasts flagged for them | … with so many IG for these |")
    print("| --- | --- | --- |")
    for low, high in _RANGES:
        columns = (_flagged(judged, group, flag, low, high) for group, flag in _FLAGS.items())
        print(f"| {f'{low:g}% and more' if high > 100 else f'{low:g}–{high:g}%'} | " + " | ".join(columns) + " |")


def _judged(found: Predictions, least: int) -> Iterator[ScoredCell]:
    for name, slide, others in slides_of(found, least):
        ensemble = measured(others)
        yield judge(name, calls_of(called_by(ensemble, slide)), shares_of(slide), ensemble)


def _flagged(judged: Sequence[ScoredCell], group: str, flag: str, low: float, high: float) -> str:
    chosen = [j for j in judged if low <= percent(j.true, group) < high]
    return rate(sum(flag in j.finding.flags for j in chosen), len(chosen))


def measured(known: Predictions) -> Ensemble:
    """An ensemble of one member that has called the known cells as they were called."""
    assert known.probabilities is not None
    member = Member(Path("left out"), 1.0, "", Checkpoint("efficientnet_b1", known.cell_types, Preprocessing(96)))
    images = tuple(
        LabelledImage(Path(str(n)), known.cell_types[t], slide)
        for n, (t, slide) in enumerate(zip(known.truth.tolist(), known.slides, strict=True))
    )
    return calibrate(
        Ensemble((member,)), MemberPredictions(images, known.truth, (known.probabilities,)), RejectionTargets()
    )


def called_by(ensemble: Ensemble, slide: Predictions) -> Predictions:
    """The slide's cells as the ensemble calls them: its scale and threshold are learnt from the others, too."""
    assert slide.probabilities is not None
    probabilities = ensemble.combine([slide.probabilities])
    return replace(slide, called=ensemble.called(probabilities), probabilities=probabilities)


if __name__ == "__main__":
    typer.run(main)
