r"""Measure how half precisions change an ensemble's calls on this machine, where that is not known yet.

    python -m weights.precisions weights/default cells.csv --device cuda --drop-duplicates \
        --leave-out normal_unspecified --leave-out plasma_cell --leave-out promonocyte
"""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.building import precisions
from slidescreen.building.labelled_images import images_of
from slidescreen.building.options import EnsembleOptions
from slidescreen.data.label_options import LabelRules
from slidescreen.engine.configuration import configure, half_precisions, load_engines
from slidescreen.engine.options import Device, EngineOptions, Precision
from slidescreen.ensembles import storage
from slidescreen.ensembles.member_predictions import MemberPredictions, predict
from slidescreen.files.writing import write_text


def main(
    folder: Annotated[Path, typer.Argument(help="The ensemble.")],
    data: Annotated[Path, typer.Argument(help="The labelled images whose validation split it was measured on.")],
    device: Annotated[Device, typer.Option(help="Where to measure.")] = Device.AUTO,
    drop_duplicates: Annotated[bool, typer.Option("--drop-duplicates")] = False,
    leave_out: Annotated[list[str] | None, typer.Option(help="Labels to pass over.")] = None,
) -> None:
    """Classify the validation split in float32 and in each half precision, and add to the ensemble what they change."""
    ensemble = storage.load(folder)
    options = EnsembleOptions(
        tuple(member.path for member in ensemble.members),
        folder,
        data,
        label_rules=LabelRules(frozenset(leave_out or ())),
        drop_duplicates=drop_duplicates,
    )
    images, _ = images_of(options, ensemble, typer.echo)
    configuration = configure(EngineOptions(device))

    def predictions(precision: str) -> MemberPredictions:
        engines = load_engines(ensemble.members, replace(configuration, precision=precision))
        return predict(ensemble, engines, images, partial(_tell, precision))

    exact = predictions(Precision.FP32)
    added: dict[str, object] = {}
    for half in half_precisions(configuration):
        found = precisions.measure(ensemble, exact, predictions(half), half)
        typer.echo(f"{half}: {json.dumps({name: asdict(each) for name, each in found.items()}, indent=2)}")
        if half not in ensemble.validation.precisions:  # what was measured elsewhere stays
            added |= {name: asdict(each) for name, each in found.items()}
    record = folder / "ensemble.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    content["validation"]["precisions"] |= added
    write_text(record, json.dumps(content, indent=2) + "\n")


def _tell(precision: str, done: int, of: int) -> None:
    if done == of:
        typer.echo(f"{precision}: {of} images")


if __name__ == "__main__":
    typer.run(main)
