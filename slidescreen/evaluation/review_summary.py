"""What reviewers changed, and what they need not have looked at."""

from collections import Counter
from dataclasses import dataclass

from slidescreen.screening.results import Run
from slidescreen.screening.slide_review import call_in_words


@dataclass(frozen=True)
class TypeAgreement:
    """The reviewed cells that were called one type (or `unidentified`), and how many of them kept it."""

    name: str
    cells: int
    kept: int


@dataclass(frozen=True)
class Change:
    """How many cells reviewers moved from one type to another; each may be `unidentified`."""

    called: str
    reviewed: str
    cells: int


@dataclass(frozen=True)
class ReviewSummary:
    """The reviews of a run.

    Attributes:
        slides: of the run.
        signed: slides that are signed.
        unchanged: signed slides on which no cell was changed: the time saved is theirs.
        cells: that were reviewed.
        agreement: by called type, in the vocabulary's order.
        changes: the most frequent first.
    """

    slides: int
    signed: int
    unchanged: int
    cells: int
    agreement: tuple[TypeAgreement, ...]
    changes: tuple[Change, ...]

    @property
    def changed(self) -> int:
        """How many cells were changed."""
        return sum(each.cells for each in self.changes)


def summarise(run: Run) -> ReviewSummary:
    """Of all reviewed slides of a run."""
    moves: Counter[tuple[str, str]] = Counter()
    reviews = [slide.review for slide in run.slides if slide.review is not None and slide.review.counts]
    for slide in run.slides:
        said = slide.review.cells if slide.review is not None else {}
        for call in slide.calls if said else ():
            if call.image in said:
                moves[call_in_words(call), said[call.image].cell_type] += 1
    called = Counter[str]()
    for (before, _), count in moves.items():
        called[before] += count
    order = {name: position for position, name in enumerate(run.cell_types)}
    names = sorted(called, key=lambda name: order.get(name, len(order)))
    changes = sorted((-count, *move) for move, count in moves.items() if move[0] != move[1])
    signed = [review for review in reviews if review.signed]
    return ReviewSummary(
        slides=len(run.slides),
        signed=len(signed),
        unchanged=sum(not review.changed for review in signed),
        cells=sum(moves.values()),
        agreement=tuple(TypeAgreement(name, called[name], moves[name, name]) for name in names),
        changes=tuple(Change(before, after, -count) for count, before, after in changes),
    )
