"""The number of an ensemble's validation cells, and whether they suffice to know its error rates."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slidescreen import cells

if TYPE_CHECKING:
    from slidescreen.data.labels import LabelledImage

# With fewer validation cells verdicts are not reliable: docs/evidence/verdict.md, "With few validation cells".
LEAST_CELLS, LEAST_BLASTS, LEAST_OTHERS = 500, 50, 300
LEAST_SLIDES = 3  # named slides; fewer do not show how slides differ


@dataclass(frozen=True)
class MeasuredOn:
    """The labelled images on which an ensemble was measured.

    Attributes:
        cells: number of cells of each type; types without cells may be missing.
        slides: number of slides; None if not every image names its slide.
    """

    cells: Mapping[str, int]
    slides: int | None = None

    @classmethod
    def of(cls, images: "Iterable[LabelledImage]") -> "MeasuredOn":
        """Count labelled images."""
        listed = list(images)
        names = {image.slide for image in listed}
        return cls(dict(Counter(image.label for image in listed)), None if "" in names else len(names))

    def shortfalls(self) -> tuple[str, ...]:
        """What is missing, for instance "20 of 500 cells"; empty if nothing is missing."""
        return tuple(f"{found} of {needed} {what}" for what, found, needed in self._tallies() if found < needed)

    def _tallies(self) -> Iterator[tuple[str, int, int]]:
        blasts = sum(self.cells.get(name, 0) for name in cells.BLASTS)
        leukocytes = sum(self.cells.get(name, 0) for name in cells.LEUKOCYTES)
        yield "cells", sum(self.cells.values()), LEAST_CELLS
        yield "blasts", blasts, LEAST_BLASTS
        yield "other leukocytes", leukocytes - blasts, LEAST_OTHERS
        if self.slides is not None:
            yield "slides", self.slides, LEAST_SLIDES

    def by_type(self) -> str:
        """The number of cells of each type, in words."""
        found = [f"{self.cells[name]} {name}" for name in cells.CELL_TYPES if self.cells.get(name)]
        return ", ".join(found) or "no cell"
