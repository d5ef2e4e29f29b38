"""The page and the run agree on what a signature is over: the pictures and their types."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from test_desk import downloaded, go_to, rows, show, text_of
from test_desk_over_nights import mark, move, pictured, sign
from test_handed_on import IMAGE, Laboratory, laboratory, signed_text
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import Correction, merged
from slidescreen.data.signatures import signed_types
from slidescreen.data.slides import Slide
from slidescreen.reporting import desk, page
from slidescreen.runs.reviewed_slides import reviewed_run
from slidescreen.screening.results import Run, SlideResult, judge
from slidescreen.screening.thresholds import default_thresholds

__all__ = ["laboratory"]  # a fixture
NAMES = (
    "plain.jpg",
    "known.jpg",
    "a\tb.jpg",
    '"quoted"\\.jpg',
    "ü.jpg",
    "\U0001f9ec.jpg",
    "\uff5e.jpg",
    "\x7f.jpg",
    "</b>.jpg",
)


WITHOUT_TYPES = """(() => {
    const key = Object.keys(localStorage)[0], kept = JSON.parse(localStorage[key]);
    delete kept.slides.Well.signed.types;
    localStorage[key] = JSON.stringify(kept);
})()"""
"""What an earlier release keeps in a browser."""


def test_the_pages_sha_256_is_that_of_the_standard(browser: Browser) -> None:
    source = (Path(desk.__file__).parent / "templates/desk/sha256.js").read_text(encoding="utf-8")
    texts = ["ü€\U0001f9ec", *("m" * length for length in (*range(0, 130), 1000, 12_345))]
    found = browser.ask(f"(() => {{ {source}; return {json.dumps(texts)}.map(sha256); }})()")
    assert found == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def named(*names: str) -> SlideResult:
    """A slide with these images, every second one of a known picture, and one unidentified."""
    row = (0.9, *[0.1 / 15] * 15)
    calls = [
        Call(
            name, Status.CLASSIFIED, "monocyte", 0.9, "", row, digest=hashlib.sha256(bytes([at])).hexdigest() * (at % 2)
        )
        for at, name in enumerate(names)
    ]
    calls[0] = replace(calls[0], status=Status.UNIDENTIFIED, cell_type="")
    return judge(Slide("Named", Path("/nowhere"), ()), tuple(calls), ensemble(measured()), default_thresholds())


def test_the_page_and_the_run_make_the_same_hash_of_the_signed_types(browser: Browser, tmp_path: Path) -> None:
    slide = named(*NAMES)
    show(browser, tmp_path, Run((slide,), cells.CELL_TYPES, {"run": str(tmp_path)}))
    contents = {call.image: call.digest for call in slide.calls}
    types = {call.image: call.cell_type or "unidentified" for call in slide.calls}
    for image, key, cell_type in (("", "", ""), (NAMES[1], "8", "myeloblast"), (NAMES[0], "3", "eosinophil")):
        if image:
            move(browser, "Named", image, key)
            types[image] = cell_type
        sign(browser, "Named", "Ada")
        (tmp_path / "corrections.csv").unlink(missing_ok=True)
        (row,) = (row for row in downloaded(browser, tmp_path) if not row["image"])
        assert list(row)[-1] == "signed_types"
        assert row["signed_types"] == signed_types(contents, types)
    assert browser.complaints == []


def recalled(slide: SlideResult) -> SlideResult:
    """The same pictures, their lymphocytes called myeloblasts."""
    calls = tuple(
        replace(call, cell_type="myeloblast") if call.cell_type == "lymphocyte" else call for call in slide.calls
    )
    return judge(Slide(slide.name, Path("/nowhere"), ()), calls, ensemble(measured()), default_thresholds())


def other_calls(laboratory: Laboratory) -> None:
    """Another ensemble classifies the run's slides."""
    laboratory.run = replace(laboratory.run, slides=tuple(map(recalled, laboratory.run.slides)))


@pytest.mark.parametrize("handed_on", [False, True])
def test_a_signature_does_not_pass_to_other_calls_of_the_same_pictures(laboratory: Laboratory, handed_on: bool) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    if handed_on:
        laboratory.hand_on()
    before = laboratory.run
    other_calls(laboratory)
    laboratory.show()
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    assert mark(browser, "Well") == ""
    row = text_of(browser, ".worklist [data-slide=Well]")
    assert ("Ada signed other cell types than there are now" in row) is handed_on
    go_to(browser, "Well")
    assert signed_text(browser).startswith("Not signed yet. Ada signed other cell types than this page shows")
    browser.press("w")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert (review.signed, review.retyped, review.cells) == (False, ("Ada",), {})
    sign(browser, "Well", "Ada")
    assert mark(browser, "Well") == "✓ reviewed by Ada"
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert (review.signed, review.shares["blasts"].count) == (True, NORMAL["lymphocyte"])
    laboratory.run = before  # the calls that were signed first
    laboratory.show()
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    assert browser.complaints == []


def test_a_signature_from_a_page_before_a_colleagues_correction_does_not_cover_it(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    content = hashlib.sha256(f"Well {IMAGE}".encode()).hexdigest()
    bob = Correction("Well", IMAGE, "myeloblast", "neutrophil", "Bob", "2026-01-01T09:00:00Z", "", "", content)
    laboratory.stored = merged([], [bob])
    sign(browser, "Well", "Ada")  # her page still shows a neutrophil
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert (review.signed, review.reviewers, review.retyped) == (False, ("Bob",), ("Ada",))
    laboratory.show()
    go_to(browser, "Well")
    assert laboratory.shown_type() == "myeloblast"
    assert signed_text(browser).startswith("Not signed yet. Ada signed other cell types")
    browser.press("w")
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert (review.signed, review.reviewers) == (True, ("Ada",))


def test_types_that_come_back_bring_the_signature_back(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "8")
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    before = laboratory.run
    other_calls(laboratory)
    laboratory.show()
    assert mark(browser, "Well") == ""
    laboratory.run = before
    laboratory.show()
    assert mark(browser, "Well") == "✓ reviewed by Ada"
    assert reviewed_run(laboratory.run, laboratory.stored).slides[0].review is not None


def test_a_signature_that_an_earlier_release_kept_without_types_counts_as_before(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    browser.ask(WITHOUT_TYPES)
    laboratory.show()
    assert mark(browser, "Well") == "✓ reviewed by Ada"
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert review.signed


def test_undoing_brings_no_signature_of_other_pictures_back(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    before = laboratory.run
    sign(browser, "Well", "Ada")
    move(browser, "Well", IMAGE, "8")
    laboratory.run = replace(before, slides=(pictured("Well", {**NORMAL, "basophil": 20}), before.slides[1]))
    laboratory.show()
    laboratory.undo()
    assert laboratory.shown_type() == "neutrophil"
    assert signed_text(browser).startswith("Not signed yet.")
    browser.press("w")
    assert mark(browser, "Well") == ""
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    laboratory.run = before
    laboratory.show()
    assert not mark(browser, "Well").startswith("✓")
    assert browser.complaints == []


def test_undoing_brings_a_signature_back_only_over_the_signed_types(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    move(browser, "Well", IMAGE, "8")
    before = laboratory.run
    other_calls(laboratory)
    laboratory.show()
    laboratory.undo()
    browser.press("w")
    assert mark(browser, "Well") == ""
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    laboratory.run = before
    laboratory.show()
    assert not mark(browser, "Well").startswith("✓")


def elsewhere(laboratory: Laboratory, **changes: Any) -> None:
    """The stored signature as another browser hands it on, changed."""
    (signed,) = (each for each in laboratory.stored if each.signs and not each.withdrawn)
    laboratory.stored = merged(laboratory.stored, [replace(signed, **changes)])


def test_a_signature_that_was_withdrawn_elsewhere_does_not_count_here(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    elsewhere(laboratory, withdrawn=True, time=datetime.now(UTC).isoformat())
    assert laboratory.nothing_counts()
    laboratory.show()
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    assert mark(browser, "Well") == "signature withdrawn, not yet signed"
    go_to(browser, "Well")
    assert signed_text(browser).startswith("Not signed yet. Ada has withdrawn this signature elsewhere")
    browser.press("w")
    laboratory.hand_on()  # the older signature does not come back
    assert laboratory.nothing_counts()
    sign(browser, "Well", "Ada")
    assert mark(browser, "Well") == "✓ reviewed by Ada"
    laboratory.hand_on()
    laboratory.show()
    assert mark(browser, "Well") == "✓ reviewed by Ada"
    assert not laboratory.nothing_counts()


def test_ones_own_withdrawal_stays_when_a_colleague_signs_later(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    laboratory.show()
    go_to(browser, "Well")
    browser.ask("document.querySelector('.current .withdraw').click()")
    browser.press("w")
    elsewhere(laboratory, reviewer="Bob", time=(datetime.now(UTC) + timedelta(minutes=5)).isoformat())
    laboratory.show()
    go_to(browser, "Well")
    assert signed_text(browser) == "✓ Signed by Bob (given back to the run)"
    assert browser.ask("document.querySelector('.current .withdraw').hidden") is True
    browser.press("w")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert (review.signed, review.reviewers) == (True, ("Bob",))


def test_a_stored_signature_that_ended_ends_here_too_without_its_types(
    laboratory: Laboratory,
) -> None:
    """The run knows the types of a signature from the day on which it was given; an earlier page did not."""
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    browser.ask(WITHOUT_TYPES)
    other_calls(laboratory)
    laboratory.show()
    assert mark(browser, "Well") == ""
    assert text_of(browser, "#left") == "2 of 2 slides left to review"


def without_cells(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Show a night's page that has a slide as a line of the worklist alone."""

    def others(slides: Sequence[SlideResult], *_: object) -> list[int]:
        return [place for place, slide in enumerate(slides) if slide.name != name]

    with monkeypatch.context() as patch:
        patch.setattr(page, "shown_with_cells", others)
        laboratory.show()


def test_a_signed_slide_counts_as_signed_when_its_cells_have_left_the_page(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "3")
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    without_cells(laboratory, monkeypatch, "Well")
    assert text_of(browser, "#left") == "1 of 1 slide left to review"
    browser.ask("document.querySelector('#left-only').click()")
    assert rows(browser) == ["Sick"]
    laboratory.show()
    move(browser, "Well", "neutrophil1.jpg", "3")  # not handed on
    assert mark(browser, "Well") == "signature withdrawn, not yet signed, 1 cell changed or confirmed"
    without_cells(laboratory, monkeypatch, "Well")
    assert text_of(browser, "#left").endswith("1 more not signed, without cells in this page")
    assert mark(browser, "Well") == "signature withdrawn, not yet signed, 1 cell changed or confirmed"
    assert browser.complaints == []
