"""Slide by slide: correlations with the labels, beside published figures of analysers. Prints Markdown.

    python -m benchmarks.analysers cells.csv

Classifies the validation and the test images of one source, whose slides are known. It takes a minute. The published
figures are those that abstracts or conference reports state; their sources stand below the table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.by_source import images_of
from benchmarks.verdict import EnsembleOption
from slidescreen import cells
from slidescreen.engine.configuration import configure, load_engines
from slidescreen.engine.options import EngineOptions
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.member_predictions import predict
from slidescreen.evaluation.predictions import Predictions
from slidescreen.evaluation.slide_level import SlideAgreement, slide_level
from slidescreen.reporting.wording import as_limit
from slidescreen.statistics.intervals import Interval

SHOWN = (
    "neutrophil", "band_neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "blasts",
    "immature_granulocytes",
)  # fmt: skip
_ISLH = "http://www.islh.org/online/core_routines/view_abstract_no.php?show_close_window=yes&abstractno=433"
_FOREIGN = ("plasma_cell", "promonocyte", "normal_unspecified")


_SYMBOLS = {"pearson": "Pearson's r", "spearman": "Spearman's ρ"}


@dataclass(frozen=True)
class Published:
    """An analyser's correlations, as a publication states them.

    Attributes:
        analyser: its name.
        compared: what was compared.
        figures: r by type, with the digits of the source.
        source: where the figures stand.
    """

    analyser: str
    compared: str
    figures: Mapping[str, str]
    source: str


PUBLISHED = (
    Published(
        "Sysmex DI-60",
        "analyser and manual count, 276 samples",
        {"neutrophil": "0.955", "lymphocyte": "0.871", "blasts": "0.879", "immature_granulocytes": "0.820"},
        "[Kim et al. 2018](https://doi.org/10.1515/cclm-2017-0132), abstract",
    ),
    Published(
        "CellaVision DM96",
        "differential released by a person and microscope; neutrophils are the segmented ones",
        {
            "neutrophil": "0.88", "band_neutrophil": "0.69", "lymphocyte": "0.94", "monocyte": "0.67",
            "eosinophil": "0.73",
        },
        "[Kratz et al. 2005](https://doi.org/10.1309/XMB9K0J41LHLATAY), abstract",
    ),
    Published(
        "CellaVision DM9600",
        "analyser and a pathologist's correction of it, 91 samples",
        {"blasts": "0.915"},
        f"[Rodríguez et al., ISLH abstract 433]({_ISLH})",
    ),
    Published("Mindray MC-80", "the same", {"blasts": "0.987"}, f"[the same abstract]({_ISLH})"),
)  # fmt: skip
OTHERS = (
    "Sysmex DI-60 and UIMD PBIA without correction against manual counts of 461 slides, over neutrophils, lymphocytes, "
    "monocytes, eosinophils, basophils and blasts: r 0.230 to 0.882 and 0.696 to 0.944 "
    "([Kim et al. 2025](https://doi.org/10.1515/cclm-2024-1323), abstract).",
    "Sysmex DI-60 after correction by a person, 205 samples: r² above 0.85 for neutrophils, lymphocytes, monocytes and "
    "eosinophils, 0.376 for basophils ([Chang 2025](https://doi.org/10.7754/Clin.Lab.2024.241027), abstract).",
    "CellaVision DM96 after correction by a person, 359 samples: r² from 0.72 for metamyelocytes to 0.99 for blasts "
    "([J Pathol Inform 2013; 4: 14](https://doi.org/10.4103/2153-3539.114205), abstract).",
    "Scopio X100HT and manual microscopy: mostly above 0.8, basophils 0.52 "
    "([Longin, master's thesis](https://pure.fh-ooe.at/en/studentTheses/"
    "the-implementation-of-a-digitally-supported-microscope-and-softwa), abstract).",
)


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with slides and splits.")],
    ensemble: EnsembleOption = None,
    source: Annotated[str, typer.Option(help="The source whose slides are compared.")] = "deepapl",
) -> None:
    """Pearson's r and Spearman's ρ of each slide's percentages, by type."""
    model = storage.load(ensemble or default_ensemble())
    images = [
        image
        for split in ("test", "validation")
        for image in images_of(model, data, split, _FOREIGN)
        if image.source == source
    ]
    found = predict(model, load_engines(model.members, configure(EngineOptions())), images, lambda *_: None)
    probabilities = model.combine(found.members)
    best = probabilities.argmax(axis=1)
    called = np.where(probabilities.max(axis=1) >= model.validation.rejection_threshold, best, -1)
    slides = tuple(image.slide for image in images)
    both = Predictions("", model.cell_types, found.truth, called, probabilities, slides, ("",) * len(slides))
    print(render(both.where(np.asarray([image.split == "test" for image in images])), both))


def render(test: Predictions, both: Predictions) -> str:
    """The table of our and of published correlations, and the sources of these."""
    columns: dict[str, Mapping[str, str]] = {}
    for title, predictions, kinds in (("test", test, ("pearson",)), ("validation and test", both, tuple(_SYMBOLS))):
        level = slide_level(predictions)
        if level is None:
            raise SystemExit("too few slides with enough leukocytes")
        for kind in kinds:
            heading = f"{_SYMBOLS[kind]}, {len(level.slides)} slides of {title}"
            columns[heading] = {each.name: _figure(each, kind) for each in level.agreements}
    columns |= {each.analyser: each.figures for each in PUBLISHED}
    lines = [f"| % of leukocytes | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for name in SHOWN:
        figures = (found.get(name, "") for found in columns.values())
        lines.append(f"| {cells.DISPLAY_NAMES[name]} | {' | '.join(figures)} |")
    lines += ["", *_decisive(test), "", *(f"- {each.analyser}: {each.compared} ({each.source})." for each in PUBLISHED)]
    lines += [f"- {other}" for other in OTHERS]
    return "\n".join(lines)


def _decisive(predictions: Predictions) -> Iterator[str]:
    """For blasts and IG: the slide without which the correlation changes most, and r without it."""
    level = slide_level(predictions)
    for each in level.agreements if level is not None else ():
        if level is not None and each.name in cells.GROUPS:
            sides = np.asarray([each.true, each.measured])
            found = np.asarray([np.corrcoef(np.delete(sides, at, axis=1))[0, 1] for at in range(sides.shape[1])])
            at = int(np.nanargmax(np.abs(np.arctanh(found) - np.arctanh(each.correlation.pearson))))
            yield (
                f"{cells.DISPLAY_NAMES[each.name]} of the test slides, without {level.slides[at]}: r {found[at]:.3f}."
            )


def _figure(agreement: SlideAgreement, kind: str) -> str:
    value: float = getattr(agreement.correlation, kind)
    limits: Interval[float] = getattr(agreement.correlation, f"{kind}_interval")
    if np.isnan(value):
        return "–"
    inside = limits.note or f"{as_limit(limits.low)} to {as_limit(limits.high)}"
    return f"{value:.3f} ({inside})"


if __name__ == "__main__":
    typer.run(main)
