"""Reviewed labels, and the scores with the original and the reviewed labels.

Labels have errors too. A reviewer sees a cell's label and call, and the reviewer's type replaces the label. Only
reviewed cells change, so an error that label and call share stays.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.correction_table import Correction
from slidescreen.data.delimited import excerpt
from slidescreen.data.file_finder import folded
from slidescreen.evaluation.predictions import Predictions
from slidescreen.evaluation.scores import ModelScores, score
from slidescreen.files.writing import content_of

_Place = tuple[str, str]


@dataclass(frozen=True)
class LabelChange:
    """The number of labels that reviewers changed from one type to another. The new type may be `unidentified`, or a
    type that the predictions do not have."""

    label: str
    reviewed: str
    cells: int


@dataclass(frozen=True)
class LabelReview:
    """The reviewers' changes of labels, and the models' scores by the reviewed labels.

    Attributes:
        cells: number of reviewed cells.
        disagreements: number of reviewed cells whose call and label differed.
        call_upheld, label_upheld: number of disagreements that reviewers decided for the call or for the label.
        changes: changes of labels, the most frequent first.
        models: the scores by the reviewed labels. Cells without a type of the predictions are not scored.
    """

    cells: int
    disagreements: int
    call_upheld: int
    label_upheld: int
    changes: tuple[LabelChange, ...]
    models: tuple[ModelScores, ...]

    @property
    def changed(self) -> int:
        """The number of changed labels."""
        return sum(each.cells for each in self.changes)


def reviewed_types(predictions: Predictions, corrections: Iterable[Correction]) -> dict[int, str]:
    """The reviewed type of cells, by their positions; signatures of slides say nothing of labels.

    Raises:
        InputError: a correction is of no image that is known, or of several.
    """
    finder = CellFinder(list(zip(predictions.slides, predictions.images, strict=False)), predictions.beside)
    found: dict[int, str] = {}
    for each in corrections:
        if each.signs:
            continue
        position = finder.find(each)
        if position is not None:
            found[position] = each.cell_type
    return found


def of_present_pictures(
    predictions: Predictions, corrections: Iterable[Correction]
) -> tuple[list[Correction], list[Correction]]:
    """The corrections of pictures as they are now, and those of other pictures of the same names.

    The former get an empty content: each labelled image counts by its name.

    Raises:
        InputError: as in `reviewed_types`.
    """
    finder = CellFinder(list(zip(predictions.slides, predictions.images, strict=False)), predictions.beside)
    present, gone = [], []
    for each in corrections:
        position = None if each.signs or not each.content or not predictions.pictures else finder.find(each)
        if position is None or each.is_of(content_of(predictions.pictures[position])):
            present.append(replace(each, content=""))
        else:
            gone.append(each)
    return present, gone


def review_labels(predictions: Sequence[Predictions], reviewed: Mapping[int, str]) -> LabelReview | None:
    """Compare labels with the reviewed types, by position. None without reviewed cells."""
    if not reviewed:
        return None
    first = predictions[0]
    types, truth = first.cell_types, first.truth.copy()
    changes: Counter[tuple[str, str]] = Counter()
    outcomes: Counter[str] = Counter()
    for position, said in reviewed.items():
        label, called = types[first.truth[position]], first.called[position]
        if said != label:
            changes[label, said] += 1
        if called >= 0 and types[called] != label:
            outcomes["disagreement"] += 1
            outcomes["call"] += said == types[called]
            outcomes["label"] += said == label
        truth[position] = types.index(said) if said in types else -1
    scored = truth >= 0
    return LabelReview(
        cells=len(reviewed),
        disagreements=outcomes["disagreement"],
        call_upheld=outcomes["call"],
        label_upheld=outcomes["label"],
        changes=tuple(LabelChange(*move, count) for move, count in sorted(changes.items(), key=_most_first)),
        models=tuple(score(_with_truth(each, truth, scored)) for each in predictions) if scored.any() else (),
    )


def disagreements(predictions: Predictions) -> list[int]:
    """The positions of the cells whose call and label differ, the most certain call first.

    Unidentified cells are not among them. Without probabilities the order is that of the predictions.
    """
    positions = np.flatnonzero((predictions.called >= 0) & (predictions.called != predictions.truth))
    if predictions.probabilities is None:
        return [int(position) for position in positions]
    certainty = predictions.probabilities[positions, predictions.called[positions]]
    return [int(position) for position in positions[np.argsort(-certainty, kind="stable")]]


def _most_first(change: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -change[1], change[0]


def _with_truth(predictions: Predictions, truth: NDArray[np.int64], scored: NDArray[np.bool_]) -> Predictions:
    return replace(predictions, truth=truth).where(scored)


class CellFinder:
    """Finds cells by the slide and image that corrections name."""

    def __init__(self, places: Sequence[_Place], beside: Iterable[_Place] = ()) -> None:
        """Set up for cells with these slides and images. Cells `beside` are known, but are not found."""
        self._cells: dict[_Place, list[int]] = defaultdict(list)
        for position, place in enumerate(places):
            for spelling in dict.fromkeys((_exact(*place), _plain(*place))):
                self._cells[spelling].append(position)
        self._beside = {spelling for place in beside for spelling in (_exact(*place), _plain(*place))}

    def find(self, each: Correction) -> int | None:
        """The position of a correction's cell; None if its image is known but not evaluated.

        Raises:
            InputError: there is no such image, or several have this name.
        """
        spellings = _exact(each.slide, each.image), _plain(each.slide, each.image)
        for spelling in spellings:
            found = self._cells.get(spelling, ())
            if len(found) == 1:
                return found[0]
            if found:
                raise each.problem(f"several evaluated images are called {excerpt(each.image)}: name the slide")
        if self._beside.intersection(spellings):
            return None
        of_slide = f" of the slide {excerpt(each.slide)}" if each.slide else ""
        raise each.problem(f"no labelled image{of_slide} is called {excerpt(each.image)}")


def _exact(slide: str, image: str) -> _Place:
    return slide, image


def _plain(slide: str, image: str) -> _Place:
    """Names in a form that ignores differences between systems: slashes, letter case, the composition of accents."""
    return folded(slide.strip()), folded(image.replace("\\", "/").strip())
