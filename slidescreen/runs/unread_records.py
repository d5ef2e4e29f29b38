"""Slides whose records cannot be read at present, as on a share with a hiccup. Their records stay as they are.

A slide whose images are there is classified again. Any other keeps the row that the last run wrote of it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from slidescreen.data.slides import Slide
from slidescreen.data.unique_names import NamesInUse
from slidescreen.errors import InputError
from slidescreen.files.run_files import fallback_names_of
from slidescreen.reporting.tables import read_differentials
from slidescreen.runs.earlier_run import last_places
from slidescreen.runs.ledger import Ledger
from slidescreen.screening.differential import Differential
from slidescreen.screening.finding import Finding, Flag
from slidescreen.screening.results import UNLISTED, UNREAD, SlideResult

_GONE = "its images are no longer there, or not all of them: the result is from an earlier run"


def last_rows(
    ledger: Ledger, slides: Sequence[Slide], known: Collection[str], out: Path, root: Path
) -> Iterator[SlideResult]:
    """The last run's results of slides whose records cannot be read, and whose images are not all there.

    Args:
        ledger: the finished slides, after it was asked for all of them.
        slides: the slides that are found now.
        known: names of the slides that have a result already.
        out: the run's folder.
        root: the folder that is classified.
    """
    if not ledger.unread:
        return
    present = {slide.place: slide for slide in slides}
    names = NamesInUse({slide.name for slide in slides} | set(known))
    places = {name: place for name, place in last_places(out, root).items() if ledger.is_unread(place)}
    for differential, finding in _last_table(out) if places else ():
        name = differential.slide
        slide = present.get(places.get(name, ""))
        if name not in places or name in known or (slide is not None and _has_images_of(slide, differential)):
            continue
        name = slide.name if slide is not None else names.added(name, str(root / places[name]))
        folder = slide.folder if slide is not None else root.resolve() / places[differential.slide]
        yield SlideResult(replace(differential, slide=name), _marked(finding), (), folder)


def _last_table(out: Path) -> list[tuple[Differential, Finding]]:
    try:
        return read_differentials(out / fallback_names_of(out).get("differential.csv", "differential.csv"))
    except InputError:  # of slides in a damaged table nobody knows
        return []


def _has_images_of(slide: Slide, before: Differential) -> bool:
    """Whether a slide has as many images that may be opened as were read of it before."""
    return sum(not image.refusal for image in slide.images) >= before.images - before.unreadable


def _marked(finding: Finding) -> Finding:
    flags, reasons = finding.flags, tuple(reason for reason in finding.reasons if reason not in (UNLISTED, UNREAD))
    if Flag.VANISHED not in flags:
        flags, reasons = (*flags, Flag.VANISHED), (*reasons, _GONE)
    return replace(finding, flags=flags, reasons=(*reasons, UNREAD))
