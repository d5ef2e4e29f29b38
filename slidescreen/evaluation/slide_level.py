"""Agreement of slides' differentials by the model and by labels, and the slides that would be missed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.evaluation.predictions import Predictions, distinct_slides
from slidescreen.screening.thresholds import default_thresholds
from slidescreen.statistics import classification
from slidescreen.statistics.agreement import BlandAltman, PassingBablok, bland_altman, passing_bablok
from slidescreen.statistics.correlation import Correlation, correlation
from slidescreen.statistics.intervals import Interval, clopper_pearson

LEAST_LEUKOCYTES = 20
_LEAST_SLIDES = 3
_LIMITS = default_thresholds()
CUT_OFFS: Mapping[str, float] = {"blasts": _LIMITS.blasts_workup, "immature_granulocytes": _LIMITS.ig_raised}
"""A slide counts as having such cells if they are at least this percentage of its leukocytes."""


@dataclass(frozen=True)
class SlideAgreement:
    """One type or group over all slides, in percent of the leukocytes: measured minus true.

    `true` and `measured` hold a value for each slide, in the order of `SlideLevel.slides`.
    """

    name: str
    true: tuple[float, ...]
    measured: tuple[float, ...]
    bland_altman: BlandAltman
    passing_bablok: PassingBablok
    correlation: Correlation


@dataclass(frozen=True)
class Detection:
    """Slides with blasts (or IG) by truth and slides with blasts (or IG) by the model. Limits are exact, 95%."""

    name: str
    cut_off: float
    both: int
    missed: int
    false: int
    neither: int
    sensitivity: float
    sensitivity_limits: Interval[float]
    specificity: float
    specificity_limits: Interval[float]


@dataclass(frozen=True)
class SlideLevel:
    """The slides with enough leukocytes, by name (with the source if several have this name), and their agreement."""

    slides: tuple[str, ...]
    agreements: tuple[SlideAgreement, ...]
    detections: tuple[Detection, ...]

    @property
    def agreements_of_present(self) -> tuple[SlideAgreement, ...]:
        """Without the types that no slide has, neither by truth nor by the model."""
        return tuple(each for each in self.agreements if any(each.true) or any(each.measured))


def slide_level(predictions: Predictions) -> SlideLevel | None:
    """Compare differentials. None if fewer than three slides have 20 leukocytes both by truth and by the model.

    The true differential counts all leukocytes of a slide, the measured one those that the model called. Both leave out
    other objects.
    """
    leukocytes = cells.indices(predictions.cell_types, cells.LEUKOCYTES)
    slides = distinct_slides(predictions.slides, predictions.sources)
    names = np.asarray(slides)
    found: list[str] = []
    rows: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for slide in sorted(set(slides) - {""}):
        here = names == slide
        true, called = (_counts(side[here], leukocytes) for side in (predictions.truth, predictions.called))
        if min(true.sum(), called.sum()) >= LEAST_LEUKOCYTES:
            found.append(slide)
            rows.append((true, called))
    if len(found) < _LEAST_SLIDES:
        return None
    true, called = (np.stack(side) for side in zip(*rows, strict=True))
    types = [predictions.cell_types[i] for i in leukocytes]
    groups = {**{name: (name,) for name in types}, **cells.GROUPS}
    shares = {name: (_percent(true, types, m), _percent(called, types, m)) for name, m in groups.items()}
    return SlideLevel(
        slides=tuple(found),
        agreements=tuple(_agreement(name, *sides) for name, sides in shares.items()),
        detections=tuple(_detection(name, *shares[name], cut_off) for name, cut_off in CUT_OFFS.items()),
    )


def _counts(indices: NDArray[np.int64], leukocytes: list[int]) -> NDArray[np.int64]:
    return np.asarray([(indices == i).sum() for i in leukocytes], dtype=np.int64)


def _percent(counts: NDArray[np.int64], types: list[str], members: tuple[str, ...]) -> NDArray[np.float64]:
    """The percentage of `members` on each slide, from counts (slides, types)."""
    inside = counts[:, cells.indices(types, members)].sum(axis=1)
    return np.asarray(100 * inside / counts.sum(axis=1))


def _agreement(name: str, true: NDArray[np.float64], measured: NDArray[np.float64]) -> SlideAgreement:
    return SlideAgreement(
        name=name,
        true=tuple(true.tolist()),
        measured=tuple(measured.tolist()),
        bland_altman=bland_altman(measured, true),
        passing_bablok=passing_bablok(true, measured),
        correlation=correlation(true, measured),
    )


def _detection(name: str, true: NDArray[np.float64], measured: NDArray[np.float64], cut_off: float) -> Detection:
    table = classification.confusion_matrix((true >= cut_off).astype(int), (measured >= cut_off).astype(int), 2)
    (neither, false), (missed, both) = table.tolist()
    scores = classification.binary_scores(table)
    return Detection(
        name=name,
        cut_off=cut_off,
        both=both,
        missed=missed,
        false=false,
        neither=neither,
        sensitivity=scores.sensitivity,
        sensitivity_limits=clopper_pearson(both, both + missed),
        specificity=scores.specificity,
        specificity_limits=clopper_pearson(neither, neither + false),
    )
