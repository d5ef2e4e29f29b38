"""Measure an ensemble's errors from its members' predictions for labelled images."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.building.options import RejectionTargets
from slidescreen.data.appearance import MEASURES
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.exactness import macro_f1
from slidescreen.ensembles import false_calls
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult, vote
from slidescreen.ensembles.member_predictions import MemberPredictions
from slidescreen.ensembles.sufficiency import MeasuredOn
from slidescreen.errors import InputError
from slidescreen.screening.correction import call_correlation, graded, unmix
from slidescreen.screening.differential import NAMES, members_of
from slidescreen.statistics import calibration as calibrating
from slidescreen.statistics import classification, scaling

Floats = NDArray[np.float64]
_WEIGHT_STEPS = 20
MOST_SEARCHED = 6
"""The most members whose weights are searched: 53,130 combinations of six, 230,230 of seven, 657,800 of eight."""
_LEAST_CELLS, _LEAST_SLIDES = 50, 5  # needed to measure how slides differ
_PRIOR_CELLS = 2  # the weight of the prior that holds the temperature to 1
_UNSEEN_CELLS = 2  # added cells of the least certainty, which the validation cells may lack


def search_weights(predictions: MemberPredictions, rule: str) -> tuple[float, ...]:
    """The weights with the highest macro F1, in steps of 0.05. In a tie, the most equal weights are taken.

    Raises:
        InputError: there are more than `MOST_SEARCHED` members, whose combinations would take hours.
    """
    count = len(predictions.members)
    check_searchable(count)
    grid = _parts(_WEIGHT_STEPS, count)

    def quality(weights: tuple[int, ...]) -> tuple[float, float]:
        score = macro_f1(predictions.truth, vote(predictions.members, weights, rule))
        return score, -float(np.var(weights))

    best = max(grid, key=quality)
    return tuple(w / _WEIGHT_STEPS for w in best)


def check_searchable(members: int) -> None:
    """Refuse a search of the weights of too many members.

    Raises:
        InputError: there are more than `MOST_SEARCHED`.
    """
    if members > MOST_SEARCHED:
        raise InputError(f"--search takes at most {MOST_SEARCHED} checkpoints, not {members}: give --weight instead")


def _parts(whole: int, count: int) -> Iterator[tuple[int, ...]]:
    """All ways to divide a whole number into `count` parts, each at least 0, in ascending order."""
    if count == 1:
        yield (whole,)
        return
    for first in range(whole + 1):
        for rest in _parts(whole - first, count - 1):
            yield (first, *rest)


def calibrate(
    ensemble: Ensemble, predictions: MemberPredictions, targets: RejectionTargets, with_offsets: bool = True
) -> Ensemble:
    """Measure the ensemble's temperature, offsets, rejection threshold and errors on `predictions`.

    Without offsets, a type without a cell in `predictions` keeps its probability.
    """
    scaled = _scaled(ensemble, predictions, with_offsets)
    probabilities = scaled.combine(predictions.members)
    called = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    threshold = _threshold(confidence, called == predictions.truth, targets)
    kept = confidence >= threshold
    types = len(ensemble.cell_types)
    outcomes = graded(called, confidence, types)
    slides = [image.slide for image in predictions.images]
    corrected = corrected_names(predictions.truth, np.where(kept, outcomes, -1), slides, ensemble.cell_types)
    truth, called, probabilities, outcomes = (
        each[kept] for each in (predictions.truth, called, probabilities, outcomes)
    )
    matrix = _counted(truth, outcomes, types)
    sure = matrix[:, :types]
    slides = [slide for slide, keep in zip(slides, kept, strict=True) if keep]
    correlation = call_correlation(truth, outcomes, slides, matrix)
    found = {
        group: false_calls.measure(truth, called, probabilities, slides, ensemble.cell_types, members, correlation)
        for group, members in cells.TESTED_GROUPS.items()
    }
    measured = {
        "images": len(kept),
        "unidentified": int((~kept).sum()),
        "target_accuracy": targets.accuracy,
        "most_unidentified": targets.most_unidentified,
        "models": compare(scaled, predictions),
    }
    validation = replace(
        scaled.validation,
        rejection_threshold=threshold,
        confusion_matrix=sure + matrix[:, types:],
        sure_matrix=sure,
        call_correlation=correlation,
        corrected=corrected,
        false_calls=found,
        usual={**_usual_appearance(predictions.appearances), **_usual_certainty(predictions.images, confidence, kept)},
        measured_on=MeasuredOn.of(predictions.images),
        measured=measured,
    )
    return replace(ensemble, validation=validation)


def _scaled(ensemble: Ensemble, predictions: MemberPredictions, with_offsets: bool) -> Ensemble:
    """The ensemble with its temperature and offsets, and nothing else measured."""
    voted = vote(predictions.members, ensemble.weights, ensemble.rule)
    temperature = scaling.fit_temperature(voted, predictions.truth, _PRIOR_CELLS)
    offsets = np.zeros(len(ensemble.cell_types))
    if with_offsets:
        offsets = scaling.fit_offsets(scaling.apply_temperature(voted, temperature), predictions.truth)
    return replace(ensemble, validation=ValidationResult(temperature, tuple(offsets.tolist())))


def compare(ensemble: Ensemble, predictions: MemberPredictions) -> list[dict[str, Any]]:
    """Accuracy, macro F1 and calibration of each unscaled member and of the scaled vote. Every cell is called."""
    voted = ensemble.combine(predictions.members)
    named = list(zip(ensemble.member_names, predictions.members, strict=True))
    rows = []
    for name, probabilities in [*named, ("ensemble", voted)]:
        called = probabilities.argmax(axis=1)
        matrix = classification.confusion_matrix(predictions.truth, called, len(ensemble.cell_types))
        rows.append(
            {
                "model": name,
                "accuracy": classification.accuracy(matrix),
                "macro_f1": classification.macro(classification.per_type(matrix).f1).value,
                "leukocyte_macro_f1": _leukocyte_f1(matrix, ensemble.cell_types),
                "negative_log_likelihood": calibrating.negative_log_likelihood(predictions.truth, probabilities),
                "calibration_error": calibrating.expected_calibration_error(
                    probabilities.max(axis=1), called == predictions.truth
                ),
            }
        )
    return rows


def corrected_names(
    truth: NDArray[np.int64], outcomes: NDArray[np.int64], slides: Sequence[str], types: Sequence[str]
) -> frozenset[str] | None:
    """The types and groups whose percentage the correction does not make worse.

    Each slide is corrected with the error rates of all other cells. The mean absolute error over the slides decides.
    A slide's true composition includes cells without a call.

    Args:
        truth: (N,) type indices of validation cells.
        outcomes: (N,) the graded calls of these cells; -1 without a call.
        slides: (N,) names of slides; empty if unknown.
        types: the types of the indices.

    Returns:
        Names of the differential; None if there are too few slides.
    """
    names = np.asarray(slides)
    leukocytes = cells.indices(types, cells.LEUKOCYTES)
    classified = outcomes >= 0
    gains = []
    for slide in sorted(set(names.tolist()) - {""}):
        here = names == slide
        true = np.bincount(truth[here], minlength=len(types))
        if true[leukocytes].sum() < _LEAST_CELLS:
            continue
        others = ~here & classified
        calls = np.bincount(outcomes[here & classified], minlength=2 * len(types))
        counted = calls.reshape(2, -1).sum(axis=0)
        found = unmix(calls, _counted(truth[others], outcomes[others], len(types)))
        if found is not None and counted[leukocytes].any():
            wanted, raw, better = (among_leukocytes(s, types) for s in (true, counted, found.shares))
            gains.append(np.abs(raw - wanted) - np.abs(better - wanted))
    if len(gains) < _LEAST_SLIDES:
        return None
    return frozenset(name for name, gain in zip(NAMES, np.mean(gains, axis=0), strict=True) if gain >= 0)


def _counted(truth: NDArray[np.int64], outcomes: NDArray[np.int64], types: int) -> NDArray[np.int64]:
    """A confusion matrix (K, 2K) of graded calls."""
    return classification.confusion_matrix(truth, outcomes, 2 * types)[:types]


def among_leukocytes(shares: NDArray[Any], types: Sequence[str]) -> Floats:
    """The share of each of `NAMES` among the leukocytes, 0–1, from counts or shares (K,) of the types."""
    parts = [shares[cells.indices(types, members_of(name))].sum() for name in NAMES]
    whole = shares[cells.indices(types, cells.LEUKOCYTES)].sum()
    return np.asarray(parts, dtype=np.float64) / float(whole)


def _usual_appearance(appearances: Sequence[tuple[float, ...]]) -> dict[str, tuple[float, float]]:
    """The range of each measure for 98% of the images; empty if there are too few images."""
    if len(appearances) < _LEAST_CELLS:
        return {}
    lows, highs = np.percentile(np.asarray(appearances), (1, 99), axis=0).tolist()
    return {name: (low, high) for name, low, high in zip(MEASURES, lows, highs, strict=True)}


def _usual_certainty(
    images: Sequence[LabelledImage], confidence: Floats, kept: NDArray[np.bool_]
) -> dict[str, tuple[float, float]]:
    """A night's usual range of certainty: the mean over slides, plus or minus three standard deviations.

    Images without a slide count as one slide of their source. With too few slides there are no limits.
    """
    slides = np.asarray([f"{image.source}/{image.slide}" for image in images])
    large = [slides == name for name in sorted(set(slides.tolist())) if (slides == name).sum() >= _LEAST_CELLS]
    if len(large) < _LEAST_SLIDES:
        return {}
    sure = np.asarray([confidence[here].mean() for here in large])
    given_up = np.asarray([100 * (~kept[here]).mean() for here in large])
    return {
        "mean_probability": (float(sure.mean() - 3 * sure.std(ddof=1)), 1.0),
        "unidentified_percent": (0.0, float(given_up.mean() + 3 * given_up.std(ddof=1))),
    }


def _leukocyte_f1(matrix: NDArray[np.int64], cell_types: Sequence[str]) -> float:
    scores = classification.per_type(matrix).f1[cells.indices(cell_types, cells.LEUKOCYTES)]
    return classification.macro(scores).value


def _threshold(confidence: Floats, correct: NDArray[np.bool_], targets: RejectionTargets) -> float:
    """The lowest threshold that reaches the accuracy without rejecting more cells than allowed.

    A small sample may lack the least certain cells, so pseudo-cells of less certainty are added. With fewer than forty
    cells no cell is rejected.
    """
    found = calibrating.rejection_threshold(confidence, correct, targets.accuracy)
    most = float(np.quantile([0.0] * _UNSEEN_CELLS + confidence.tolist(), targets.most_unidentified))
    return most if found is None else min(found.threshold, most)
