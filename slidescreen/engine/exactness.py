"""How calls in other precisions differ from calls in float32."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.engine.options import Precision, parts_of
from slidescreen.statistics import classification

UNASKED = (0.005, 0.002)
"""The largest change allowed for a default precision: share of the calls, and macro F1."""

LEAST_IMAGES = 500
"""On fewer images, half a percent of the calls is only a call or two, so no other precision becomes the default."""

ASKED = (0.01, 0.005)
"""The largest change allowed if the user asks for a precision."""


@dataclass(frozen=True)
class PrecisionAgreement:
    """The comparison of another precision with float32 on the same labelled images.

    Attributes:
        images: number of images.
        largest_difference: the largest difference of any probability, 0–1.
        calls_changed: the share of images that get another type, 0–1, with no cell rejected.
        macro_f1_change: the change of the macro F1 of all types, with no cell rejected.
        blasts_change: the largest change of any slide's blasts, in percentage points of its leukocytes, without
            unidentified cells.
    """

    images: int
    largest_difference: float
    calls_changed: float
    macro_f1_change: float
    blasts_change: float

    @property
    def harmless(self) -> bool:
        """Whether this precision may be a default: at most 0.5% of the calls and 0.002 of macro F1 change.

        The comparison must have at least `LEAST_IMAGES`.
        """
        return self.images >= LEAST_IMAGES and self._within(*UNASKED)

    @property
    def tolerable(self) -> bool:
        """Whether this precision may be used on request: at most 1% of the calls and 0.005 of macro F1 change."""
        return self._within(*ASKED)

    def _within(self, most_calls: float, most_f1: float) -> bool:
        return self.calls_changed <= most_calls and abs(self.macro_f1_change) <= most_f1


def harmless_with(precision: str, measured: Mapping[str, PrecisionAgreement]) -> str:
    """The precision in all members if it was measured to be harmless, else in those where it was, else float32.

    Args:
        precision: such as `bf16`.
        measured: an ensemble's agreement by precision, as `options.joined` writes it.
    """
    those = {Precision.FP32, precision}
    harmless = [name for name, found in measured.items() if found.harmless and those.issuperset(parts_of(name))]
    return precision if precision in harmless else next(iter(harmless), str(Precision.FP32))


def agreement(
    exact: NDArray[np.float64],
    other: NDArray[np.float64],
    truth: NDArray[np.int64],
    slides: Sequence[str],
    cell_types: Sequence[str],
    rejection_threshold: float,
) -> PrecisionAgreement:
    """Compare an ensemble's probabilities in two precisions.

    Args:
        exact, other: probabilities (N, K) in float32 and in the other precision.
        truth: (N,) type indices.
        slides: (N,) names, empty if unknown.
        cell_types: the types of the K columns.
        rejection_threshold: cells with a lower probability are unidentified.
    """
    blasts = [_blasts_by_slide(side, slides, cell_types, rejection_threshold) for side in (exact, other)]
    return PrecisionAgreement(
        images=len(truth),
        largest_difference=float(np.abs(other - exact).max()),
        calls_changed=float((exact.argmax(axis=1) != other.argmax(axis=1)).mean()),
        macro_f1_change=macro_f1(truth, other) - macro_f1(truth, exact),
        blasts_change=max((abs(blasts[1][name] - share) for name, share in blasts[0].items()), default=0.0),
    )


def macro_f1(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """The macro F1 of probabilities (N, K) against true types (N,), with no cell rejected."""
    matrix = classification.confusion_matrix(truth, probabilities.argmax(axis=1), probabilities.shape[1])
    return classification.macro(classification.per_type(matrix).f1).value


def _blasts_by_slide(
    probabilities: NDArray[np.float64], slides: Sequence[str], cell_types: Sequence[str], threshold: float
) -> dict[str, float]:
    """Each named slide's blasts in percent of its leukocytes; 0 for a slide without leukocytes."""
    called = np.where(probabilities.max(axis=1) >= threshold, probabilities.argmax(axis=1), -1)
    names = np.asarray(slides)
    shares = {}
    for name in sorted(set(names.tolist()) - {""}):
        here = called[names == name]
        leukocytes = np.isin(here, cells.indices(cell_types, cells.LEUKOCYTES)).sum()
        blasts = np.isin(here, cells.indices(cell_types, cells.BLASTS)).sum()
        shares[name] = 100 * float(blasts) / max(1, int(leukocytes))
    return shares
