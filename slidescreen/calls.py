"""What was made of one image file: a row of `cells.csv`."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of an image."""

    CLASSIFIED = "classified"
    UNIDENTIFIED = "unidentified"
    """The ensemble abstains: no type is probable enough. Not in the differential."""
    DUPLICATE = "duplicate"
    """Byte-identical to an earlier image of the slide, and counted there."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Call:
    """The outcome for one image of a slide.

    Attributes:
        image: the file's path relative to the slide's folder.
        cell_type: empty unless the status is classified.
        probability: of the most probable type, 0–1; None where the image was not looked at.
        reported_type: the laboratory's own call; empty where there is none.
        probabilities: one for each of the ensemble's cell types, in its order; empty where not looked at.
        reason: why an image is unreadable; else empty.
        digest: SHA-256 of the file's content, in hexadecimal; empty where it was not read, or not by this process.
        appearance: how the image looks, by `appearance.measure`; empty where it was not measured.
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
