"""Is this night like the nights before: colours, sharpness, certainty, composition.

Each run that classified slides leaves a row in a history file. A later run is compared with the rows before it once
there are enough of them, and until then with the images that the ensemble was measured on.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from slidescreen import cells
from slidescreen.appearance import MEASURES
from slidescreen.calls import Status
from slidescreen.errors import InputError
from slidescreen.files import neutralise, printable, write_text
from slidescreen.runs import SlideResult

LEAST_NIGHTS = 10
FIGURES = (*MEASURES, "mean_probability", "unidentified_percent", *(f"{name}_percent" for name in cells.LEUKOCYTES))
_COLUMNS = ("time", "slides", "images", *FIGURES)
_MOST_DEVIATIONS = 5.0
# Nights that differ by less than this differ by nothing that matters: grey levels, percent of the range, probability,
# percentage points.
_LEAST_SPREAD = {**dict.fromkeys(MEASURES, 1.0), "sharpness": 0.1, "mean_probability": 0.01}
_LEAST_SPREAD_PERCENT = 1.0
_TO_DEVIATION = 1.4826  # from a median absolute deviation to a normal distribution's standard deviation

Row = Mapping[str, float]


def figures_of(slides: Sequence[SlideResult]) -> dict[str, float]:
    """A night's `FIGURES`: medians over images of how they look, means over calls of the rest.

    A figure for which there is nothing to go by is left out.
    """
    calls = [call for slide in slides for call in slide.calls]
    looks = np.asarray([call.appearance for call in calls if call.appearance])
    found = dict(zip(MEASURES, np.median(looks, axis=0).tolist(), strict=True)) if len(looks) else {}
    looked_at = [call.probability for call in calls if call.probability is not None]
    if looked_at:
        found["mean_probability"] = float(np.mean(looked_at))
        unidentified = sum(call.status is Status.UNIDENTIFIED for call in calls)
        found["unidentified_percent"] = 100 * unidentified / len(looked_at)
    types = Counter(call.cell_type for call in calls if call.cell_type in cells.LEUKOCYTES)
    total = sum(types.values())
    if total:
        found |= {f"{name}_percent": 100 * types[name] / total for name in cells.LEUKOCYTES}
    return found


def compare(night: Row, past: Sequence[Row], measured: Mapping[str, tuple[float, float]]) -> list[str]:
    """In what a night departs from the past, in words.

    Args:
        night: by `figures_of`.
        past: earlier nights; with fewer than `LEAST_NIGHTS` of them, `measured` is asked instead.
        measured: for some of `FIGURES`, between which values they lay where the ensemble was measured.
    """
    if len(past) < LEAST_NIGHTS:
        return [
            _outside(figure, night[figure], low, high)
            for figure, (low, high) in measured.items()
            if figure in night and not low <= night[figure] <= high
        ]
    remarks = []
    for figure, value in night.items():
        before = np.asarray([row[figure] for row in past if figure in row])
        if len(before) < LEAST_NIGHTS:
            continue
        middle = float(np.median(before))
        spread = _TO_DEVIATION * float(np.median(np.abs(before - middle)))
        deviations = (value - middle) / max(spread, _LEAST_SPREAD.get(figure, _LEAST_SPREAD_PERCENT))
        if abs(deviations) > _MOST_DEVIATIONS:
            side = "above" if deviations > 0 else "below"
            apart = f"{abs(deviations):.0f} deviations {side} the {middle:.1f} of {len(before)} earlier runs"
            remarks.append(f"{_name(figure)} {value:.1f} is {apart}")
    return remarks


def read_history(path: Path) -> list[dict[str, float]]:
    """The figures of earlier runs, oldest first; none where there is no file yet.

    Raises:
        InputError: the file is no such history.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [{name: float(row[name]) for name in FIGURES if row[name]} for row in rows]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(f"{printable(path)} is no history of slidescreen: move it away or name another") from error


def add_to_history(path: Path, time: str, slides: Sequence[SlideResult], night: Row) -> None:
    """Add a run's row; the file appears whole.

    Raises:
        OutputError: it cannot be written.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ",".join(_COLUMNS) + "\n"
    line = io.StringIO()
    images = sum(slide.differential.images for slide in slides)
    figures = [f"{night[name]:.4f}" if name in night else "" for name in FIGURES]
    csv.writer(line, lineterminator="\n").writerow([neutralise(time), len(slides), images, *figures])
    write_text(path, text + line.getvalue())


def _outside(figure: str, value: float, low: float, high: float) -> str:
    """In words, with as many digits as it takes to tell the value from the limits."""
    digits = next((n for n in range(3, 9) if f"{value:.{n}g}" not in (f"{low:.{n}g}", f"{high:.{n}g}")), 9)
    limits = f"{low:.{digits}g}–{high:.{digits}g}"
    return f"{_name(figure)} {value:.{digits}g} is outside of {limits}, where the ensemble was measured"


def _name(figure: str) -> str:
    return figure.removesuffix("_percent").replace("_", " ") + (" %" if figure.endswith("_percent") else "")
