"""How long adapting takes, and whose slides are unfamiliar afterwards. Prints Markdown.

    python -m benchmarks.adapted_slides labs.csv --source raabin

Whole slides of the laboratory are signed until there are enough cells. The laboratory's other slides come later. Cells
of other laboratories are dealt into slides of twenty, or as many as `--of` says.
"""

import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import slidescreen
from benchmarks.verdict import EnsembleOption
from slidescreen import cells
from slidescreen.building.adaptation import adapt_ensemble
from slidescreen.building.options import EnsembleOptions
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.ensembles.location import default_ensemble
from slidescreen.screening.unfamiliar_cells import LEAST_CELLS

_MOST_SLIDES = 10  # of another laboratory: enough to see whether its slides are told


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images of several sources, with slides.")],
    ensemble: EnsembleOption = None,
    source: Annotated[str, typer.Option(help="The laboratory that is adapted to.")] = "raabin",
    count: Annotated[int, typer.Option("--cells", help="Signed cells.")] = 2000,
    of: Annotated[int, typer.Option(help="Cells of a slide of another laboratory.")] = 20,
) -> None:
    """Seconds for an adaptation, and the share of unfamiliar slides before and after it."""
    images = read_labelled(
        data, LabelRules(frozenset(["plasma_cell", "normal_unspecified"]), groups=frozenset({cells.UNSPECIFIED_BLAST}))
    )
    signed, later = _parted([image for image in images if image.source == source], count)
    old = ensemble or default_ensemble()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for image in signed:
            _copy(image.path, folder / "signed" / image.slide / "Signed slides" / image.label)
        started, used = time.perf_counter(), sum(os.times()[:2])
        request = EnsembleOptions((), folder / "own", folder / "signed", adapt=str(old))
        adapt_ensemble(request, old, lambda *_: None, print)
        seconds, busy = time.perf_counter() - started, sum(os.times()[:2]) - used
        print(f"\n{len(signed)} signed cells: {seconds:.0f} s, {busy:.0f} s of processor time\n")
        print("| slides | how many | unfamiliar, as shipped | adapted |\n| --- | ---: | ---: | ---: |")
        for name, slides in _asked(images, source, later, of):
            for number, slide in enumerate(slides):
                for image in slide:
                    _copy(image.path, folder / name / f"S{number:03d}")
            both = {"shipped": old, "adapted": folder / "own"}
            shares = [_unfamiliar(folder / name, folder / f"{name}, {which}", each) for which, each in both.items()]
            print(f"| {name} | {len(slides)} | {shares[0]:.2f} | {shares[1]:.2f} |", flush=True)


def _parted(images: Sequence[LabelledImage], count: int) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """The images of so many slides that the cells are enough, and those of the other slides."""
    names = np.random.default_rng(0).permutation(sorted({image.slide for image in images})).tolist()
    chosen: set[str] = set()
    for name in names:
        if sum(image.slide in chosen for image in images) < count:
            chosen.add(name)
    return [i for i in images if i.slide in chosen][:count], [i for i in images if i.slide not in chosen]


def _asked(
    images: Sequence[LabelledImage], source: str, later: Sequence[LabelledImage], of: int
) -> Iterator[tuple[str, list[list[LabelledImage]]]]:
    by_slide = defaultdict(list)
    for image in later:
        by_slide[image.slide].append(image)
    yield "its own, later", [slide for slide in by_slide.values() if len(slide) >= LEAST_CELLS]
    for name in sorted({image.source for image in images} - {source}):
        own = [image for image in images if image.source == name and image.label in (*cells.CELL_TYPES, "blast")]
        order = np.random.default_rng(0).permutation(len(own)).tolist()
        slides = [[own[place] for place in order[s : s + of]] for s in range(0, len(own), of)]
        yield name, [slide for slide in slides if len(slide) == of][:_MOST_SLIDES]


def _copy(image: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(image, folder / image.name)


def _unfamiliar(slides: Path, out: Path, ensemble: Path) -> float:
    run = slidescreen.classify(slides, out, ensemble=ensemble)
    return float(np.mean(["unfamiliar" in slide.flags for slide in run.slides]))


if __name__ == "__main__":
    typer.run(main)
