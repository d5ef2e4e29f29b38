"""Collect single cells from any source into predictions as arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.evaluation.predictions import Predictions, unscored


@dataclass(frozen=True)
class ScoredCell:
    """One cell: its true type, its called type (empty for an abstention), and further data. `picture` is the path of
    its image; None if unknown. `content` is the SHA-256 of the image that was called; empty if unknown."""

    truth: str
    called: str
    probabilities: tuple[float, ...] = ()
    slide: str = ""
    source: str = ""
    image: str = ""
    picture: Path | None = None
    content: str = ""


def vocabulary(judged: Iterable[ScoredCell]) -> tuple[str, ...]:
    """The cell types of predictions that do not list them: the leukocytes, unless there are other objects."""
    named = {name for j in judged for name in (j.truth, j.called)}
    return cells.CELL_TYPES if named & set(cells.OTHER_OBJECTS) else cells.LEUKOCYTES


def predictions_of(
    model: str, types: tuple[str, ...], judged: Sequence[ScoredCell], names: Mapping[str, Sequence[str]]
) -> Predictions:
    """Predictions of the `judged` cells. `names` lists unscored cells and labels, by the keys of `WHY_UNSCORED`.

    Raises:
        InputError: a cell's type is not among the `types`.
    """
    foreign = sorted({name for j in judged for name in (j.truth, j.called) if name} - set(types))
    if foreign:
        raise InputError(f"{', '.join(foreign)}: not among the {len(types)} types of these predictions")
    position = {name: number for number, name in enumerate(types)}
    probabilities = None
    if all(j.probabilities for j in judged):
        probabilities = np.asarray([j.probabilities for j in judged], dtype=np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)  # they were rounded when written
    return Predictions(
        model=model,
        cell_types=types,
        truth=np.asarray([position[j.truth] for j in judged], dtype=np.int64),
        called=np.asarray([position[j.called] if j.called else -1 for j in judged], dtype=np.int64),
        probabilities=probabilities,
        slides=tuple(j.slide for j in judged),
        sources=tuple(j.source for j in judged),
        images=tuple(j.image for j in judged),
        unscored=unscored(names),
        contents=tuple(j.content for j in judged) if any(j.content for j in judged) else (),
        pictures=tuple(j.picture for j in judged if j.picture) if all(j.picture for j in judged) else (),
    )
