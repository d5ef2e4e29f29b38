r"""Give an ensemble that lacks it what tells unfamiliar cells and slides. All else in its folder stays as it is.

python -m weights.familiarity weights/default cells.csv --drop-duplicates --unknown plasma_cell \
    --unknown promonocyte --leave-out normal_unspecified
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.building.home import TOO_FEW, measured_familiarity
from slidescreen.building.labelled_images import images_of, unknown_cells
from slidescreen.building.options import EnsembleOptions
from slidescreen.data.label_options import LabelRules
from slidescreen.engine.configuration import configure, half_precisions, load_engines
from slidescreen.engine.options import Device, EngineOptions, Precision
from slidescreen.ensembles import familiarity_file, storage
from slidescreen.ensembles.familiarity import COARSE, EXACT
from slidescreen.ensembles.member_predictions import predict
from slidescreen.files.writing import sha256_of, write_text


def main(
    folder: Annotated[Path, typer.Argument(help="The ensemble.")],
    data: Annotated[Path, typer.Argument(help="The labelled images that it was trained and measured on.")],
    drop_duplicates: Annotated[bool, typer.Option("--drop-duplicates")] = False,
    leave_out: Annotated[list[str] | None, typer.Option(help="Labels to pass over.")] = None,
    unknown: Annotated[list[str] | None, typer.Option(help="Labels of cells without a class.")] = None,
) -> None:
    """Measure familiarity on the training and the validation split, and add it to the ensemble."""
    ensemble = replace(storage.load(folder), familiarity=None)
    rules = LabelRules(frozenset([*(leave_out or ()), *(unknown or ())]))
    options = EnsembleOptions(
        tuple(member.path for member in ensemble.members),
        folder,
        data,
        label_rules=rules,
        drop_duplicates=drop_duplicates,
        unknown=frozenset(unknown or ()),
    )
    validation, trained = images_of(options, ensemble, typer.echo)
    configuration = configure(EngineOptions(Device.CPU, precision=Precision.FP32))
    measured = {}
    coarse = (COARSE,) if all(member.int8 for member in ensemble.members) else ()
    for arithmetic in (EXACT, *half_precisions(configuration), *coarse):
        engines = load_engines(ensemble.members, replace(configuration, precision=arithmetic))
        measured[arithmetic] = predict(ensemble, engines, validation, lambda _done, _of: None, with_features=True)
    found = measured_familiarity(ensemble, configuration, trained, measured, _silently, unknown_cells(options))
    if found is None:
        raise typer.BadParameter(TOO_FEW)
    path = folder / familiarity_file.NAME
    familiarity_file.write_arrays(path, found)
    found = replace(found, path=path, sha256=sha256_of(path))
    record = folder / "ensemble.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    content["familiarity"] = {"file": path.name, "sha256": found.sha256, **familiarity_file.figures(found)}
    write_text(record, json.dumps(content, indent=2) + "\n")
    typer.echo(json.dumps(familiarity_file.figures(found), indent=2))


def _silently(_what: str, _done: int, _of: int) -> None:
    """Tell nobody."""


if __name__ == "__main__":
    typer.run(main)
