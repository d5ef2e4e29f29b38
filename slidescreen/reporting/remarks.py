"""Remarks on a run's input, in words, for the terminal and the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from slidescreen import cells
from slidescreen.data.images import FIRST_OF
from slidescreen.files.writing import printable
from slidescreen.screening.results import SlideResult, is_reviewed
from slidescreen.screening.sentences import number_of
from slidescreen.screening.slide_review import SlideReview, void_signatures
from slidescreen.screening.unfamiliar_cells import ADVICE

_NAMED = 3


def contradictory_reports(info: Mapping[str, Any]) -> str:
    """Which images the laboratory put into the folders of two cell types; empty if none."""
    found = info.get("reported_twice") or ()
    if not found:
        return ""
    named = "; ".join(
        f"{pair['slide']}: {' and '.join(pair['images'])} ({' and '.join(map(_display, pair['types']))})"
        for pair in found[:_NAMED]
    )
    others = "; …" if len(found) > _NAMED else ""
    images = number_of(len(found), "image")
    return f"{images} in the class folders of two cell types, counted once: {named}{others}"


def reading_remarks(info: Mapping[str, Any]) -> list[str]:
    """Which images show no single cell, and how many files hold more images than the one used."""
    said = _unfamiliar(info)
    found = info.get("not_cells") or ()
    if found:
        named = "; ".join(f"{each['slide']}: {each['image']} ({each['reason']})" for each in found[:_NAMED])
        verb = "shows" if len(found) == 1 else "show"
        others = "; …" if len(found) > _NAMED else ""
        said.append(f"{number_of(len(found), 'image')} {verb} no single cell and stay unidentified: {named}{others}")
    several = sum(count for remark, count in (info.get("remarks") or {}).items() if remark.startswith(FIRST_OF))
    if several:
        said.append(f"{number_of(several, 'file')} with several pages or frames; only the first was used: see run.json")
    return said


def review_remark(slides: Sequence[SlideResult]) -> str:
    """How many slides people have signed, how many cells they changed, and how many signatures ended; or nothing."""
    ended = [slide.name for slide in slides if void_signatures(slide.review)]
    if not ended and not is_reviewed(slides):
        return ""
    reviews = [slide.review for slide in slides if slide.review is not None and slide.review.counts]
    signed, changed = sum(each.signed for each in reviews), sum(len(each.changed) for each in reviews)
    said = f"{signed} of {number_of(len(slides), 'slide')} signed, {number_of(changed, 'cell')} changed"
    if len(reviews) > signed:
        said += f"; {number_of(len(reviews) - signed, 'slide')} reviewed and not signed"
    if ended:
        names = ", ".join(map(printable, ended[:_NAMED])) + (", …" if len(ended) > _NAMED else "")
        said += f"; {number_of(len(ended), 'slide')} with a signature that no longer counts: {names}"
    return said


def patients_remark(info: Mapping[str, Any]) -> str:
    """Which slides are of the same patient; empty if there are none."""
    return "; ".join(", ".join(map(printable, names)) for names in info.get("same_patient", ()))


def reviewed_by(review: SlideReview | None) -> list[str]:
    """Who reviewed a slide, in sentences."""
    if review is None:
        return []
    said = []
    if review.counts:
        when = f", {printable(review.time)}" if review.time else ""
        how = "signed" if review.signed else "reviewed and not signed"
        said.append(
            f"{how} by {printable(review.by)}{when}: {number_of(len(review.changed), 'cell')} changed; reviewed: "
            f"blasts {_percent(review, 'blasts')}, IG {_percent(review, 'immature_granulocytes')}"
        )
    return said + void_signatures(review)


def _percent(review: SlideReview, name: str) -> str:
    percent = review.shares[name].percent
    return "–" if percent is None else f"{percent:.1f}%"


def _unfamiliar(info: Mapping[str, Any]) -> list[str]:
    """A remark if most slides of a run are unfamiliar, or if its ensemble cannot tell."""
    slides, unfamiliar = len(info.get("slides") or ()), len(info.get("unfamiliar_slides") or ())
    if 2 * unfamiliar > slides and slides > 1:
        return [f"{unfamiliar} of {slides} slides are unlike anything this ensemble was measured on: {ADVICE}"]
    ensemble = info.get("ensemble") or {}
    if "familiarity" in ensemble and ensemble["familiarity"] is None:
        return ["this ensemble cannot tell an unfamiliar camera or stain: make it anew with slidescreen ensemble"]
    return []


def _display(cell_type: str) -> str:
    return cells.DISPLAY_NAMES.get(cell_type, cell_type)
