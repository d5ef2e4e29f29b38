"""What a later night exports of slides that were exported before, with their images or without."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, write_cells
from drawn_slides import LEUKAEMIC, run_of, slide_of
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.exchange.codes import TALLIES
from slidescreen.exchange.formats import ExportedFile, Exporter
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.exchange.orders import Order
from slidescreen.runs.export_memory import ExportMemory, read_memory
from slidescreen.screening.differential import NAMES
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult
from slidescreen.screening.slide_review import CellReview, SlideReview, reviewed_shares

HERE = slide_of("S1", NORMAL)
OTHER_FIGURES = slide_of("S1", LEUKAEMIC)


def flagged(slide: SlideResult, flag: Flag) -> SlideResult:
    return replace(slide, finding=replace(slide.finding, flags=(*slide.finding.flags, flag)))


def gone(slide: SlideResult) -> SlideResult:
    return flagged(slide, Flag.VANISHED)


def signed(slide: SlideResult) -> SlideResult:
    return replace(slide, review=SlideReview({}, (), ("A",), "", True, (), reviewed_shares(slide.calls, {})))


def reviewed_as(slide: SlideResult, cell_type: str) -> SlideResult:
    """The slide, signed by the same person at the same time, with one cell of another type."""
    cell = {slide.calls[0].image: CellReview(cell_type, "A")}
    review = SlideReview(cell, (), ("A",), "", True, (), reviewed_shares(slide.calls, cell))
    return replace(slide, review=review)


def file_of(slide: SlideResult, orders: Path | None = None, memory: ExportMemory | None = None) -> ExportedFile:
    earlier = memory.slides if memory else {}
    (file,) = Exporter(ExportOptions((ExportFormat.HL7,), orders=orders)).files(run_of(slide), earlier)
    assert isinstance(file, ExportedFile)
    return file


def after(file: ExportedFile) -> ExportMemory:
    memory = ExportMemory()
    memory.add(file)
    return memory


@pytest.mark.parametrize(
    ("slide", "is_sent"),
    [
        (HERE, False),
        (gone(HERE), False),
        (flagged(HERE, Flag.CHANGING), False),
        (OTHER_FIGURES, True),
        (gone(OTHER_FIGURES), False),
        (signed(HERE), True),
        (signed(gone(HERE)), True),
        (signed(gone(OTHER_FIGURES)), True),
        (flagged(HERE, Flag.FEW_LEUKOCYTES), True),
        (flagged(gone(HERE), Flag.FEW_LEUKOCYTES), True),
    ],
)
def test_a_vanished_slide_is_sent_again_for_its_review_and_not_for_its_figures(
    slide: SlideResult, is_sent: bool
) -> None:
    assert after(file_of(HERE)).is_due(file_of(slide)) is is_sent


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "orders.csv").write_text("slide,patient\nS1,42\n")
    return tmp_path / "orders.csv"


@pytest.mark.parametrize("slide", [HERE, gone(HERE)])
def test_an_order_that_comes_later_is_sent_and_one_that_a_night_does_not_tell_is_not(
    slide: SlideResult, table: Path
) -> None:
    memory = after(file_of(HERE))
    assert memory.is_due(file_of(slide, table))
    memory.add(file_of(slide, table))
    assert not memory.is_due(file_of(slide, table, memory))
    assert not memory.is_due(file_of(slide, None, memory))  # a night without orders
    table.write_text("slide,patient\nS2,43\n")  # of another day
    assert not memory.is_due(file_of(slide, table, memory))
    table.write_text("slide,patient\nS1,43\n")
    assert memory.is_due(file_of(slide, table))


@pytest.mark.parametrize(
    ("cell_type", "is_sent"), [("myeloblast", True), ("metamyelocyte", True), ("lymphocyte", False)]
)
def test_other_reviewed_figures_under_the_same_signature_are_sent(cell_type: str, is_sent: bool) -> None:
    """A message tells blasts and immature granulocytes by the reviewed types. The first cell is a neutrophil."""
    memory, changed = after(file_of(signed(HERE))), file_of(reviewed_as(HERE, cell_type))
    assert memory.is_due(changed) is is_sent
    assert (memory.files[changed.name] == changed.outcome) is not is_sent
    assert (file_of(signed(HERE)).content() == changed.content()) is not is_sent


def test_a_signature_that_ends_is_sent_with_the_reason_and_as_no_signature() -> None:
    memory = after(file_of(signed(HERE)))
    assert b"Reviewed and signed in the page by A" in file_of(signed(HERE)).content()
    void = SlideReview({}, (), (), "", False, (), reviewed_shares(HERE.calls, {}), retyped=("A",))
    file = file_of(replace(HERE, review=void))
    assert memory.is_due(file)
    text = file.content()
    assert b"signed in the page" not in text
    assert b"A signed other cell types than there are now" in text
    assert b"this signature does not count" in text
    memory.add(file)
    assert not memory.is_due(file)
    assert memory.is_due(file_of(signed(HERE)))


def of_an_earlier_release(slide: SlideResult) -> ExportMemory:
    """What earlier releases stored of a reviewed slide: who signed and when, without the reviewed figures."""
    review = slide.review
    assert review is not None
    later = hashlib.sha256(repr([[slide.name], [()], [(review.signed, review.by, review.time)]]).encode()).hexdigest()
    memory = after(file_of(slide))
    memory.files = {name: replace(each, later=later) for name, each in memory.files.items()}
    return memory


def test_the_review_in_a_list_of_an_earlier_release_counts() -> None:
    memory, file = of_an_earlier_release(signed(HERE)), file_of(signed(HERE))
    assert not memory.is_due(file)
    assert memory.is_due(file_of(replace(HERE, review=replace(signed(HERE).review, time="2026-11-27"))))
    memory.renew([file])
    assert memory.is_due(file_of(reviewed_as(HERE, "myeloblast")))


def test_what_was_sent_is_read_back(tmp_path: Path) -> None:
    memory = after(file_of(HERE))
    memory.write(tmp_path)
    assert read_memory(tmp_path) == memory
    assert not read_memory(tmp_path).is_due(file_of(HERE))


def by_an_earlier_release(slide: SlideResult) -> str:
    """The digest that earlier releases stored, of all that is sent."""
    found, numbers = slide.differential, []
    for name in NAMES:
        numbers += [*vars(found.shares[name]).values()]
    numbers += [found.per_100[name] for name in cells.OTHER_OBJECTS]
    numbers += [getattr(found, name) for name in ("leukocytes", *TALLIES)]
    figures = tuple("" if each is None else f"{each:.3f}" for each in numbers)
    told: Any = [Order(slide.name), (slide.name, str(slide.finding.verdict), tuple(slide.finding.flags), figures)]
    told[1] = (*told[1][:2], tuple(map(str, told[1][2])), *told[1][3:])
    return hashlib.sha256(repr(told).encode()).hexdigest()


@pytest.mark.parametrize(
    ("slide", "is_sent"),
    [(HERE, False), (OTHER_FIGURES, True), (signed(HERE), True), (gone(HERE), False), (signed(gone(HERE)), False)],
)
def test_the_list_of_an_earlier_release_counts(slide: SlideResult, is_sent: bool, tmp_path: Path) -> None:
    (tmp_path / ".exported.json").write_text(json.dumps({"S1.hl7": by_an_earlier_release(HERE)}))
    memory = read_memory(tmp_path)
    assert memory.is_due(file_of(slide)) is is_sent
    memory.renew([file_of(HERE)])  # a night in which nothing has changed
    assert memory.is_due(file_of(signed(gone(HERE))))


def test_a_late_order_and_a_late_review_of_a_slide_without_images_are_exported(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("S1", "S2")):
        write_cells(Path("in") / name, 3, first_seed=10 * seed)
    exported = Path("run/export/S1.hl7")

    def night(orders: str) -> str:
        exported.unlink(missing_ok=True)
        Path("orders.csv").write_text(f"slide,patient\n{orders}\n")
        arguments = ("classify", "in", "--out", "run", "--export", "hl7", "--orders", "orders.csv", "-q")
        assert command(*arguments).code == 0
        return exported.read_text() if exported.exists() else ""

    assert "PID|" not in night("S2,7")
    shutil.rmtree("in/S1")
    assert night("S2,7") == ""
    assert "PID|1||42|" in night("S1,42")
    assert night("S1,42") == ""
    Path("c.csv").write_text("slide,image,cell_type,reviewer\nS1,,,Zoe\n")
    assert command("report", "run", "--corrections", "c.csv").code == 0
    assert "Reviewed and signed in the page by Zoe" in night("S1,42")
    assert night("S1,42") == ""
    Path("c.csv").write_text("slide,image,cell_type,reviewer,content\nS1,,,Zoe,withdrawn\n")
    assert command("report", "run", "--corrections", "c.csv").code == 0
    sent = night("S1,42")
    assert "PID|1||42|" in sent
    assert "Zoe" not in sent
