"""The cost of a night of three images if the same output folder holds thousands of earlier slides.

    python -m benchmarks.years --slides 0 --slides 3000 --slides 10000

The earlier slides' records are simulated: their probabilities are drawn and judged as any others. Each day had ten
slides. Some slides still have all images in the input (hard links to drawn cells); the others have none. Each night is
a separate process with the shipped ensemble, a filled cache and a new slide. The median of five nights is reported,
with the fastest and the slowest; the night before them is not counted. Prints Markdown.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import numpy as np
import typer

from benchmarks.process_cost import Cost, cost_of
from slidescreen.data.appearance import MEASURES
from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import CellImage, Slide
from slidescreen.engine.configuration import configure
from slidescreen.engine.options import EngineOptions
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.runs.ledger import Ledger
from slidescreen.screening.results import SlideResult, judge
from slidescreen.screening.thresholds import default_thresholds

HERE = Path(__file__).resolve().parents[1]
ENSEMBLE = HERE / "weights" / "default"
DRAWN = sorted((HERE / "sample_data" / "normal_01").glob("*.jpg"))
_A_DAY = 10  # slides
_NIGHTS = 5
_MODELS = 20  # slides of other calls: to judge one takes 40 ms


def main(
    slides: Annotated[list[int] | None, typer.Option(help="Earlier slides; may be given several times.")] = None,
    cells: Annotated[int, typer.Option(help="Images of each.")] = 200,
) -> None:
    """Make the earlier slides, spend the nights, tell their cost."""
    print("| earlier slides | their images | seconds | processor seconds | memory, MB | cells.csv, MB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        for count in slides or [0, 3000]:
            for present in (False, True) if count else (False,):
                folder = Path(name).resolve() / f"{count}-{present}"
                source, out = folder / "in", folder / "out"
                make_earlier(source, out, count, cells, present)
                costs = []
                for number in range(1 + _NIGHTS):
                    os.sync()  # the earlier slides have long been on the disk
                    _new_slide(source / f"new-{number}", 3 * number)
                    costs.append(night(source, out))
                costs = sorted(costs[1:], key=lambda cost: cost.seconds)
                cost = costs[_NIGHTS // 2]
                size = (out / "cells.csv").stat().st_size / 1e6
                where = "–" if not count else "in the input" if present else "gone"
                seconds = f"{cost.seconds:.1f} ({costs[0].seconds:.1f}–{costs[-1].seconds:.1f})"
                told = f"{seconds} | {cost.processor:.1f} | {cost.megabytes:.0f} | {size:.0f}"
                print(f"| {count} | {where} | {told} |", flush=True)
                shutil.rmtree(folder)


def night(source: Path, out: Path) -> Cost:
    """Classify as a user does, in a process of its own."""
    command = [sys.executable, "-m", "slidescreen", "classify", str(source), "--out", str(out), "--quiet"]
    return cost_of([*command, "--ensemble", str(ENSEMBLE)])


def make_earlier(source: Path, out: Path, count: int, cells: int, present: bool) -> None:
    """Records in a run's folder of finished slides of `source`, and with `present` their images there."""
    ensemble = storage.load(ENSEMBLE)
    ledger = Ledger(out, ensemble, configure(EngineOptions(), ensemble.validation), default_thresholds())
    models = list(_models(ensemble, cells))
    pool = source.parent / "pool"
    pool.mkdir(parents=True)
    pictures = [Path(shutil.copy2(picture, pool)) for picture in DRAWN]
    digests = [hashlib.sha256(picture.read_bytes()).hexdigest() for picture in pictures]
    for number in range(count):
        folder = source / f"earlier-{number:05d}"
        images = tuple(CellImage(folder / f"cell_{cell:03d}.jpg", f"cell_{cell:03d}.jpg") for cell in range(cells))
        chosen = [(number + cell) % len(pictures) for cell in range(cells)]
        if present:
            folder.mkdir(parents=True)
            for image, picture in zip(images, chosen, strict=True):
                os.link(pictures[picture], image.path)
        model = models[number % _MODELS]
        calls = tuple(replace(call, digest=digests[picture]) for call, picture in zip(model.calls, chosen, strict=True))
        named = replace(model, differential=replace(model.differential, slide=folder.name), calls=calls, folder=folder)
        with (  # thousands of records need not be on the disk at once
            patch("slidescreen.screening.slide_record.write_text", Path.write_text),
            patch("slidescreen.runs.ledger.datetime") as clock,
        ):
            clock.now.return_value = datetime.now(UTC) - timedelta(days=1 + number // _A_DAY)
            ledger.keep(Slide(folder.name, folder, images, folder.name), named)


def _models(ensemble: Ensemble, cells: int) -> Iterator[SlideResult]:
    """Slides of drawn calls, mostly neutrophils, judged."""
    generator = np.random.default_rng(0)
    types = ensemble.cell_types
    expected = np.where(np.arange(len(types)) == types.index("neutrophil"), 3.0, 0.1)
    looks = (100.0,) * len(MEASURES)
    for _ in range(_MODELS):
        calls = []
        for cell, row in enumerate(generator.dirichlet(expected, size=cells)):
            sure = row.max() >= ensemble.validation.rejection_threshold
            status, called = (Status.CLASSIFIED, types[int(row.argmax())]) if sure else (Status.UNIDENTIFIED, "")
            name = f"cell_{cell:03d}.jpg"
            calls.append(Call(name, status, called, float(row.max()), "", tuple(row.tolist()), "", "", looks))
        yield judge(Slide("", Path(), ()), tuple(calls), ensemble, default_thresholds())


def _new_slide(folder: Path, first: int) -> None:
    folder.mkdir(parents=True)
    for picture in DRAWN[first : first + 3]:
        shutil.copy(picture, folder)


if __name__ == "__main__":
    typer.run(main)
