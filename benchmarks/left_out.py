"""The verdict on real slides, each judged by what is known of the others. Prints Markdown.

    slidescreen report cells.csv --split validation --out evaluation
    python -m benchmarks.left_out evaluation/predictions.csv

Every slide of a file of predictions is judged as `classify` would by an ensemble that was measured on the file's other
cells, first as it is, then without its blasts and promyelocytes, or without its immature granulocytes: what is flagged
then is a false alarm. The training split's slides can be had by `benchmarks.folds`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.verdict import Judged, calls_of, judge, percent, rate, shares_of
from slidescreen import cells
from slidescreen.ensemble import Ensemble, Member
from slidescreen.evaluation.predictions import Predictions
from slidescreen.evaluation.truth import of_tables
from slidescreen.images import Preprocessing
from slidescreen.labels import LabelledImage, LabelRules
from slidescreen.networks import Checkpoint
from slidescreen.validation import MemberPredictions, Targets, calibrate

_BLASTS: dict[str, Callable[[float], bool]] = {
    "blasts ≥ 20%": lambda blasts: blasts >= 20,
    "10–20%": lambda blasts: 10 <= blasts < 20,
    "5–10%": lambda blasts: 5 <= blasts < 10,
    "below 5%": lambda blasts: 0 < blasts < 5,
    "none": lambda blasts: blasts == 0,
}


@dataclass(frozen=True)
class LeftOut:
    """One slide: as it is, without blasts and promyelocytes, without immature granulocytes; None of too few cells."""

    whole: Judged
    without_blasts: Judged | None
    without_immature: Judged | None


def main(
    predictions: Annotated[list[Path], typer.Argument(help="predictions.csv of an evaluation, or several.")],
    least: Annotated[int, typer.Option(help="Leukocytes by truth that a slide must have.")] = 50,
) -> None:
    """How many slides are flagged, by their true blasts, and how many falsely."""
    found = [slide for path in predictions for slide in _slides(path, least)]
    print("| slides | flagged for blasts | flagged for IG |")
    print("| --- | --- | --- |")
    for title, holds in _BLASTS.items():
        _print(title, [s.whole for s in found if holds(percent(s.whole.true, "blasts"))])
    _print("without their blasts and promyelocytes", [s.without_blasts for s in found if s.without_blasts])
    _print("without their immature granulocytes", [s.without_immature for s in found if s.without_immature])


def _print(title: str, judged: Sequence[Judged]) -> None:
    columns = (rate(sum(flag in j.finding.flags for j in judged), len(judged)) for flag in ("blasts", "ig"))
    print(f"| {title} | " + " | ".join(columns) + " |", flush=True)


def _slides(path: Path, least: int) -> Iterator[LeftOut]:
    (found,) = of_tables([path], LabelRules())
    slides = np.asarray(found.slides)
    leukocytes = cells.indices(found.cell_types, cells.LEUKOCYTES)
    removed = (cells.BLAST_EQUIVALENTS, cells.IMMATURE_GRANULOCYTES)
    for name in sorted(set(found.slides) - {""}):
        here = found.where(slides == name)
        parts = [here, *(here.where(~np.isin(here.truth, cells.indices(here.cell_types, kinds))) for kinds in removed)]
        enough = [np.isin(part.truth, leukocytes).sum() >= least for part in parts]
        if not enough[0]:
            continue
        model = _measured(found.where(slides != name))
        whole, *others = (
            judge(name, calls_of(part), shares_of(part), model) if there else None
            for part, there in zip(parts, enough, strict=True)
        )
        assert whole is not None
        yield LeftOut(whole, *others)


def _measured(known: Predictions) -> Ensemble:
    """An ensemble of one member that has called the known cells as they were called."""
    if known.probabilities is None:
        raise typer.BadParameter("the predictions have no probabilities")
    member = Member(Path("left out"), 1.0, "", Checkpoint("efficientnet_b1", known.cell_types, Preprocessing(96)))
    images = tuple(
        LabelledImage(Path(str(n)), known.cell_types[t], slide)
        for n, (t, slide) in enumerate(zip(known.truth.tolist(), known.slides, strict=True))
    )
    return calibrate(Ensemble((member,)), MemberPredictions(images, known.truth, (known.probabilities,)), Targets())


if __name__ == "__main__":
    typer.run(main)
