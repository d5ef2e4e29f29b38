"""How an ensemble calls cells for which it has no type. Prints Markdown.

python -m benchmarks.strangers cells.csv plasma_cell promonocyte
"""

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from slidescreen import cells
from slidescreen.data.calls import Status
from slidescreen.data.slides import CellImage, Slide
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.pipeline import Pipeline

_MOST_NAMED = 4


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images.")],
    labels: Annotated[list[str], typer.Argument(help="Labels to look at, of whatever split.")],
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
) -> None:
    """How the cells of each label are called."""
    model = storage.load(ensemble or default_ensemble())
    with data.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    slides = []
    for label in labels:
        paths = [data.parent / row["file"] for row in rows if row["label"] == label]
        slides.append(Slide(label, data.parent, tuple(CellImage(path, path.name) for path in paths)))
    pipeline = Pipeline(
        model, load_engines(model.members, EngineConfiguration(EngineKind.OPENVINO, Device.CPU, "fp32")), None, 2
    )
    print("| cells | unidentified | called a blast | called an immature granulocyte | most often called |")
    print("| --- | ---: | ---: | ---: | --- |")
    for slide, calls in pipeline.run(slides):
        named = Counter(call.cell_type for call in calls if call.status is Status.CLASSIFIED)
        blasts, immature = (sum(named[t] for t in group) for group in (cells.BLASTS, cells.IMMATURE_GRANULOCYTES))
        unsure = sum(call.status is Status.UNIDENTIFIED for call in calls)
        often = ", ".join(f"{cells.DISPLAY_NAMES[name].lower()} {n}" for name, n in named.most_common(_MOST_NAMED))
        print(f"| {len(calls)} × {slide.name} | {unsure} | {blasts} | {immature} | {often} |")


if __name__ == "__main__":
    typer.run(main)
