"""What a reviewer hands on and then takes back: the run ends up with what the page showed."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from browser import Browser
from test_desk import SICK, downloaded, go_to, show, text_of
from test_desk_over_nights import give_name, mark, move, pictured, sign
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.data.correction_table import Correction, merged
from slidescreen.runs.corrected_images import checked_corrections
from slidescreen.runs.reviewed_slides import reviewed_run
from slidescreen.screening.results import Run
from slidescreen.screening.slide_review import SlideReview

IMAGE = "neutrophil0.jpg"


@dataclass
class Laboratory:
    """A run of two slides, its page in a browser, and the reviews that are stored with the run."""

    browser: Browser
    folder: Path
    run: Run
    stored: list[Correction] = field(default_factory=list)

    def show(self) -> None:
        """Open the run's page as it is now."""
        show(self.browser, self.folder, reviewed_run(self.run, self.stored))

    def hand_on(self) -> None:
        """Download the corrections and give them to the run."""
        (self.folder / "corrections.csv").unlink(missing_ok=True)
        downloaded(self.browser, self.folder)
        given = checked_corrections(self.run, [self.folder / "corrections.csv"], pytest.fail, self.stored)
        self.stored = merged(self.stored, given)

    def review(self) -> SlideReview | None:
        """The stored review of the first slide."""
        return reviewed_run(self.run, self.stored).slides[0].review

    def nothing_counts(self) -> bool:
        review = self.review()
        return review is None or not review.counts

    def stored_type(self) -> str:
        review = self.review()
        return review.cells[IMAGE].cell_type if review and IMAGE in review.cells else ""

    def shown_type(self) -> str:
        """The gallery that holds the cell in the page."""
        tile = f"document.querySelector('.current .gallery li[data-image=\"{IMAGE}\"]')"
        return str(self.browser.ask(f"{tile}.parentElement.dataset.type"))

    def undo(self) -> None:
        go_to(self.browser, "Well")
        self.browser.press("u")


@pytest.fixture
def laboratory(browser: Browser, tmp_path: Path) -> Laboratory:
    slides = pictured("Well", NORMAL), pictured("Sick", SICK)
    found = Laboratory(browser, tmp_path, Run(slides, cells.CELL_TYPES, {"run": str(tmp_path)}))
    found.show()
    give_name(browser, "Ada")
    return found


@pytest.mark.parametrize("renewed", [False, True])
def test_undoing_what_was_handed_on_comes_back_to_the_run(laboratory: Laboratory, renewed: bool) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "8")
    laboratory.hand_on()
    assert laboratory.stored_type() == "myeloblast"
    if renewed:
        laboratory.show()
    laboratory.undo()
    assert laboratory.shown_type() == "neutrophil"
    browser.press("w")
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    assert laboratory.stored_type() == "neutrophil"
    review = laboratory.review()
    assert review is not None
    assert (review.signed, review.changed, review.shares["blasts"].count) == (True, (), 0)
    assert browser.complaints == []


def test_undoing_goes_back_step_by_step_and_the_run_follows(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    for key in ("8", "5", "3"):
        move(browser, "Well", IMAGE, key)
    laboratory.hand_on()
    for before in ("monocyte", "myeloblast"):
        laboratory.undo()
        assert laboratory.shown_type() == before
        browser.press("w")
        laboratory.hand_on()
        assert laboratory.stored_type() == before
    laboratory.undo()
    assert laboratory.shown_type() == "neutrophil"
    assert browser.ask("document.querySelector('.current .undo').disabled") is True
    browser.press("w")
    laboratory.hand_on()
    assert laboratory.stored_type() == "neutrophil"


def test_undoing_what_was_not_handed_on_leaves_nothing(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "8")
    laboratory.hand_on()
    (before,) = laboratory.stored
    move(browser, "Well", IMAGE, "5")
    laboratory.undo()
    browser.press("w")
    laboratory.hand_on()
    assert laboratory.stored == [before]
    assert browser.ask("document.querySelectorAll('.is-reviewed').length") == 0


def test_only_what_was_changed_is_undone(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "5")
    go_to(browser, "Well")
    browser.ask("document.querySelectorAll('.current .gallery[data-type=monocyte] li').forEach(li => li.click())")
    browser.press("5", "u")
    assert text_of(browser, ".current .changes") == f"Undone: {NORMAL['monocyte']} cells."  # one had been said


def test_what_the_page_shows_against_the_run_is_said_anew_with_a_signature(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "8")
    laboratory.hand_on()
    (first,) = laboratory.stored
    elsewhere = replace(first, cell_type="monocyte", time=datetime.now(UTC).isoformat())
    laboratory.stored = merged(laboratory.stored, [elsewhere])
    laboratory.show()
    go_to(browser, "Well")
    assert laboratory.shown_type() == "myeloblast"
    browser.press("w")
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    assert laboratory.stored_type() == "myeloblast"
    review = laboratory.review()
    assert review is not None
    assert review.signed


def signed_text(browser: Browser) -> str:
    return text_of(browser, ".current .signed")


def comment(browser: Browser, text: str) -> None:
    box = "document.querySelector('.current .comment')"
    browser.ask(f"{box}.value = {text!r}; {box}.dispatchEvent(new Event('input'))")


@pytest.mark.parametrize("how", ["withdraw", "comment", "confirm"])
def test_a_signature_that_ends_in_the_page_ends_in_the_run(laboratory: Laboratory, how: str) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert review.signed
    laboratory.show()
    go_to(browser, "Well")
    assert browser.ask("document.querySelector('.is-reviewed')?.dataset.slide") == "Well"
    if how == "withdraw":
        withdraw(browser)
    elif how == "comment":
        comment(browser, "Wrong slide, do not use")
    else:
        browser.ask(f"document.querySelector('.current .gallery li[data-image=\"{IMAGE}\"]').focus()")
        browser.press("c")
    assert signed_text(browser).startswith("Not signed yet. Download the corrections")
    assert browser.ask("document.querySelector('.is-reviewed')") is None
    assert browser.ask("document.querySelector('.worklist [data-slide=Well] .given-back').hidden") is True
    assert "signature withdrawn" in mark(browser, "Well")
    browser.press("w")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is None or not review.signed
    laboratory.show()
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert review.signed
    assert browser.complaints == []


def test_a_change_that_is_undone_before_the_download_leaves_the_signature(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    (before,) = laboratory.stored
    move(browser, "Well", IMAGE, "8")
    assert mark(browser, "Well").startswith("not yet signed")
    laboratory.undo()
    assert signed_text(browser).startswith("✓ Signed by Ada")
    browser.press("w")
    laboratory.hand_on()
    assert laboratory.stored == [before]
    move(browser, "Well", IMAGE, "8")
    laboratory.hand_on()
    laboratory.undo()
    assert signed_text(browser).startswith("Not signed yet.")
    browser.press("w")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert (review.signed, review.changed) == (False, ())


def test_an_earlier_signature_does_not_stand_when_the_next_one_ends(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    laboratory.show()
    go_to(browser, "Well")
    for first in ("document.querySelector('.current .withdraw').click()", "0"):
        browser.ask(first)
        browser.ask("document.querySelector('.current .sign').click()")
        assert signed_text(browser).startswith("✓ Signed by Ada, ")
        comment(browser, f"Wrong slide {first[0]}")
        assert signed_text(browser).startswith("Not signed yet. Download the corrections")
    browser.press("w")
    laboratory.hand_on()
    assert laboratory.nothing_counts()


def test_of_two_signatures_only_the_withdrawn_one_ends(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    sign(browser, "Well", "Bob")
    laboratory.hand_on()
    go_to(browser, "Well")
    withdraw(browser)
    browser.press("w")
    sign(browser, "Well", "Cem")
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert review.reviewers == ("Cem",)


def test_a_confirmation_that_was_handed_on_is_withdrawn(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "c")
    laboratory.hand_on()
    assert laboratory.stored_type() == "neutrophil"
    laboratory.undo()
    assert browser.ask("document.querySelectorAll('.current .touched').length") == 0
    browser.press("w")
    assert mark(browser, "Well") == ""
    laboratory.hand_on()
    assert laboratory.nothing_counts()
    move(browser, "Well", IMAGE, "8")
    laboratory.undo()
    browser.press("w")
    laboratory.hand_on()
    assert laboratory.nothing_counts()


def withdraw(browser: Browser) -> None:
    """Press the button that withdraws the signature of the slide in view."""
    browser.ask("document.querySelector('.current .withdraw').click()")


def forget(browser: Browser) -> None:
    """As in a browser that never had this review."""
    browser.ask("localStorage.clear()")


def test_another_browser_says_who_signed_and_lets_that_person_withdraw(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    forget(browser)
    laboratory.show()
    go_to(browser, "Well")
    assert signed_text(browser) == "✓ Signed by Ada (given back to the run)"
    assert browser.ask("document.querySelector('.current .withdraw').hidden") is True
    browser.press("w")
    give_name(browser, "Ada")
    go_to(browser, "Well")
    withdraw(browser)
    assert signed_text(browser).startswith("Not signed yet. Download the corrections")
    browser.press("w")
    laboratory.hand_on()
    assert laboratory.nothing_counts()


def test_a_colleagues_signature_over_ones_own_changes_counts_until_more_is_changed(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "8")
    laboratory.hand_on()
    (mine,) = laboratory.stored
    bob = replace(mine, image="", cell_type="", previous_type="", reviewer="Bob", time=datetime.now(UTC).isoformat())
    content = str(browser.ask("document.querySelector('.worklist tr[data-slide=Well]').dataset.content"))
    laboratory.stored = merged(laboratory.stored, [replace(bob, content=content)])
    laboratory.show()
    assert text_of(browser, "#left") == "1 of 2 slides left to review"
    assert mark(browser, "Well") == ""
    go_to(browser, "Well")
    assert signed_text(browser) == "✓ Signed by Bob (given back to the run)"
    browser.press("w")
    move(browser, "Well", "neutrophil1.jpg", "8")
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    assert mark(browser, "Well") == "not yet signed, 1 cell changed or confirmed"


def test_a_signature_that_a_colleagues_change_ended_does_not_count_here(laboratory: Laboratory) -> None:
    browser = laboratory.browser
    move(browser, "Well", IMAGE, "8")
    sign(browser, "Well", "Ada")
    laboratory.hand_on()
    of_cell = next(each for each in laboratory.stored if each.image)
    picture = laboratory.run.slides[0].calls[1]
    bob = replace(
        of_cell, image=picture.image, content=picture.digest, reviewer="Bob", time=datetime.now(UTC).isoformat()
    )
    laboratory.stored = merged(laboratory.stored, [bob])
    laboratory.show()
    assert text_of(browser, "#left") == "2 of 2 slides left to review"
    assert mark(browser, "Well") == ""
    sign(browser, "Well", "Ada")
    assert text_of(browser, "#left") == "1 of 2 slides left to review"
    laboratory.hand_on()
    review = laboratory.review()
    assert review is not None
    assert review.signed
    assert mark(browser, "Well") == "✓ reviewed by Ada"
