"""A choice of the cells that are worth a person's look most, spread over types and slides."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ambiguity(probabilities: Floats) -> Floats:
    """How close the second type comes to the first: 0 where the first is sure, 1 where both are as probable.

    One minus the margin of Scheffer et al. 2001 (active hidden Markov models).

    Args:
        probabilities: (N, K), K of 2 or more, rows adding up to 1.

    >>> ambiguity(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    ranked = np.sort(probabilities, axis=1)
    return np.asarray(1 - (ranked[:, -1] - ranked[:, -2]))


def spread_choice(
    worth: Floats,
    kinds: Sequence[int],
    groups: Sequence[str],
    count: int,
    known: Sequence[tuple[int, str]] = (),
) -> list[int]:
    """The positions of `count` cells, or of all, in the order of their choice.

    One cell is chosen after the other: the one of the greatest worth, divided by the root of one plus the number of
    cells already known or chosen of its kind, and likewise of its group. So no kind and no group takes all places.

    Args:
        worth: (N,) of each cell, 0 or more.
        kinds: (N,) its probable type.
        groups: (N,) its slide.
        count: of cells.
        known: kind and group of each cell that was chosen before.

    >>> spread_choice(np.array([0.9, 0.8, 0.7]), [0, 0, 1], ["a", "a", "b"], 2)
    [0, 2]
    """
    kind, of_kind = _numbered(kinds, [each for each, _ in known])
    group, of_group = _numbered(groups, [each for _, each in known])
    left = np.asarray(worth, dtype=np.float64).copy()
    chosen: list[int] = []
    for _ in range(min(count, len(left))):
        best = int(np.argmax(left / np.sqrt(of_kind[kind] * of_group[group])))
        chosen.append(best)
        left[best] = -1.0
        of_kind[kind[best]] += 1
        of_group[group[best]] += 1
    return chosen


def _numbered(names: Sequence[int] | Sequence[str], known: Sequence[int | str]) -> tuple[NDArray[np.int64], Floats]:
    """The names as numbers (N,), and one plus the count of each among the known ones."""
    distinct, numbers = np.unique(np.asarray(names), return_inverse=True)
    before = Counter(known)
    return numbers.astype(np.int64), np.asarray([1.0 + before[name] for name in distinct.tolist()])
