"""What a batch has finished is kept, and only that."""

import hashlib
import json
from pathlib import Path

import pytest
from conftest import write_cells

from slidescreen.calls import Call, Status
from slidescreen.engine.interface import Choice
from slidescreen.ensemble_files import load
from slidescreen.ledger import Ledger
from slidescreen.runs import SlideResult, judge
from slidescreen.slides import Slide, discover
from slidescreen.thresholds import default_thresholds


def calls_of(slide: Slide) -> tuple[Call, ...]:
    """One image classified, one unreadable, as they are now."""
    digests = [hashlib.sha256(image.path.read_bytes()).hexdigest() for image in slide.images]
    return (
        Call("cell_000.jpg", Status.CLASSIFIED, "monocyte", 0.75, "", (0.25,) * 16, digest=digests[0]),
        Call("cell_001.jpg", Status.UNREADABLE, reason="r", digest=digests[1]),
    )


@pytest.fixture
def slide(tmp_path: Path) -> Slide:
    write_cells(tmp_path / "in" / "S1", 2)
    return discover(tmp_path / "in")[0]


def ledger(tmp_path: Path, ensemble_folder: Path, precision: str = "fp32") -> Ledger:
    return Ledger(tmp_path / "out", load(ensemble_folder), Choice("openvino", "cpu", precision), default_thresholds())


def keep(book: Ledger, slide: Slide, ensemble_folder: Path) -> SlideResult:
    return book.keep(slide, judge(slide, calls_of(slide), load(ensemble_folder), default_thresholds()))


def test_a_finished_slide_is_recalled(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    assert ledger(tmp_path, ensemble_folder).recall(slide) is None
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    recalled = ledger(tmp_path, ensemble_folder).recall(slide)
    assert recalled is not None
    assert tuple(recalled.calls) == calls_of(slide)


def test_a_changed_slide_is_new(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    write_cells(tmp_path / "in" / "S1", 2, first_seed=50)
    assert ledger(tmp_path, ensemble_folder).recall(discover(tmp_path / "in")[0]) is None


def test_a_slide_with_one_more_image_is_new(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    write_cells(tmp_path / "in" / "S1", 3)
    assert ledger(tmp_path, ensemble_folder).recall(discover(tmp_path / "in")[0]) is None


def test_another_precision_or_ensemble_classifies_anew(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    assert ledger(tmp_path, ensemble_folder, "bf16").recall(slide) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": 1}'])
def test_a_damaged_record_is_no_record(slide: Slide, tmp_path: Path, ensemble_folder: Path, text: str) -> None:
    book = ledger(tmp_path, ensemble_folder)
    keep(book, slide, ensemble_folder)
    (record,) = (tmp_path / "out" / ".finished").iterdir()
    json.loads(record.read_text())
    record.write_text(text)
    assert book.recall(slide) is None
