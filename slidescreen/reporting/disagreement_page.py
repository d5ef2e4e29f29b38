"""A page of the cells whose call and label differ. The desk shows the most certain calls first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slidescreen.data.calls import Call, Status
from slidescreen.evaluation import Evaluation, Predictions
from slidescreen.evaluation.label_review import disagreements
from slidescreen.files.existence import sees_file
from slidescreen.files.writing import content_of
from slidescreen.reporting.chosen_cells import CellPage, ChosenCell, render_cells
from slidescreen.reporting.kept_pictures import KeptPictures, Picture
from slidescreen.reporting.thumbnails import in_time
from slidescreen.screening.results import SlideResult
from slidescreen.screening.sentences import number_of

DISAGREEMENTS = "disagreements.html"
MOST_CELLS = 400
"""Cells on one page. It is more than a person looks at in one session."""


@dataclass(frozen=True)
class CellOrigin:
    """Where an evaluation's cells come from.

    Attributes:
        label: the origin of the cells' labels, in one word.
        identity: the run's identity; empty if the cells belong to no run.
        store: the name under which a browser keeps the cells' review.
        slides: the run's slides, by name; empty if the cells belong to no run.
    """

    label: str
    identity: str
    store: str
    slides: Mapping[str, SlideResult] = field(default_factory=dict)


UNKNOWN = CellOrigin("label", "", "labels")


def render_disagreements(evaluation: Evaluation, origin: CellOrigin, picture: Picture | None = None) -> str:
    """The page; empty if no cell has a picture."""
    first = evaluation.predictions
    if not first.pictures:
        return ""
    differing = disagreements(first)
    shown = _Pictures(origin.slides, picture or in_time())
    chosen = [
        _chosen(first, position, shown, evaluation.reviewed.get(position, "")) for position in differing[:MOST_CELLS]
    ]
    if not (any(cell.source for cell in chosen) if chosen else any(map(sees_file, first.pictures))):
        return ""
    page = CellPage(
        title="Disagreements",
        sentences=_sentences(len(differing), len(first.truth), origin.label),
        cell_types=first.cell_types,
        label=origin.label,
        identity=origin.identity,
        store=origin.store,
    )
    return render_cells(chosen, page)


def _sentences(differing: int, cells: int, label: str) -> list[str]:
    said = [f"Call and {label} differ on {differing} of {number_of(cells, 'cell')}. The most certain calls come first."]
    if differing > MOST_CELLS:
        said.append(f"This page shows the first {MOST_CELLS}. predictions.csv holds all.")
    said.append(
        f"For each cell: c confirms the call, l keeps what the {label} says, a type's key gives another type. Then "
        "download the corrections, and give them to slidescreen report with --corrections: it shows the figures with "
        "the labels as they were and as reviewed."
    )
    return said


class _Pictures:
    """The pictures of cells as they were classified. A run's files may hold other pictures now."""

    def __init__(self, slides: Mapping[str, SlideResult], draw: Picture) -> None:
        self._slides, self._draw = slides, draw
        self._kept: dict[str, KeptPictures] = {}

    def get(self, slide: str, image: str, path: Path, content: str) -> str | None:
        """The picture of a cell, from the slide's record or from the file with this content; None if it is gone."""
        if slide not in self._slides:
            return self._draw(path)
        if slide not in self._kept:
            self._kept[slide] = KeptPictures(self._slides[slide])
        return self._kept[slide].get(image, self._draw, content)


def _chosen(predictions: Predictions, position: int, pictures: _Pictures, reviewed: str) -> ChosenCell:
    types, probabilities = predictions.cell_types, predictions.probabilities
    called = int(predictions.called[position])
    row = () if probabilities is None else tuple(map(float, probabilities[position]))
    call = Call(
        image=predictions.images[position],
        status=Status.CLASSIFIED,
        cell_type=types[called],
        probability=row[called] if row else None,
        reported_type=types[predictions.truth[position]],
        probabilities=row,
    )
    slide, path = predictions.slides[position], predictions.pictures[position]
    known = predictions.contents[position] if predictions.contents else ""
    source = pictures.get(slide, call.image, path, known)
    return ChosenCell(slide, call, source, known or content_of(path), reviewed)
