"""Measure an adaptation on cells outside its training: across slides, and with each type left out in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy  # imports its parts at first use; they take most of a second
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.building.new_layer import KnownMember, SeenCells, learn
from slidescreen.data.splits import folds_of
from slidescreen.ensembles.ensemble import vote
from slidescreen.statistics.held_layer import Floats

GUARDS = (1.0, 0.85, 0.7, 0.55, 0.4)
FOLDS = 5
CURVE = (10, 20, 50, 100)
_OF_A_TYPE = 60  # cells of each type to learn from while a type is left out: enough, and fast
_NO_FALL = 0.01  # of the mean recall; a smaller fall is chance
_LEAST = 10  # cells of a type that leaving it out needs


@dataclass(frozen=True)
class SignedCells:
    """A laboratory's signed cells as the members see them.

    Attributes:
        seen: what each member sees.
        allowed: (N, K) the possible types of each cell.
        groups: (N,) the cell's slide, or a name of the cell's own if the slide is unknown.
        weights: the weights of the members' vote.
        rule: the rule of the vote.
        cell_types: the K types.
    """

    seen: tuple[SeenCells, ...]
    allowed: NDArray[np.bool_]
    groups: tuple[str, ...]
    weights: tuple[float, ...]
    rule: str
    cell_types: tuple[str, ...]

    @property
    def kinds(self) -> NDArray[np.int64]:
        """(N,) each cell's type, or the first of its group."""
        return np.asarray(self.allowed.argmax(axis=1))

    def right(self, called: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N,) whether each cell's call is one of its possible types."""
        return np.asarray(self.allowed[np.arange(len(called)), called])

    def where(self, chosen: NDArray[np.int64]) -> "SignedCells":
        """The chosen cells."""
        return SignedCells(
            tuple(each.where(chosen) for each in self.seen),
            self.allowed[chosen],
            tuple(self.groups[place] for place in chosen.tolist()),
            self.weights,
            self.rule,
            self.cell_types,
        )

    def voted(self, members: Sequence[Floats]) -> Floats:
        """The vote (N, K) of the members' probabilities, before temperature and offsets."""
        return vote(members, self.weights, self.rule)


def guards(cell_types: Sequence[str], guard: float) -> Floats:
    """(K,) the part of its old probability that each unsigned type keeps. Blasts and promyelocytes keep all."""
    found = np.full(len(cell_types), guard)
    found[cells.indices(cell_types, cells.BLAST_EQUIVALENTS)] = 1.0
    return found


def out_of_fold(
    members: Sequence[KnownMember],
    signed: SignedCells,
    guard: float,
    progress: Callable[[int, int], None] = lambda *_: None,
    most: int | None = None,
) -> tuple[Floats, ...]:
    """Each member's probabilities (N, K). For each cell the member learns from the cells of other slides.

    Args:
        members: the members before the adaptation.
        signed: the laboratory's cells.
        guard: the guard of unsigned types.
        progress: receives the number of finished parts and of all parts.
        most: the most cells of a type to learn from; None for all.
    """
    parts = folds_of(signed.kinds.tolist(), signed.groups, FOLDS)
    found = tuple(np.zeros(signed.allowed.shape) for _ in signed.seen)
    for done, part in enumerate(map(np.asarray, parts)):
        taught = np.setdiff1d(np.arange(len(signed.groups)), part)
        if most is not None:
            taught = first_of_each(signed.kinds, taught, most)
        for place, probabilities in enumerate(_adapted(members, signed.where(taught), signed.where(part), guard)):
            found[place][part] = probabilities
        progress(done + 1, len(parts))
    return found


def choose_guard(
    members: Sequence[KnownMember], signed: SignedCells, progress: Callable[[int, int], None]
) -> tuple[float, dict[str, tuple[float, float]]]:
    """Choose the weakest guard that keeps the recall of left-out types.

    Each type is left out in turn. Its recall is compared with the recall of the old networks. If even the strongest
    guard loses recall, the strongest is chosen. Views of the cells are not used, because they change the recalls little
    and take most of the time.

    Returns:
        The guard, and the recall of each left-out type: before, and after adapting to the other types.
    """
    signed = replace(signed, seen=tuple(each.without_views() for each in signed.seen))
    kinds, single = signed.kinds, signed.allowed.sum(axis=1) == 1
    counts = np.bincount(kinds[single], minlength=len(signed.cell_types))
    tried = [kind for kind in np.flatnonzero(counts >= _LEAST).tolist() if (counts > 0).sum() > 1]
    if not tried:
        return GUARDS[0], {}
    old = signed.voted([each.old for each in signed.seen]).argmax(axis=1)
    before = [float((old[single & (kinds == kind)] == kind).mean()) for kind in tried]
    chosen, after = GUARDS[0], list[float]()
    for number, guard in enumerate(GUARDS):
        found = []
        for kind in tried:
            without = np.flatnonzero(~signed.allowed[:, kind])
            taught = first_of_each(kinds, without, _OF_A_TYPE)
            left = signed.where(np.flatnonzero(single & (kinds == kind)))
            called = signed.voted(_adapted(members, signed.where(taught), left, guard)).argmax(axis=1)
            found.append(float((called == kind).mean()))
        progress(number + 1, len(GUARDS))
        holds = np.mean(found) >= np.mean(before) - _NO_FALL
        if holds or not after:
            chosen, after = guard, found
        if not holds:
            break
    progress(len(GUARDS), len(GUARDS))
    names = [signed.cell_types[kind] for kind in tried]
    return chosen, dict(zip(names, zip(before, after, strict=True), strict=True))


def learning_curve(members: Sequence[KnownMember], signed: SignedCells, guard: float) -> dict[str, float]:
    """The share of right calls after learning from at most N cells of each type, by N below the largest count."""
    found = {}
    largest = int(np.bincount(signed.kinds).max())
    for most in CURVE:
        if most < largest:
            called = signed.voted(out_of_fold(members, signed, guard, most=most)).argmax(axis=1)
            found[str(most)] = float(signed.right(called).mean())
    return found


def first_of_each(kinds: NDArray[np.int64], places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Draw at most `most` of the places for each type. The draw is always the same."""
    order = np.random.default_rng(0).permutation(places)
    chosen = [order[kinds[order] == kind][:most] for kind in np.unique(kinds[order]).tolist()]
    return np.sort(np.concatenate(chosen))


def _adapted(members: Sequence[KnownMember], taught: SignedCells, asked: SignedCells, guard: float) -> list[Floats]:
    """Each member's probabilities of the cells `asked` after learning from the cells `taught`."""
    held = guards(taught.cell_types, guard)
    found = []
    for member, seen, other in zip(members, taught.seen, asked.seen, strict=True):
        layer, _ = learn(member, seen, taught.allowed, held)
        found.append(np.asarray(scipy.special.softmax(layer.logits(other.features), axis=1)))
    return found
