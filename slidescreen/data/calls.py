"""The outcome for one image file: a row of `cells.csv`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Status(StrEnum):
    """What became of an image."""

    CLASSIFIED = "classified"
    UNIDENTIFIED = "unidentified"
    """The ensemble abstains: no type is probable enough, or the image shows no cell. Not in the differential."""
    DUPLICATE = "duplicate"
    """Byte-identical to another image of the slide, and counted there."""
    UNREADABLE = "unreadable"


TOO_LATE, NOT_TRIED = "could not be read within", "not tried"
"""How the reasons of images begin that could not be read in time, or stand behind such images."""


@dataclass(frozen=True)
class Call:
    """The outcome for one image of a slide.

    Attributes:
        image: the file's path relative to the slide's folder.
        cell_type: empty unless the status is classified.
        probability: of the most probable type, 0–1; None if the image was not classified.
        reported_type: the laboratory's own call, of unsigned slides the analyser's; empty if there is none.
        probabilities: one for each of the ensemble's cell types, in its order; empty if not classified.
        reason: why the image is unreadable, or why it shows no cell; else empty.
        digest: SHA-256 of the file's content, in hexadecimal; empty if this process did not read the file.
        appearance: the measures of `appearance.measure`; empty if not measured.
        copy_of: for a duplicate, the image that counts; else empty.
        remarks: notes on how the file was read, for instance that it holds further pages.
        unfamiliarity: the distance from the cells on which the ensemble was measured; 1 at the cut, None if unknown.
        strangeness: the part of the unfamiliarity that comes from the cell, not from camera, stain and optics; None
            if unknown.
    """

    image: str
    status: Status
    cell_type: str = ""
    probability: float | None = None
    reported_type: str = ""
    probabilities: tuple[float, ...] = ()
    reason: str = ""
    digest: str = ""
    appearance: tuple[float, ...] = ()
    copy_of: str = ""
    remarks: tuple[str, ...] = ()
    unfamiliarity: float | None = None
    strangeness: float | None = None

    @property
    def unfamiliar(self) -> bool:
        """Whether the unfamiliarity is above the cut."""
        return self.unfamiliarity is not None and self.unfamiliarity >= 1


def counted_once(calls: Sequence[Call]) -> tuple[Call, ...]:
    """A slide's calls. Each picture counts once, in a class folder if it has a copy there.

    Of byte-identical images the first one in a class folder counts; without one, the first of all. An image in "All
    cells" is thus the duplicate of its copy in "Monocyte", whichever was read first.
    """
    copies: dict[str, list[int]] = defaultdict(list)
    for position, call in enumerate(calls):
        if call.digest and call.status is not Status.UNREADABLE:
            copies[call.digest].append(position)
    result = list(calls)
    for positions in copies.values():
        counted = next((calls[place] for place in positions if calls[place].status is not Status.DUPLICATE), None)
        if len(positions) == 1 or counted is None:
            continue
        first = next((place for place in positions if calls[place].reported_type), positions[0])
        for place in positions:
            image, reported = calls[place].image, calls[place].reported_type
            if place == first:
                result[place] = replace(counted, image=image, reported_type=reported)
            else:
                copy_of = calls[first].image
                result[place] = Call(
                    image, Status.DUPLICATE, reported_type=reported, digest=counted.digest, copy_of=copy_of
                )
    return tuple(result)


Contradiction = tuple[str, str, str, str]
"""One picture in the folders of two cell types: the image that counts, its type, its copy, the copy's type."""


def reported_twice(calls: Sequence[Call]) -> tuple[Contradiction, ...]:
    """The images that the laboratory reported as two cell types."""
    by_name = {call.image: call for call in calls}
    pairs = [(by_name[call.copy_of], call) for call in calls if call.copy_of in by_name and call.reported_type]
    return tuple(
        (counted.image, counted.reported_type, copy.image, copy.reported_type)
        for counted, copy in pairs
        if counted.reported_type not in ("", copy.reported_type)
    )


def was_late(reason: str) -> bool:
    """Whether an image is unreadable because it, or images before it, could not be read in time."""
    return reason.startswith((TOO_LATE, NOT_TRIED))
