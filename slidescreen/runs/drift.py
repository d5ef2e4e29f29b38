"""Comparison of a night with earlier nights: colours, sharpness, certainty, composition.

Each run that classified slides leaves a row in a history file. A later run is compared with the earlier rows once
there are enough of them, and until then with the validation images. A change of stain or camera affects all slides, a
disease only one. Therefore figures are medians: over images for their appearance, over slides for the rest. Figures
that depend on the cells of a slide are judged over several slides.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from slidescreen import cells
from slidescreen.data.appearance import MEASURES
from slidescreen.data.calls import Call, Status
from slidescreen.screening.finding import Verdict
from slidescreen.screening.results import SlideResult

LEAST_NIGHTS = 10
LEAST_SLIDES = 10
"""Composition and certainty are judged over at least this many slides; earlier nights are added if a night has fewer.

In simulation (`benchmarks.nights`), nights of three slides, a fifth of them leukaemic, then never get one. Over five
slides 5% of them do, over one 15%. A change of every slide is reported from ten slides on.
"""
CERTAINTY = ("mean_probability", "unidentified_percent")
COMPOSITION = tuple(f"{name}_percent" for name in cells.LEUKOCYTES)
FIGURES = (*MEASURES, *CERTAINTY, *COMPOSITION)
SHARES = ("unfamiliar_percent", "flagged_percent")
"""Charted and not compared: a median over slides, and the percentage of slides that are urgent or for review."""
_UNFAMILIAR, _FLAGGED = SHARES
_FLAGGED_VERDICTS = (Verdict.URGENT, Verdict.REVIEW)
_OVER_SLIDES = frozenset((*CERTAINTY, *COMPOSITION))
_MOST_DEVIATIONS = 5.0
# Smaller differences do not matter: grey levels, percent of the range, probability,
# percentage points.
_LEAST_SPREAD = {**dict.fromkeys(MEASURES, 1.0), "sharpness": 0.1, "mean_probability": 0.01}
_LEAST_SPREAD_PERCENT = 1.0
# Standard deviations between slides of one camera, due to other cells and another person's staining: 67 patients'
# slides of one laboratory (`deepapl`). The background hardly varies, because the camera balances it.
_BETWEEN_SLIDES = {**dict.fromkeys(MEASURES[3:6], 12.0), "sharpness": 0.3}
_TO_DEVIATION = 1.4826  # from a median absolute deviation to a normal distribution's standard deviation


@dataclass(frozen=True)
class Profile:
    """The number of a run's slides, and their `FIGURES` and `SHARES` as far as they are known."""

    slides: int
    figures: Mapping[str, float]


def profile_of(slides: Sequence[SlideResult]) -> Profile:
    """The figures of a run's slides: medians over images for appearance, medians over slides for the rest."""
    appearances: list[tuple[float, ...]] = []
    of_slides = []
    for slide in slides:
        calls = tuple(slide.calls)  # calls of an earlier run are read once and not kept
        appearances += (call.appearance for call in calls if call.appearance)
        of_slides.append({**_certainty(calls), **_composition(calls), **_unfamiliar(slide)})
    looks = np.asarray(appearances)
    medians = np.median(looks, axis=0).tolist() if len(looks) else ()
    figures = dict(zip(MEASURES, medians, strict=False))
    for name in (*CERTAINTY, *COMPOSITION, _UNFAMILIAR):
        values = [found[name] for found in of_slides if name in found]
        if values:
            figures[name] = float(np.median(values))
    if figures:  # slides without a readable image have no figures
        figures[_FLAGGED] = 100 * sum(slide.finding.verdict in _FLAGGED_VERDICTS for slide in slides) / len(slides)
    return Profile(len(slides), figures)


def _certainty(calls: Sequence[Call]) -> dict[str, float]:
    """How sure the ensemble was of a slide's cells: the mean probability, and the percentage left unidentified."""
    looked_at = [call.probability for call in calls if call.probability is not None]
    if not looked_at:
        return {}
    unidentified = sum(call.status is Status.UNIDENTIFIED for call in calls)
    return dict(zip(CERTAINTY, (float(np.mean(looked_at)), 100 * unidentified / len(looked_at)), strict=True))


def _composition(calls: Sequence[Call]) -> dict[str, float]:
    """The percentage of each type among a slide's leukocytes."""
    types = Counter(call.cell_type for call in calls if call.cell_type in cells.LEUKOCYTES)
    total = sum(types.values())
    return {f"{name}_percent": 100 * types[name] / total for name in cells.LEUKOCYTES} if total else {}


def _unfamiliar(slide: SlideResult) -> dict[str, float]:
    """The percentage of a slide's images that are unfamiliar; empty if the ensemble cannot tell."""
    percent = slide.differential.unfamiliar_percent
    return {} if percent is None else {_UNFAMILIAR: percent}


def least_spread(figure: str) -> float:
    """The least difference of a figure that matters."""
    return _LEAST_SPREAD.get(figure, _LEAST_SPREAD_PERCENT)


def name_of_figure(figure: str) -> str:
    """A figure in words; a remark on it begins with them."""
    return figure.removesuffix("_percent").replace("_", " ") + (" %" if figure.endswith("_percent") else "")


def compare(tonight: Profile, past: Sequence[Profile], measured: Mapping[str, tuple[float, float]]) -> list[str]:
    """How a night differs from earlier nights, in words.

    Args:
        tonight: the night's figures, by `profile_of`.
        past: earlier nights, oldest first; with fewer than `LEAST_NIGHTS`, `measured` is used instead.
        measured: for some of `FIGURES`, their range on the validation images.
    """
    remarks = []
    for figure in FIGURES:
        for least in (LEAST_SLIDES,) if figure in _OVER_SLIDES else (1, LEAST_SLIDES):
            recent, before = _split(figure, tonight, past, least)
            found = _judge(figure, recent, before, measured) if recent else []
            if found:
                remarks += found
                break
    return remarks


def _judge(
    figure: str,
    recent: Sequence[Profile],
    before: Sequence[Profile],
    measured: Mapping[str, tuple[float, float]],
) -> list[str]:
    slides = sum(each.slides for each in recent)
    value = _weighted_median([each.figures[figure] for each in recent], [each.slides for each in recent])
    told = f"{name_of_figure(figure)}{f' (last {slides} slides)' if len(recent) > 1 else ''}"
    if len(before) >= LEAST_NIGHTS:
        return _departure(figure, told, value, slides, before)
    return _outside(figure, told, value, *measured[figure]) if figure in measured else []


def _split(figure: str, tonight: Profile, past: Sequence[Profile], least: int) -> tuple[list[Profile], list[Profile]]:
    """The latest nights with at least `least` slides together, tonight first, and the nights before them; empty if
    too few."""
    if figure not in tonight.figures:
        return [], []
    before = [each for each in past if figure in each.figures]
    recent = [tonight]
    while sum(each.slides for each in recent) < least:
        if not before:
            return [], []
        recent.append(before.pop())
    return recent, before


def _departure(figure: str, told: str, value: float, slides: int, before: Sequence[Profile]) -> list[str]:
    """A remark if a figure over `slides` slides lies too many deviations from the median of the earlier nights."""
    values = np.asarray([each.figures[figure] for each in before])
    middle = float(np.median(values))
    usual = _TO_DEVIATION * float(np.median(np.abs(values - middle)))
    usual *= math.sqrt(max(1.0, float(np.median([each.slides for each in before])) / slides))  # few slides vary more
    deviations = (value - middle) / max(usual, _least_spread(figure, slides))
    if abs(deviations) <= _MOST_DEVIATIONS:
        return []
    side = "above" if deviations > 0 else "below"
    distance = f"{abs(deviations):.0f} robust standard deviations {side} the median of {len(before)} earlier runs"
    return [f"{told}: {value:.1f}, {distance} ({middle:.1f})"]


def _least_spread(figure: str, slides: int) -> float:
    between = _BETWEEN_SLIDES.get(figure, 0.0) / math.sqrt(slides)
    return math.hypot(least_spread(figure), between)


def _weighted_median(values: Sequence[float], weights: Sequence[int]) -> float:
    """The smallest value below or at which half of the weight lies."""
    order = np.argsort(values)
    share = np.cumsum(np.asarray(weights)[order]) / sum(weights)
    return float(values[int(order[int(np.searchsorted(share, 0.5))])])


def _outside(figure: str, told: str, value: float, low: float, high: float) -> list[str]:
    """A remark if a figure lies outside the limits by more than the least spread, with enough digits to show it."""
    margin = least_spread(figure)
    if low - margin <= value <= high + margin:
        return []
    digits = next((n for n in range(3, 9) if f"{value:.{n}g}" not in (f"{low:.{n}g}", f"{high:.{n}g}")), 9)
    limits = f"{low:.{digits}g}–{high:.{digits}g}"
    return [f"{told}: {value:.{digits}g}, outside the range of the validation images ({limits})"]
