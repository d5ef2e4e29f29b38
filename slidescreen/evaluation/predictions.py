"""A model's predictions for labelled cells."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Unscored:
    """Cells or labels that were not evaluated: the reason (a key of `WHY_UNSCORED`), their number, and some names."""

    why: str
    count: int
    first: tuple[str, ...]


NAMED = 5  # at most so many names of unscored cells
WHY_UNSCORED: Mapping[str, str] = {
    "no_truth": "images without a label",
    "unsigned": "images of unsigned slides, whose classes are the analyser's",
    "no_image": "labels without an image in the run",
    "ambiguous": "labels that match several images of the run",
    "other_slide": "labels whose file lies in another slide than the label says",
    "other_picture": "labels whose file differs from the run's image of that name",
    "not_classified": "labels of images that were not classified",
    "passed_over": "other files, links, hidden entries and folders of storage systems",
    "no_type": "cells that the reviewer left unidentified",
    "left_out": "images left out because of their label",
    "other_split": "images of another split",
    "unknown_type": "images of cell types that the ensemble does not know",
    "other_types": "images of slides that an ensemble with further cell types classified",
    "copies": "copies of other images, dropped",
    "two_labels": "images with two labels, dropped",
}
"""The reasons for not scoring, in words."""


def unscored(names: Mapping[str, Sequence[str]]) -> tuple[Unscored, ...]:
    """For each reason with names, their number and the first of them, in the order of `WHY_UNSCORED`."""
    return tuple(Unscored(why, len(names[why]), tuple(names[why][:NAMED])) for why in WHY_UNSCORED if names.get(why))


@dataclass(frozen=True)
class Predictions:
    """One model's predictions for N labelled cells.

    Attributes:
        model: the model's display name.
        cell_types: the K types, in order.
        truth: (N,) indices of the true types.
        called: (N,) indices of the called types; -1 if the model abstained.
        probabilities: (N, K). Each row adds up to 1. None if only the calls are known.
        slides: (N,) slide names; an empty string if unknown.
        sources: (N,) names of the data's sources; an empty string if unknown.
        images: (N,) names of the images; empty if none is known.
        unscored: the cells and labels that are not among the N cells, and why.
        pictures: (N,) paths of the images; empty if unknown.
        contents: (N,) SHA-256 of the images that were called, each empty if unknown; empty if none is known. The files
            at the paths may hold other images now.
        beside: slide and image of other labelled cells, as far as known.
        trained_on: how many of the N cells the networks were trained on, as far as recorded.
        patients: (N,) the patient of each cell, if several slides are known to be of one patient; else an empty string.
            Empty if no patient is known.
    """

    model: str
    cell_types: tuple[str, ...]
    truth: NDArray[np.int64]
    called: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None
    slides: tuple[str, ...]
    sources: tuple[str, ...]
    images: tuple[str, ...] = ()
    unscored: tuple[Unscored, ...] = ()
    pictures: tuple[Path, ...] = ()
    contents: tuple[str, ...] = ()
    beside: frozenset[tuple[str, str]] = frozenset()
    trained_on: int = 0
    patients: tuple[str, ...] = ()

    def forced(self) -> NDArray[np.int64]:
        """The calls (N,) with the most probable type for an abstention. It stays -1 if probabilities are unknown."""
        if self.probabilities is None:
            return self.called
        return np.where(self.called >= 0, self.called, self.probabilities.argmax(axis=1))

    def where(self, chosen: NDArray[np.bool_]) -> "Predictions":
        """The predictions of the chosen cells, given as booleans (N,)."""
        positions = np.flatnonzero(chosen).tolist()
        return replace(
            self,
            truth=self.truth[chosen],
            called=self.called[chosen],
            probabilities=None if self.probabilities is None else self.probabilities[chosen],
            slides=tuple(self.slides[p] for p in positions),
            sources=tuple(self.sources[p] for p in positions),
            images=tuple(self.images[p] for p in positions) if self.images else (),
            pictures=tuple(self.pictures[p] for p in positions) if self.pictures else (),
            contents=tuple(self.contents[p] for p in positions) if self.contents else (),
            patients=tuple(self.patients[p] for p in positions) if self.patients else (),
        )

    def independent_units(self) -> list[str] | None:
        """The slide of each cell, whose cells' errors may be correlated; None if no slide is known.

        Slides of one patient are one unit. A cell of unknown slide is its own.
        """
        if not any(self.slides):
            return None
        patients = self.patients or ("",) * len(self.slides)
        named = zip(patients, distinct_slides(self.slides, self.sources), strict=True)
        return [
            f"\0patient {patient}" if patient else slide or f"\0{number}"
            for number, (patient, slide) in enumerate(named)
        ]


def distinct_slides(slides: Sequence[str], sources: Sequence[str]) -> list[str]:
    """The slide of each cell, with its source if slides of several sources have this name; empty if unknown."""
    named = {(slide, source) for slide, source in zip(slides, sources, strict=True) if slide and source}
    places = Counter(slide for slide, _ in named)
    return [f"{source}/{slide}" if places[slide] > 1 else slide for slide, source in zip(slides, sources, strict=True)]
