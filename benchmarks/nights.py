"""How often a night is reported to differ from earlier nights, without and with a real change.

    python -m benchmarks.nights

The slides are simulated. Normal blood follows textbooks, with the spread between people. Leukaemic slides have 20–95%
blasts, less sure calls and darker nuclei. Colours and sharpness spread as on 67 patients' slides of one laboratory.
Every night has the same number of slides. Each slide is leukaemic with the given probability. Prints Markdown.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from slidescreen.data.appearance import MEASURES
from slidescreen.runs import drift
from slidescreen.runs.drift import CERTAINTY, COMPOSITION, Profile, compare

_MEAN = {"neutrophil": 0.57, "band_neutrophil": 0.04, "eosinophil": 0.03, "basophil": 0.006, "monocyte": 0.07,
         "lymphocyte": 0.27, "variant_lymphocyte": 0.004}  # fmt: skip
_FALSE = 0.003  # of every other type: calls that are errors
_CONCENTRATION = 18.0  # of a Dirichlet distribution: neutrophils vary by 11 percentage points between people
_COLOURS = {"background_red": (254.7, 0.3), "background_green": (229.8, 0.4), "background_blue": (203.1, 0.5),
            "nucleus_red": (123.2, 12.0), "nucleus_green": (73.0, 7.5), "nucleus_blue": (137.5, 5.1),
            "sharpness": (2.2, 0.27)}  # fmt: skip
_LEUKAEMIC = {"nucleus_red": -7.4, "nucleus_green": -8.7, "nucleus_blue": 4.2}
_CELLS = 150
_PAST = 60

Change = dict[str, float]
CHANGES: dict[str, Change] = {
    "nothing": {},
    "nuclei 30 grey levels paler": {"nucleus_red": 30.0, "nucleus_green": 30.0},
    "background 8 grey levels darker": {"background_red": -8.0, "background_green": -8.0, "background_blue": -8.0},
    "sharpness a third less": {"sharpness": -0.75},
    "a third of the neutrophils called bands": {"band_neutrophil_percent": 19.0, "neutrophil_percent": -19.0},
    "calls less sure by 0.1": {"mean_probability": -0.1},
}


def main(
    repeats: Annotated[int, typer.Option(help="Laboratories of each kind.")] = 200,
    least: Annotated[list[int] | None, typer.Option(help="Values of LEAST_SLIDES to try.")] = None,
) -> None:
    """Percentage of nights with a remark; of simulated laboratories, one night each after 60 others."""
    print("| slides a night | leukaemic | least slides | " + " | ".join(CHANGES) + " |")
    print("| ---: | ---: | ---: |" + " ---: |" * len(CHANGES))
    for slides in (1, 3, 10, 30):
        for leukaemic in (0.0, 0.05, 0.2):
            generator = np.random.default_rng(0)
            told: Counter[tuple[int, str]] = Counter()
            for _ in range(repeats):
                told.update(_told(slides, leukaemic, least or [drift.LEAST_SLIDES], generator))
            for needed in least or [drift.LEAST_SLIDES]:
                shares = " | ".join(f"{100 * told[needed, change] / repeats:.1f}" for change in CHANGES)
                print(f"| {slides} | {leukaemic:.0%} | {needed} | {shares} |", flush=True)


def _told(
    slides: int, leukaemic: float, least: Sequence[int], generator: np.random.Generator
) -> Iterator[tuple[int, str]]:
    """Which changes of one laboratory's night were told, with which of the least numbers of slides."""
    past = [_night(slides, leukaemic, generator) for _ in range(_PAST)]
    tonight = _night(slides, leukaemic, generator)
    for name, change in CHANGES.items():
        changed = {figure: value + change.get(figure, 0.0) for figure, value in tonight.figures.items()}
        for needed in least:
            drift.LEAST_SLIDES = needed
            if compare(Profile(slides, changed), past, {}):
                yield needed, name


def _night(slides: int, leukaemic: float, generator: np.random.Generator) -> Profile:
    ill = generator.random(slides) < leukaemic
    looks = {
        name: mean + generator.normal(0, spread, slides) + ill * _LEUKAEMIC.get(name, 0.0)
        for name, (mean, spread) in _COLOURS.items()
    }
    sure = np.clip(generator.normal(np.where(ill, 0.82, 0.92), np.where(ill, 0.06, 0.02)), 0, 1)
    unidentified = np.abs(generator.normal(np.where(ill, 8.0, 3.0), np.where(ill, 4.0, 1.5)))
    figures = {name: float(np.median(looks[name])) for name in MEASURES}
    figures |= dict(zip(CERTAINTY, (float(np.median(sure)), float(np.median(unidentified))), strict=True))
    medians = np.median([_percentages(bool(one), generator) for one in ill], axis=0).tolist()
    return Profile(slides, figures | dict(zip(COMPOSITION, medians, strict=True)))


def _percentages(ill: bool, generator: np.random.Generator) -> NDArray[np.float64]:
    names = [name.removesuffix("_percent") for name in COMPOSITION]
    mean = np.asarray([_MEAN.get(name, _FALSE) for name in names])
    shares = generator.dirichlet(_CONCENTRATION * mean)
    if ill:
        blasts = np.zeros(len(names))
        blasts[names.index(generator.choice(["myeloblast", "lymphoblast"]))] = 1.0
        part = generator.uniform(0.2, 0.95)
        shares = part * blasts + (1 - part) * shares
    return 100 * generator.multinomial(_CELLS, shares / shares.sum()) / _CELLS


if __name__ == "__main__":
    typer.run(main)
