"""Compare the calls of one slide between processors of two types."""

from collections.abc import Sequence
from dataclasses import dataclass

from slidescreen.data.calls import Call

CalledBy = tuple[str, Sequence[Call]]
"""An engine in words, and its calls."""


@dataclass(frozen=True)
class ProcessorDifference:
    """The differences of two engines' calls of one slide. `images` counts the images that both saw."""

    slide: str
    engine: str
    reference: str
    images: int
    calls_changed: int
    largest_difference: float

    def in_words(self) -> str:
        """A sentence for the run's operator."""
        return (
            f"{self.engine} and {self.reference} differ in {self.calls_changed} of {self.images} calls of {self.slide} "
            f"(largest difference of a probability: {self.largest_difference:.2g})"
        )


def difference(slide: str, reference: CalledBy, other: CalledBy) -> ProcessorDifference:
    """Compare two engines' calls of a slide. Both list the images in the same order."""
    pairs = [
        pair for pair in zip(reference[1], other[1], strict=True) if pair[0].probabilities and pair[1].probabilities
    ]
    gaps = [abs(p - q) for a, b in pairs for p, q in zip(a.probabilities, b.probabilities, strict=True)]
    changed = sum((a.status, a.cell_type) != (b.status, b.cell_type) for a, b in pairs)
    return ProcessorDifference(slide, other[0], reference[0], len(pairs), changed, max(gaps, default=0.0))
