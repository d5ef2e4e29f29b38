"""A summary of reviews: the cells that reviewers changed, and the slides on which nothing had to be changed."""

from collections import Counter
from dataclasses import dataclass

from slidescreen.screening.results import Run
from slidescreen.screening.slide_review import call_in_words


@dataclass(frozen=True)
class TypeAgreement:
    """The number of reviewed cells that were called one type (or `unidentified`), and the number that kept it."""

    name: str
    cells: int
    kept: int


@dataclass(frozen=True)
class Change:
    """The number of cells that reviewers changed from one type to another. Each may be `unidentified`."""

    called: str
    reviewed: str
    cells: int


@dataclass(frozen=True)
class ReviewSummary:
    """The reviews of a run.

    Attributes:
        slides: number of slides in the run.
        signed: number of signed slides.
        unchanged: number of signed slides on which no cell was changed. Their review could have been saved.
        cells: number of reviewed cells.
        agreement: agreement by called type, in the vocabulary's order.
        changes: changes of type, the most frequent first.
    """

    slides: int
    signed: int
    unchanged: int
    cells: int
    agreement: tuple[TypeAgreement, ...]
    changes: tuple[Change, ...]

    @property
    def changed(self) -> int:
        """The number of changed cells."""
        return sum(each.cells for each in self.changes)


def summarise(run: Run) -> ReviewSummary:
    """Summarise all reviewed slides of a run."""
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
