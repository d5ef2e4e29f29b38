"""Slides keep the names under which earlier runs recorded them. Reviews, orders and exports go by these names."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from slidescreen.data.slides import Slide, Survey, own_names
from slidescreen.data.unique_names import NamesInUse, unique_names
from slidescreen.runs.earlier_run import last_places
from slidescreen.runs.ledger import Ledger


def with_kept_names(found: Survey, ledger: Ledger, out: Path, root: Path) -> Survey:
    """The slides in the same order, each with its earlier name. A new slide whose name looks like an earlier one, also
    of a slide that has vanished, gets a mark.

    Args:
        found: the slides that are found now, with the names of a first run.
        ledger: the finished slides.
        out: the run's folder.
        root: the folder that is classified.
    """
    last = {place: name for name, place in last_places(out, root).items()}
    in_use, kept = NamesInUse(), {}
    for slide in found.slides:
        name = _earlier_name(slide, ledger, last)
        if name and in_use.takes(name):
            kept[slide.place] = name
    if len(kept) == len(found.slides):
        return _renamed(found, kept)
    for name in _gone(found, ledger, last, root.resolve()):
        in_use.takes(name)
    places = [slide.place for slide in found.slides]
    own = zip(places, own_names(found.folder, places), strict=True)
    new = {place: name for place, name in own if place not in kept}
    shown = zip(new.items(), unique_names([*new.values()]), strict=True)
    return _renamed(found, kept | {place: in_use.added(text, name) for (place, name), text in shown})


def _renamed(found: Survey, names: Mapping[str, str]) -> Survey:
    """The survey with the slides' names, by their places."""
    slides = ((slide, names[slide.place]) for slide in found.slides)
    return replace(found, slides=tuple(s if s.name == name else replace(s, name=name) for s, name in slides))


def _earlier_name(slide: Slide, ledger: Ledger, last: Mapping[str, str]) -> str:
    """The slide's name in its record or, without one, in the last run; empty if it is new.

    Where the last run had the present name, the record has it too and is not read.
    """
    told = last.get(slide.place, "")
    if told != slide.name and ledger.has_record(slide.place):
        finished = ledger.head(ledger.path_of(slide.place))
        if finished is not None and (slide.place != "." or finished.folder == slide.folder):
            return finished.slide
    return told


def _gone(found: Survey, ledger: Ledger, last: Mapping[str, str], root: Path) -> Iterator[str]:
    """The names of earlier slides below the root that are not found now."""
    present = {slide.place for slide in found.slides}
    yield from (name for place, name in last.items() if place not in present)
    for finished in ledger.others({*present, *last}):
        if finished.folder.is_relative_to(root):
            yield finished.slide
