"""What the browser keeps of a review holds for the pictures that were seen, whatever later nights show."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser
from test_desk import SICK, downloaded, go_to, rows, show, text_of
from test_page import slide
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.slides import Slide
from slidescreen.screening.results import Run, SlideResult, judge, renamed
from slidescreen.screening.thresholds import default_thresholds


def pictured(name: str, counts: dict[str, int], **others: str) -> SlideResult:
    """A slide whose pictures are known by their content: that of the image's name, or of the text that is given."""
    calls = tuple(
        replace(call, digest=hashlib.sha256(others.get(call.image[:-4], f"{name} {call.image}").encode()).hexdigest())
        for call in slide(name, counts).calls
    )
    return judge(Slide(name, Path("/nowhere"), ()), calls, ensemble(measured()), default_thresholds())


def night(browser: Browser, folder: Path, *slides: SlideResult) -> None:
    """Show the page of the same run after a night."""
    show(browser, folder, Run(slides, cells.CELL_TYPES, {"run": str(folder)}))


def sign(browser: Browser, name: str, reviewer: str) -> None:
    go_to(browser, name)
    browser.ask(f"document.querySelector('.current .signer').value = {json.dumps(reviewer)}")
    browser.ask("document.querySelector('.current .sign').click()")
    browser.press("w")


def move(browser: Browser, name: str, image: str, key: str) -> None:
    go_to(browser, name)
    browser.ask(f"document.querySelector('.current .gallery li[data-image={json.dumps(image)}]').focus()")
    browser.press(key, "w")


def mark(browser: Browser, name: str) -> str:
    """What the worklist says of a slide's review in this browser; empty if nothing."""
    row = f"document.querySelector('.worklist tr[data-slide={json.dumps(name)}] .reviewed')"
    return str(browser.ask(f"{row}.hidden ? '' : {row}.textContent"))


def corrections(browser: Browser, folder: Path) -> list[tuple[str, str, str, str]]:
    """Slide, image, reviewed type and reviewer of each row of a download."""
    (folder / "corrections.csv").unlink(missing_ok=True)
    found = downloaded(browser, folder)
    return [(row["slide"], row["image"], row["cell_type"], row["reviewer"]) for row in found]


def test_a_signature_does_not_pass_to_pictures_that_a_later_night_adds(browser: Browser, tmp_path: Path) -> None:
    sick = pictured("Sick", SICK)
    night(browser, tmp_path, pictured("Well", NORMAL), sick)
    sign(browser, "Well", "Dr. A")
    sign(browser, "Sick", "Dr. A")
    assert mark(browser, "Well") == mark(browser, "Sick") == "✓ reviewed by Dr. A"
    night(browser, tmp_path, pictured("Well", {**NORMAL, "myeloblast": 40}), sick)
    assert text_of(browser, "#left") == "1 of 2 slides left to review"
    assert (mark(browser, "Well"), mark(browser, "Sick")) == ("", "✓ reviewed by Dr. A")
    browser.ask("document.querySelector('#left-only').click()")
    assert rows(browser) == ["Well"]
    go_to(browser, "Well")
    assert text_of(browser, ".current .signed").startswith("Not signed yet.")
    assert corrections(browser, tmp_path) == [("Sick", "", "", "Dr. A")]
    sign(browser, "Well", "Dr. B")
    assert corrections(browser, tmp_path) == [("Well", "", "", "Dr. B"), ("Sick", "", "", "Dr. A")]
    assert browser.complaints == []


def test_a_verdict_stays_with_its_picture_and_not_with_its_name(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    for image in ("monocyte0.jpg", "monocyte1.jpg", "monocyte2.jpg"):
        move(browser, "Well", image, "8")
    assert mark(browser, "Well") == "not yet signed, 3 cells changed or confirmed"
    seen = "Well monocyte1.jpg"  # moves to another name
    night(browser, tmp_path, pictured("Well", NORMAL, monocyte0="another", monocyte1="a third", neutrophil3=seen))
    assert mark(browser, "Well") == "not yet signed, 2 cells changed or confirmed"
    browser.ask("reviewer.value = 'Dr. A'; reviewer.dispatchEvent(new Event('input'))")
    found = corrections(browser, tmp_path)
    assert sorted(image for _, image, _, _ in found) == ["monocyte2.jpg", "neutrophil3.jpg"]
    move(browser, "Well", "monocyte0.jpg", "5")
    assert len(corrections(browser, tmp_path)) == 3
    assert browser.complaints == []


def test_the_download_tells_pictures_apart_by_content(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    move(browser, "Well", "monocyte0.jpg", "8")
    sign(browser, "Well", "Dr. A")
    changed, signed = downloaded(browser, tmp_path)
    assert list(changed)[-2:] == ["content", "signed_types"]
    assert changed["content"] == "sha256:" + hashlib.sha256(b"Well monocyte0.jpg").hexdigest()[:12]
    told = sorted(
        hashlib.sha256(f"Well {kind}{n}.jpg".encode()).hexdigest() for kind, k in NORMAL.items() for n in range(k)
    )
    assert signed["content"] == "sha256:" + hashlib.sha256("\0".join(told).encode()).hexdigest()


def test_a_signature_that_an_earlier_release_kept_without_content_does_not_count(
    browser: Browser, tmp_path: Path
) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    verdict = {"type": "lymphocyte", "previous": "monocyte", "time": "2026-11-24T08:00:00.000Z", "place": None}
    signed = {"reviewer": "Dr. A", "time": "2026-11-24T08:15:00.000Z"}
    review = {"cells": {"monocyte0.jpg": verdict}, "signed": signed, "comment": "", "log": []}
    kept = json.dumps({"reviewer": "Dr. A", "slides": {"Well": review}})
    browser.ask(f"localStorage.setItem('slidescreen review {tmp_path}', {json.dumps(kept)})")
    night(browser, tmp_path, pictured("Well", NORMAL))
    assert mark(browser, "Well") == "not yet signed, 1 cell changed or confirmed"
    assert corrections(browser, tmp_path) == [("Well", "monocyte0.jpg", "lymphocyte", "Dr. A")]


def test_the_download_leaves_out_what_the_page_no_longer_holds(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL), pictured("Sick", SICK))
    move(browser, "Sick", "monocyte0.jpg", "8")
    sign(browser, "Sick", "Dr. A")
    move(browser, "Well", "monocyte0.jpg", "8")
    move(browser, "Well", "lymphocyte0.jpg", "8")
    assert len(corrections(browser, tmp_path)) == 4
    night(browser, tmp_path, pictured("Well", {**NORMAL, "monocyte": 0}))
    assert corrections(browser, tmp_path) == [("Well", "lymphocyte0.jpg", "myeloblast", "Dr. A")]
    night(browser, tmp_path, pictured("Well", NORMAL), pictured("Sick", SICK))  # they come back, and so does the review
    assert len(corrections(browser, tmp_path)) == 4
    assert browser.complaints == []


def give_name(browser: Browser, reviewer: str) -> None:
    browser.ask(f"reviewer.value = {json.dumps(reviewer)}; reviewer.dispatchEvent(new Event('input'))")


def test_each_change_has_the_name_of_who_made_it(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL), pictured("Sick", SICK))
    give_name(browser, "Dr. A")
    move(browser, "Sick", "monocyte0.jpg", "8")
    sign(browser, "Well", "Dr. B")
    expected = [("Sick", "monocyte0.jpg", "myeloblast", "Dr. A"), ("Well", "", "", "Dr. B")]
    assert corrections(browser, tmp_path) == expected
    sign(browser, "Sick", "Dr. B")
    assert corrections(browser, tmp_path) == [expected[0], ("Sick", "", "", "Dr. B"), expected[1]]


def test_a_change_without_a_name_does_not_get_that_of_who_signs_another_slide(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL), pictured("Sick", SICK))
    move(browser, "Sick", "monocyte0.jpg", "8")
    move(browser, "Well", "monocyte0.jpg", "8")
    sign(browser, "Well", "Dr. B")
    browser.ask("document.querySelector('#download').click()")
    assert text_of(browser, "#kept").startswith("Please give your name first")
    give_name(browser, "Dr. A")
    assert sorted(corrections(browser, tmp_path)) == [
        ("Sick", "monocyte0.jpg", "myeloblast", "Dr. A"),
        ("Well", "", "", "Dr. B"),
        ("Well", "monocyte0.jpg", "myeloblast", "Dr. B"),
    ]


def test_another_comment_takes_the_signature_back(browser: Browser, tmp_path: Path) -> None:
    night(browser, tmp_path, pictured("Well", NORMAL))
    sign(browser, "Well", "Dr. A")
    go_to(browser, "Well")
    box = "document.querySelector('.current .comment')"
    browser.ask(f"{box}.value = 'leukaemia excluded'; {box}.dispatchEvent(new Event('input'))")
    assert text_of(browser, ".current .signed").startswith("Not signed yet.")
    assert text_of(browser, "#left") == "1 of 1 slide left to review"
    browser.ask("document.querySelector('.current .sign').click()")
    (row,) = downloaded(browser, tmp_path)
    assert (row["image"], row["comment"]) == ("", "leukaemia excluded")


def test_slides_without_cells_in_the_page_are_not_said_to_be_reviewed(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slidescreen.reporting.shown_slides.MOST_SHOWN", 2)
    night(browser, tmp_path, *(renamed(pictured("S", {"monocyte": 3}), f"S{n}") for n in range(5)))
    assert text_of(browser, "#left") == "2 of 2 slides left to review; 3 more not signed, without cells in this page"
    for name in list(browser.ask("[...document.querySelectorAll('h2[id^=title-]')].map(h => h.textContent)")):
        sign(browser, str(name), "Dr. A")
    said = "All slides with cells in this page are reviewed; 3 more not signed, without cells in this page"
    assert text_of(browser, "#left") == said
