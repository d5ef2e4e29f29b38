"""A person's review of a slide: the reviewed cell types, and the differential by them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import UNIDENTIFIED
from slidescreen.files.writing import printable
from slidescreen.screening.differential import NAMES, members_of


@dataclass(frozen=True)
class CellReview:
    """A reviewer's type for one cell. `cell_type` may be `UNIDENTIFIED`."""

    cell_type: str
    reviewer: str


@dataclass(frozen=True)
class ReviewedShare:
    """A cell type's or group's count, and its percentage of the leukocytes (0–100; None without leukocytes)."""

    count: int
    percent: float | None


@dataclass(frozen=True)
class SlideReview:
    """The review of one slide.

    Attributes:
        cells: the reviewed cells by image; on a signed slide every cell that was called.
        changed: the images whose reviewed type differs from the call.
        reviewers: the reviewers' names; on a signed slide only the signers.
        time: the latest time, as text; empty if unknown.
        signed: whether the slide is signed with its present images.
        outdated: the people who signed a slide of this name with other images.
        shares: for each of `differential.NAMES`, by the reviewed types, and by the calls of other cells.
        overtaken: the people who signed before somebody gave a cell another type.
        retyped: the other people who signed other types than the cells have now.
        times: the times of the signatures of the present images, also of those that no longer count, by signer.
        withdrawn: the times at which people withdrew a signature of the present images, by signer.
    """

    cells: Mapping[str, CellReview]
    changed: tuple[str, ...]
    reviewers: tuple[str, ...]
    time: str
    signed: bool
    outdated: tuple[str, ...]
    shares: Mapping[str, ReviewedShare]
    overtaken: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    times: Mapping[str, str] = field(default_factory=dict)
    withdrawn: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether a review applies to the slide with its present images."""
        return self.signed or bool(self.cells)

    @property
    def ended(self) -> tuple[str, ...]:
        """The people who signed these images, and whose signature no longer counts."""
        return self.overtaken + self.retyped

    @property
    def by(self) -> str:
        """The reviewers in one text."""
        return "; ".join(self.reviewers)


def void_signatures(review: SlideReview | None) -> list[str]:
    """Whose signatures no longer count and why, in sentences."""
    if review is None:
        return []
    reasons = (
        (review.outdated, "signed a slide of this name that had other images"),
        (review.overtaken, "signed before a cell was given another type"),
        (
            review.retyped,
            "signed other cell types than there are now (by another classification, or by a correction "
            "that the signer did not see)",
        ),
    )
    return [f"{_names(names)} {reason}: this signature does not count" for names, reason in reasons if names]


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(printable, names))


def call_in_words(call: Call) -> str:
    """The type that a cell was called, or that it has none."""
    return call.cell_type or UNIDENTIFIED


def is_looked_at(call: Call) -> bool:
    """Whether the ensemble classified this image and counts it."""
    return call.status in (Status.CLASSIFIED, Status.UNIDENTIFIED)


def reviewed_shares(calls: Iterable[Call], reviewed: Mapping[str, CellReview]) -> dict[str, ReviewedShare]:
    """The differential by the reviewed types, and by the calls of cells that nobody reviewed."""
    counts: Counter[str] = Counter()
    for call in filter(is_looked_at, calls):
        review = reviewed.get(call.image)
        counts[review.cell_type if review else call_in_words(call)] += 1
    leukocytes = sum(counts[name] for name in cells.LEUKOCYTES)

    def share(name: str) -> ReviewedShare:
        count = sum(counts[member] for member in members_of(name))
        return ReviewedShare(count, 100 * count / leukocytes if leukocytes else None)

    return {name: share(name) for name in NAMES}
