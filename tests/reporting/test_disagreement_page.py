"""The cells whose call and label differ, at the desk in a real browser: looked at, decided, and given back."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from test_desk import DOT, FORMULA, NAME, downloaded, reload, text_of

from slidescreen import cells
from slidescreen.data.correction_table import merged, read_corrections
from slidescreen.evaluation import Evaluation, Predictions, evaluate
from slidescreen.evaluation.label_review import disagreements, reviewed_types
from slidescreen.reporting.disagreement_page import DISAGREEMENTS, CellOrigin, render_disagreements

TYPES = cells.CELL_TYPES
MONOCYTE, LYMPHOCYTE, BLAST = (TYPES.index(name) for name in ("monocyte", "lymphocyte", "myeloblast"))


def predicted(*rows: tuple[str, str, int, int, float], folder: Path = Path("/nowhere")) -> Predictions:
    """Cells by slide, image, label, call (-1: none) and the call's probability."""
    probabilities = np.full((len(rows), len(TYPES)), 0.0)
    for place, (_, _, truth, called, certain) in enumerate(rows):
        probabilities[place] = (1 - certain) / (len(TYPES) - 1)
        probabilities[place, called if called >= 0 else truth] = certain
    slides, images, truth, called, _ = zip(*rows, strict=True)
    pictures = tuple(folder / image for image in images)
    unknown = ("",) * len(rows)
    return Predictions(
        "ensemble", TYPES, np.array(truth), np.array(called), probabilities, slides, unknown, images, pictures=pictures
    )


CELLS = (
    ("S", "right.jpg", MONOCYTE, MONOCYTE, 0.99),
    ("S", "sure.jpg", MONOCYTE, BLAST, 0.97),
    ("", NAME, LYMPHOCYTE, MONOCYTE, 0.6),
    (FORMULA, "surer.jpg", LYMPHOCYTE, BLAST, 0.98),
    ("S", "abstained.jpg", LYMPHOCYTE, -1, 0.3),
)


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Browser:
    write_page(evaluate([predicted(*CELLS)]), tmp_path, DOT)
    (tmp_path / DISAGREEMENTS).rename(tmp_path / "page.html")
    browser.complaints.clear()
    browser.requests.clear()
    reload(browser, tmp_path)
    return browser


def write_page(evaluation: Evaluation, folder: Path, picture: str | None) -> None:
    """Write the page with this picture for every cell."""
    text = render_disagreements(evaluation, origin(folder), lambda _: picture)
    (folder / DISAGREEMENTS).write_text(text, encoding="utf-8")


def origin(folder: Path) -> CellOrigin:
    return CellOrigin("label", "run-1", f"cells {folder}")


def wait_until(browser: Browser, condition: str) -> None:
    for _ in range(100):
        if browser.ask(condition):
            return
        time.sleep(0.02)
    pytest.fail(condition)


def images(browser: Browser) -> list[str]:
    return list(browser.ask("[...document.querySelectorAll('.gallery li')].map(li => li.dataset.image)"))


def test_the_most_certain_disagreements_come_first() -> None:
    assert disagreements(predicted(*CELLS)) == [3, 1, 2]


def test_disagreements_are_decided_by_keyboard_and_come_out_as_corrections(page: Browser, tmp_path: Path) -> None:
    assert images(page) == [f"{FORMULA}/surer.jpg", "S/sure.jpg", NAME]
    assert text_of(page, "#left") == "3 of 3 cells left to look at"
    assert text_of(page, ".gallery li em") == "≠ label: Lymphocyte"
    page.press("c", "l", "0")
    assert text_of(page, "#left") == "You have looked at all cells"
    said = page.ask("[...document.querySelectorAll('.gallery .by-hand')].map(e => e.textContent)")
    assert said == ["✓ confirmed", "✓ now Monocyte", "✓ now Promyelocyte"]
    assert images(page)[1] == "S/sure.jpg"  # each stays in its place
    page.press("u")
    assert text_of(page, "#left") == "1 of 3 cells left to look at"
    page.press("5")
    page.ask("document.querySelector('#download').click()")
    assert text_of(page, "#kept").startswith("Please give your name first")
    page.ask("reviewer.value = 'Dr. A'; reviewer.dispatchEvent(new Event('input'))")
    reload(page, tmp_path)
    assert text_of(page, "#left") == "You have looked at all cells"
    rows = downloaded(page, tmp_path)
    assert [(row["cell_type"], row["previous_type"], row["run"]) for row in rows] == [
        ("myeloblast", "myeloblast", "run-1"),
        ("monocyte", "myeloblast", "run-1"),
        ("monocyte", "monocyte", "run-1"),
    ]
    corrections = merged([], read_corrections(tmp_path / "corrections.csv", of_slides=False))
    assert reviewed_types(predicted(*CELLS), corrections) == {3: "myeloblast", 1: "monocyte", 2: "monocyte"}
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    assert page.complaints == []


def test_a_cell_is_shown_larger_with_its_label(page: Browser) -> None:
    page.press("End", "Enter")
    assert text_of(page, "#viewer-title") == f"Monocyte · {NAME}"
    assert "Label: Lymphocyte ≠" in text_of(page, "#viewer .facts")
    page.press("l", "Escape")
    assert text_of(page, "#left") == "2 of 3 cells left to look at"
    wait_until(page, "document.activeElement.matches('.gallery li')")
    page.press(" ")
    assert page.ask("document.querySelector('#types .labelled').hidden") is False
    page.press("Escape", "w", "j", "k", "s", "/")
    assert images(page) == [f"{FORMULA}/surer.jpg", "S/sure.jpg", NAME]
    assert page.ask("document.querySelectorAll('main b, header b').length") == 0
    assert page.complaints == []


def test_an_earlier_review_is_where_the_next_begins(browser: Browser, tmp_path: Path) -> None:
    evaluation = evaluate([predicted(*CELLS)], reviewed={1: "monocyte"})
    write_page(evaluation, tmp_path, DOT)
    (tmp_path / DISAGREEMENTS).rename(tmp_path / "page.html")
    reload(browser, tmp_path)
    assert text_of(browser, "#left") == "2 of 3 cells left to look at"
    assert text_of(browser, ".gallery .by-hand") == "✓ now Monocyte"


def test_a_decision_is_of_the_picture_that_was_seen(browser: Browser, tmp_path: Path) -> None:
    found = predicted(("S", "a.jpg", MONOCYTE, BLAST, 0.9), ("S", "b.jpg", MONOCYTE, BLAST, 0.8), folder=tmp_path)

    def look() -> None:
        write_page(evaluate([found]), tmp_path, DOT)
        (tmp_path / DISAGREEMENTS).replace(tmp_path / "page.html")
        reload(browser, tmp_path)

    (tmp_path / "a.jpg").write_bytes(b"first")
    (tmp_path / "b.jpg").write_bytes(b"second")
    look()
    browser.press("c", "l")
    assert text_of(browser, "#left") == "You have looked at all cells"
    (tmp_path / "b.jpg").write_bytes(b"another picture")
    look()
    assert text_of(browser, "#left") == "1 of 2 cells left to look at"
    browser.ask("reviewer.value = 'Ada'; reviewer.dispatchEvent(new Event('input'))")
    (row,) = downloaded(browser, tmp_path)
    assert (row["image"], row["content"]) == ("a.jpg", "sha256:" + hashlib.sha256(b"first").hexdigest()[:12])


def test_a_later_page_of_other_cells_also_hands_on_what_was_said_before(browser: Browser, tmp_path: Path) -> None:
    def look(*cells: tuple[str, str, int, int, float]) -> None:
        write_page(evaluate([predicted(*cells)]), tmp_path, DOT)
        (tmp_path / DISAGREEMENTS).replace(tmp_path / "page.html")
        reload(browser, tmp_path)

    one, other = (("S", image, MONOCYTE, BLAST, 0.9) for image in ("a.jpg", "b.jpg"))
    look(one)
    browser.press("c")
    browser.ask("reviewer.value = 'Ada'; reviewer.dispatchEvent(new Event('input'))")
    look(other)
    before = "the download also has 1 cell of an earlier choice"
    assert text_of(browser, "#left") == f"1 of 1 cell left to look at; {before}"
    browser.press("l")
    assert sorted(row["image"] for row in downloaded(browser, tmp_path)) == ["a.jpg", "b.jpg"]
    look(one)
    assert text_of(browser, "#left") == f"You have looked at all cells; {before}"


def test_cells_of_one_name_are_told_apart(browser: Browser, tmp_path: Path) -> None:
    alike = [("a", "b/c.jpg", MONOCYTE, BLAST, 0.9), ("a/b", "c.jpg", MONOCYTE, BLAST, 0.8)]
    write_page(evaluate([predicted(*alike)]), tmp_path, DOT)
    (tmp_path / DISAGREEMENTS).rename(tmp_path / "page.html")
    reload(browser, tmp_path)
    assert images(browser) == ["a/b/c.jpg", "a/b/c.jpg (2)"]
    browser.press("c", "l")
    browser.ask("reviewer.value = 'Ada'; reviewer.dispatchEvent(new Event('input'))")
    rows = downloaded(browser, tmp_path)
    assert [(row["slide"], row["image"], row["cell_type"]) for row in rows] == [
        ("a", "b/c.jpg", "myeloblast"),
        ("a/b", "c.jpg", "monocyte"),
    ]


def test_without_scripts_the_pictures_are_there(tmp_path: Path) -> None:
    write_page(evaluate([predicted(*CELLS)]), tmp_path, DOT)
    text = (tmp_path / DISAGREEMENTS).read_text(encoding="utf-8")
    assert text.count('<img class="cell"') == 3
    assert text.count(DOT) == 3  # each once
    assert "Call and label differ on 3 of 5 cells." in text
    assert json.dumps(FORMULA)[1:-1] in text


def test_without_a_picture_there_is_no_page() -> None:
    assert render_disagreements(evaluate([predicted(*CELLS)]), origin(Path("/run")), lambda _: None) == ""


def test_where_all_agree_the_page_says_so_if_there_are_images(tmp_path: Path) -> None:
    evaluation = evaluate([predicted(CELLS[0], folder=tmp_path)])
    assert render_disagreements(evaluation, origin(tmp_path)) == ""
    evaluation.predictions.pictures[0].write_bytes(b"an image")
    assert "Call and label differ on 0 of 1 cell." in render_disagreements(evaluation, origin(tmp_path))
