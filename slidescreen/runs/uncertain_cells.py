"""Choose the cells of a run that are most useful to label, and write a page for labelling them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.data.calls import Call
from slidescreen.errors import InputError
from slidescreen.files.untouched import refuse_inside
from slidescreen.files.writing import make_folder, printable, write_text
from slidescreen.reporting.chosen_cells import CellPage, ChosenCell, render_cells
from slidescreen.reporting.kept_pictures import KeptPictures
from slidescreen.reporting.reported_types import LABORATORY, unsigned_images
from slidescreen.reporting.thumbnails import in_time
from slidescreen.runs.saved_run import input_folders, read_run
from slidescreen.screening.call_types import in_types, types_of_calls
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.sentences import number_of
from slidescreen.screening.slide_contents import contents_of_slide
from slidescreen.screening.slide_review import is_looked_at
from slidescreen.statistics.spread_choice import ambiguity, spread_choice

UNCERTAIN = "uncertain.html"
_ORDER = tuple(dict.fromkeys((*cells.BLASTS, *cells.IMMATURE_GRANULOCYTES, *cells.CELL_TYPES)))


@dataclass(frozen=True)
class _Candidate:
    """A cell that nobody has reviewed, its slide, and the position of its most probable type."""

    slide: SlideResult
    call: Call
    kind: int


def worth(probabilities: NDArray[np.float64], strangeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """The value (N,) of labelling each cell.

    The less certain half of the cells, and cells unlike every type, count twice as much as the others. Equal cells are
    ordered at random, with a fixed seed. The most ambiguous cells by themselves teach less: see `benchmarks.uncertain`.

    Args:
        probabilities: (N, K).
        strangeness: (N,) 1 at the cut; 0 if unknown.
    """
    found = ambiguity(probabilities)
    preferred = (found >= np.median(found)) | (strangeness >= 1)
    chance = np.random.default_rng(0).random(len(found))
    return np.asarray(np.where(preferred, 2.0, 1.0) * (0.8 + 0.2 * chance))


def write_uncertain(folder: Path, count: int, out: Path | None = None) -> tuple[Path, int]:
    """Write the page of a run's cells without a review that are most useful to label.

    Args:
        folder: the run's folder.
        count: the number of cells.
        out: folder for the page; None for `uncertain` in the run's folder.

    Returns:
        The page's path, and the number of cells on it.

    Raises:
        InputError: there is no run, no cell without a review, or `out` lies in the input.
        OutputError: the page cannot be written.
    """
    run = read_run(folder)
    refuse_inside(out or folder / "uncertain", input_folders(run))
    chosen = _chosen(run, count)
    if not chosen:
        raise InputError(f"{printable(folder)}: no cell is left that nobody has reviewed")
    identity = str(run.info.get("run") or "")
    page = CellPage(
        title="Cells worth a look",
        sentences=_sentences(len(chosen), len({each.slide for each in chosen})),
        cell_types=run.cell_types,
        label=LABORATORY,
        identity=identity,
        store=f"{identity or printable(folder.resolve())} uncertain",
    )
    path = make_folder(out or folder / "uncertain") / UNCERTAIN
    write_text(path, render_cells(chosen, page))
    return path, len(chosen)


def _sentences(count: int, slides: int) -> list[str]:
    return [
        f"{number_of(count, 'cell')} of {number_of(slides, 'slide')}: above all of the half that the networks are less "
        "sure of, and those unlike every type, spread over types and slides. Cells that somebody has reviewed are left "
        "out, and the choice favours types and slides of which few were reviewed.",
        "For each cell: c confirms the call, a type's key gives another type. Then download the corrections, and give "
        "them to slidescreen report with --corrections. slidescreen ensemble --adapt learns from them.",
    ]


def _chosen(run: Run, count: int) -> list[ChosenCell]:
    """The chosen cells, in the page's order of the most probable types. In each type, the most useful come first."""
    candidates = [each for slide in run.slides for each in _candidates(slide, run.cell_types)]
    if not candidates:
        return []
    probabilities = np.asarray([each.call.probabilities for each in candidates])
    strangeness = np.asarray([each.call.strangeness or 0.0 for each in candidates])
    kinds, slides = [each.kind for each in candidates], [each.slide.name for each in candidates]
    places = spread_choice(worth(probabilities, strangeness), kinds, slides, count, _reviewed(run))
    places.sort(key=lambda at: _ORDER.index(run.cell_types[candidates[at].kind]))
    return _with_pictures([candidates[at] for at in places])


def _candidates(slide: SlideResult, types: Sequence[str]) -> list[_Candidate]:
    """A slide's cells with probabilities and without a review. Images that show no single cell are left out, and slides
    of an ensemble with further types."""
    reviewed = slide.review.cells if slide.review is not None else {}
    found = (call for call in slide.calls if is_looked_at(call) and not call.reason and call.image not in reviewed)
    own = types_of_calls(slide, types)
    calls = [in_types(call, own, types) for call in found if call.probabilities]
    placed = [call for call in calls if call is not None]
    if len(placed) < len(calls):
        return []
    return [_Candidate(slide, call, int(np.argmax(call.probabilities))) for call in placed]


def _reviewed(run: Run) -> list[tuple[int, str]]:
    """The type, by position, and the slide of each reviewed cell of a type that the ensemble knows."""
    return [
        (run.cell_types.index(cell.cell_type), slide.name)
        for slide in run.slides
        if slide.review is not None
        for cell in slide.review.cells.values()
        if cell.cell_type in run.cell_types
    ]


def _with_pictures(candidates: Sequence[_Candidate]) -> list[ChosenCell]:
    draw, kept = in_time(), dict[str, tuple[KeptPictures, dict[str, str]]]()
    chosen = []
    for each in candidates:
        name, image = each.slide.name, each.call.image
        if name not in kept:
            kept[name] = KeptPictures(each.slide), contents_of_slide(each.slide)
        pictures, contents = kept[name]
        unsigned = image in unsigned_images(each.slide, [each.call])
        source = pictures.get(image, draw, contents[image])
        chosen.append(ChosenCell(name, each.call, source, contents[image], unsigned=unsigned))
    return chosen
