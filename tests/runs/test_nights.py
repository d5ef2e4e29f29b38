"""Night after night into one folder: what is done again, what is not, and what is never lost."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, Sabotage, write_cells

from slidescreen.data.slides import Slide, discover
from slidescreen.engine.configuration import configure
from slidescreen.engine.options import EngineOptions
from slidescreen.ensembles import storage
from slidescreen.files import run_files
from slidescreen.reporting.shown_slides import MOST_EARLIER
from slidescreen.runs.ledger import Ledger
from slidescreen.screening.results import SlideResult, judge
from slidescreen.screening.slide_record import FinishedSlide
from slidescreen.screening.thresholds import default_thresholds


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three slides, all of an hour ago, in the folder that commands run in."""
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    root = Path("night")
    for number in range(3):
        write_cells(root / f"S{number}", 4, first_seed=10 * number)
    age(root, 3600)
    return root


def age(root: Path, seconds: float) -> None:
    for path in root.rglob("*"):
        os.utime(path, (time.time() - seconds,) * 2)


def later(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on it is so many seconds later: when a file arrived only the system can say."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + seconds)


def refuse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the system lets nobody look into a folder."""
    scan, refused = os.scandir, folder.resolve()

    def refusing(path: Path) -> object:
        if Path(path).resolve() == refused:
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)


def record(out: str = "run") -> dict[str, object]:
    return dict(json.loads(Path(out, "run.json").read_text()))


def classified_anew(outcome_status: str = "run") -> int:
    return int(json.loads(Path(outcome_status, "status.json").read_text())["slides_done"])


def test_an_unchanged_night_costs_nothing(command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run").code == 0
    assert classified_anew() == 3
    assert record()["images_per_second"] > 0  # type: ignore[operator]
    before = Path("run/cells.csv").read_bytes()
    assert command("classify", night, "--out", "run").code == 0
    assert classified_anew() == 0
    assert record()["images_per_second"] is None
    assert Path("run/cells.csv").read_bytes() == before


def test_only_what_is_new_or_changed_is_classified(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    write_cells(night / "S3", 2, first_seed=90)
    write_cells(night / "S1", 4, first_seed=70)
    command("classify", night, "--out", "run")
    assert classified_anew() == 2


def test_what_is_new_comes_first_and_is_marked(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    assert record()["earlier_slides"] == []
    write_cells(night / "S8", 2, first_seed=90)
    write_cells(night / "S1", 4, first_seed=70)
    outcome = command("classify", night, "--out", "run", "--format", "json")
    assert record()["earlier_slides"] == ["S0", "S2"]
    worklist = [(slide["slide"], slide["new"]) for slide in json.loads(outcome.out)["worklist"]]
    assert {name for name, _ in worklist[:2]} == {"S1", "S8"}
    assert [new for _, new in worklist] == [True, True, False, False]
    assert Path("run/report.html").read_text().count(">new</em>") == 2
    shown = command("report", "run").out
    assert Path("run/report.html").read_text().count(">new</em>") == 2, shown
    again = command("classify", night, "--out", "run")
    assert record()["earlier_slides"] == ["S0", "S1", "S2", "S8"]
    assert " new " not in again.out


def test_what_an_interrupted_run_finished_is_still_new(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    write_cells(night / "S8", 2, first_seed=90)
    command("classify", night, "--out", "run")
    interrupted = {**record(), "complete": False, "earlier_slides": ["S0", "S1", "S2"]}
    Path("run/run.json").write_text(json.dumps(interrupted))
    command("classify", night, "--out", "run")
    assert record()["earlier_slides"] == ["S0", "S1", "S2"]


def test_an_image_is_the_same_while_its_content_is(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    age(night, 60)  # copied anew, say: other times, the same content
    command("classify", night, "--out", "run")
    assert classified_anew() == 0


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_an_image_that_is_replaced_while_its_slide_is_classified_is_classified_the_next_night(
    options: list[str], command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replacing(slide: Slide, *rest: Any) -> SlideResult:
        if slide.name == "S1":
            write_cells(night / "S1", 1, first_seed=70)
        return judge(slide, *rest)

    if options:
        command("classify", night, "--out", "run")
    with monkeypatch.context() as patch:
        patch.setattr("slidescreen.runs.night.judge", replacing)
        command("classify", night, "--out", "run", *options)
    assert command("classify", night, "--out", "run").code == 0
    assert classified_anew() == 1
    command("classify", night, "--out", "run")
    assert classified_anew() == 0


def test_force_does_all_again(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    command("classify", night, "--out", "run", "--force")
    assert classified_anew() == 3


def test_an_image_that_could_not_be_read_is_tried_again(command: Command, night: Path) -> None:
    broken = night / "S1" / "z.jpg"
    broken.touch()
    assert command("classify", night, "--out", "run").code == 3
    shutil.copy(night / "S0" / "cell_000.jpg", broken)
    assert command("classify", night, "--out", "run").code == 0
    assert classified_anew() == 1


def test_a_vanished_slide_is_marked_and_not_forgotten(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    cells = Path("run/cells.csv").read_bytes()
    shutil.rmtree(night / "S1")
    outcome = command("classify", night, "--out", "run", "--format", "json")
    assert record()["vanished_slides"] == ["S1"]
    assert Path("run/cells.csv").read_bytes() == cells
    flags = {slide["slide"]: slide["flags"] for slide in json.loads(outcome.out)["worklist"]}
    assert {name for name, found in flags.items() if "vanished" in found} == {"S1"}


@pytest.mark.parametrize("left", ["nothing", "a note", "an empty subfolder"])
def test_an_emptied_slide_is_a_vanished_one(left: str, command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    cells = Path("run/cells.csv").read_bytes()
    for image in (night / "S1").iterdir():
        image.unlink()
    if left == "a note":
        (night / "S1" / "moved.txt").write_text("to the archive")
    elif left == "an empty subfolder":
        (night / "S1" / "images").mkdir()
    for options in ([], ["--force"]):
        assert command("classify", night, "--out", "run", *options).code == 0
        assert record()["vanished_slides"] == ["S1"]
        assert Path("run/cells.csv").read_bytes() == cells
        assert "the folder no longer holds images: the result is from an earlier run" in (
            Path("run/differential.csv").read_text()
        )


def test_a_slide_that_can_no_longer_be_read_is_a_vanished_one_and_said_to_be_unreadable(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("classify", night, "--out", "run")
    cells = Path("run/cells.csv").read_bytes()
    refuse(night / "S1", monkeypatch)
    assert command("classify", night, "--out", "run").code == 3
    assert record()["vanished_slides"] == ["S1"]
    (failure,) = record()["failures"]  # type: ignore[misc]
    assert failure == {"slide": "S1", "image": ".", "reason": "the folder cannot be read: Permission denied"}
    assert Path("run/cells.csv").read_bytes() == cells


@pytest.mark.parametrize("gone", ["removed", "unreadable"])
def test_slides_whose_parents_have_gone_have_vanished_too(
    gone: str, command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        write_cells(night / "2026-11-23" / f"T{number}", 2, first_seed=80 + 10 * number)
    command("classify", night, "--out", "run")
    if gone == "removed":
        shutil.rmtree(night / "2026-11-23")
    else:
        refuse(night / "2026-11-23", monkeypatch)
    command("classify", night, "--out", "run")
    assert record()["vanished_slides"] == ["2026-11-23/T0", "2026-11-23/T1"]


def test_a_slide_of_which_some_images_have_gone_is_not_judged_by_the_rest(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    cells = Path("run/cells.csv").read_bytes()
    (night / "S1" / "cell_000.jpg").unlink()
    command("classify", night, "--out", "run")
    assert record()["vanished_slides"] == ["S1"]
    assert "1 of the slide's 4 images are no longer there" in Path("run/differential.csv").read_text()
    assert Path("run/cells.csv").read_bytes() == cells
    command("classify", night, "--out", "run", "--force")
    assert record()["vanished_slides"] == []
    assert len(Path("run/cells.csv").read_text().splitlines()) == 12


def test_earlier_slides_cost_a_night_their_heads_alone(
    command: Command, night: Path, ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 150 earlier slides half are still there; the next night has one new slide."""
    command("classify", night, "--out", "run")
    ensemble, (model, *_) = storage.load(ensemble_folder), discover(night)
    book = Ledger(Path("run"), ensemble, configure(EngineOptions(), ensemble.validation), default_thresholds())
    found = book.recall(model)
    assert found is not None
    for number in range(150):
        folder = night.resolve() / f"T{number:03d}"
        images = tuple(replace(image, path=folder / image.name) for image in model.images)
        if number % 2:
            folder.mkdir()
            for image, sample in zip(images, model.images, strict=True):
                os.link(sample.path, image.path)
        named = replace(found, differential=replace(found.differential, slide=folder.name))
        slide = Slide(folder.name, folder, images, folder.name)
        book.recall(slide)
        book.keep(slide, named)
    command("classify", night, "--out", "run")  # which shows them as new
    write_cells(night / "S9", 2, first_seed=900)
    read, judged = [], []
    body = FinishedSlide.body
    monkeypatch.setattr(FinishedSlide, "body", lambda each: read.append(each.slide) or body(each))
    monkeypatch.setattr(
        "slidescreen.runs.night.judge", lambda slide, *rest: judged.append(slide.name) or judge(slide, *rest)
    )
    monkeypatch.setattr("slidescreen.runs.ledger.judge", lambda *_: pytest.fail("an earlier slide was judged anew"))
    assert command("classify", night, "--out", "run").code == 0
    assert judged == ["S9"]
    assert len(read) < MOST_EARLIER
    assert len(set(record()["earlier_slides"])) == 153  # type: ignore[arg-type]
    assert len(Path("run/cells.csv").read_text().splitlines()) == 1 + 153 * 4 + 2
    assert len(record()["vanished_slides"]) == 75  # type: ignore[arg-type]


def test_the_page_of_a_vanished_slide_keeps_its_pictures(command: Command, night: Path) -> None:
    """Of the networks' random calls some slide has suspicious ones."""

    def pictures() -> int:
        return Path("run/report.html").read_text().count('src="data:image/webp')

    command("classify", night, "--out", "run")
    before = pictures()
    assert before > 0
    for number in range(3):
        shutil.rmtree(night / f"S{number}")
    write_cells(night / "S9", 1, first_seed=900)
    command("classify", night, "--out", "run")
    assert pictures() >= before
    command("report", "run")
    assert pictures() >= before


def test_a_slide_that_comes_back_is_as_it_was(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    before = Path("run/differential.csv").read_bytes()
    (night / "S1").rename("elsewhere")
    command("classify", night, "--out", "run")
    Path("elsewhere").rename(night / "S1")
    command("classify", night, "--out", "run")
    assert classified_anew() == 0
    assert Path("run/differential.csv").read_bytes() == before


def test_a_slide_that_is_now_seen_as_part_of_another_is_not_called_vanished(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run")
    command("classify", night, "--out", "run", "--slide-depth", "0")
    assert record()["vanished_slides"] == []
    assert record()["counts"]["slides"] == 1  # type: ignore[index]


def test_a_slide_that_lost_only_copies_has_lost_nothing(command: Command, night: Path) -> None:
    write_cells(night / "T" / "Lymphocyte", 2, first_seed=40)
    write_cells(night / "T" / "Monocyte", 1, first_seed=50)
    for each in list((night / "T").rglob("*.jpg")):
        (night / "T" / "All cells").mkdir(exist_ok=True)
        shutil.copy(each, night / "T" / "All cells" / f"{each.parent.name} {each.name}")
    command("classify", night, "--out", "run", "--slide-depth", "1")
    whole = {row["slide"]: row for row in csv.DictReader(Path("run/differential.csv").read_text().splitlines())}
    assert (whole["T"]["images"], whole["T"]["duplicates"]) == ("6", "3")
    shutil.rmtree(night / "T" / "All cells")
    command("classify", night, "--out", "run", "--slide-depth", "1")
    assert record()["vanished_slides"] == []
    rows = {row["slide"]: row for row in csv.DictReader(Path("run/differential.csv").read_text().splitlines())}
    assert (rows["T"]["images"], rows["T"]["duplicates"]) == ("3", "0")
    for name in ("classified", "leukocytes", "verdict", "flags"):
        assert rows["T"][name] == whole["T"][name]
    assert json.loads(Path("run/run.json").read_text())["complete"] is True
    (night / "T" / "Monocyte" / "cell_000.jpg").unlink()
    command("classify", night, "--out", "run", "--slide-depth", "1")
    assert record()["vanished_slides"] == ["T"]


def test_a_slide_now_seen_as_others_that_lost_only_copies_has_lost_nothing(command: Command, night: Path) -> None:
    write_cells(night / "T" / "Lymphocyte", 2, first_seed=40)
    write_cells(night / "T" / "Monocyte", 1, first_seed=50)
    shutil.copytree(night / "T" / "Lymphocyte", night / "T" / "Basophil")
    command("classify", night, "--out", "run")
    shutil.rmtree(night / "T" / "Basophil")
    write_cells(night / "T" / "Overview", 2, first_seed=60)
    command("classify", night, "--out", "run")
    assert record()["vanished_slides"] == []
    assert record()["counts"]["slides"] == 6  # type: ignore[index]


def flags_of(worklist: str) -> dict[str, list[str]]:
    return {slide["slide"]: slide["flags"] for slide in json.loads(worklist)["worklist"]}


def test_a_slide_whose_last_images_are_now_seen_as_other_slides_stays_in_the_worklist(
    command: Command, night: Path
) -> None:
    write_cells(night / "T" / "Lymphocyte", 3, first_seed=40)
    write_cells(night / "T" / "Monocyte", 1, first_seed=50)
    command("classify", night, "--out", "run")
    before = [row for row in Path("run/cells.csv").read_text().splitlines() if row.startswith("T,")]
    assert len(before) == 4
    shutil.rmtree(night / "T" / "Lymphocyte")
    write_cells(night / "T" / "Overview", 2, first_seed=60)
    for options in ([], [], ["--force"]):
        outcome = command("classify", night, "--out", "run", "--format", "json", *options)
        flags = flags_of(outcome.out)
        assert set(flags) == {"S0", "S1", "S2", "T", "T/Monocyte", "T/Overview"}
        assert {name for name, found in flags.items() if "vanished" in found} == {"T"}
        assert "3 of the slide's 4 images are no longer there" in Path("run/differential.csv").read_text()
        assert set(before) <= set(Path("run/cells.csv").read_text().splitlines())
    command("classify", night, "--out", "run", "--keep", "0")  # what is left of it has rows of its own
    assert record()["vanished_slides"] == []
    assert record()["counts"]["slides"] == 5  # type: ignore[index]


def test_a_slide_whose_images_are_all_seen_as_other_slides_is_not_missed(command: Command, night: Path) -> None:
    write_cells(night / "T" / "Lymphocyte", 1, first_seed=40)
    write_cells(night / "T" / "Monocyte", 1, first_seed=50)
    for name in ("a  b.jpg", "a b.jpg"):  # one of them gets a mark
        shutil.copy(night / "T" / "Monocyte" / "cell_000.jpg", night / "T" / "Monocyte" / name)
    (night / "T" / "Monocyte" / "broken.jpg").touch()
    (night / "T" / "Monocyte" / "link.jpg").symlink_to("nowhere")
    command("classify", night, "--out", "run")
    write_cells(night / "T" / "Overview", 2, first_seed=60)
    command("classify", night, "--out", "run")
    assert record()["vanished_slides"] == []
    assert record()["counts"]["slides"] == 6  # type: ignore[index]


def test_a_slide_that_is_none_now_because_a_folder_cannot_be_read_is_not_archived(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cells(night / "T" / "Lymphocyte", 3, first_seed=40)
    write_cells(night / "T" / "Monocyte", 1, first_seed=50)
    write_cells(night / "2026-11-23" / "U", 2, first_seed=80)
    command("classify", night, "--out", "run")
    write_cells(night / "T" / "Overview", 2, first_seed=60)
    refuse(night / "T" / "Lymphocyte", monkeypatch)
    refuse(night / "2026-11-23", monkeypatch)
    command("classify", night, "--out", "run", "--keep", "0")
    assert record()["vanished_slides"] == ["2026-11-23/U", "T"]


def test_a_damaged_record_of_a_slide_that_is_now_seen_as_others_does_not_hide_it(command: Command, night: Path) -> None:
    command("classify", night / "S1", "--out", "run")
    (path,) = Path("run/.finished").glob("*.json")
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"probabilities"', b'"PROBABILITIES"'))
    (night / "S1" / "A").mkdir()
    shutil.move(night / "S1" / "cell_000.jpg", night / "S1" / "A" / "cell_000.jpg")
    for number in range(1, 4):
        (night / "S1" / f"cell_00{number}.jpg").unlink()
    command("classify", night / "S1", "--out", "run")
    assert record()["vanished_slides"] == ["S1"]


def test_where_every_slide_waits_the_summary_says_so_without_an_empty_table(command: Command, night: Path) -> None:
    age(night, 0)
    outcome = command("classify", night, "--out", "run", "--settle", "60")
    assert outcome.code == 0
    assert "left for the next run: S0, S1, S2" in outcome.err
    assert outcome.out.splitlines()[:2] == ["0 slides", "0 images"]
    assert "verdict" not in outcome.out


def test_a_slide_still_being_exported_waits_and_is_listed(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(120, monkeypatch)
    age(night / "S1", 0)
    outcome = command("classify", night, "--out", "run", "--settle", "60")
    assert outcome.code == 0
    assert "export not finished, left for the next run: S1" in outcome.err
    assert record()["waiting_slides"] == ["S1"]
    assert record()["complete"] is True
    later(61, monkeypatch)
    command("classify", night, "--out", "run", "--settle", "60")
    assert record()["waiting_slides"] == []
    assert record()["counts"]["slides"] == 3  # type: ignore[index]


def test_a_slide_that_was_copied_with_its_times_waits_all_the_same(command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run", "--settle", "60").code == 0
    assert record()["waiting_slides"] == ["S0", "S1", "S2"]


def test_a_slide_whose_analyser_has_a_wrong_clock_does_not_wait_for_ever(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(120, monkeypatch)
    age(night, -86400)
    command("classify", night, "--out", "run", "--settle", "60")
    assert record()["waiting_slides"] == []
    assert record()["counts"]["slides"] == 3  # type: ignore[index]


def test_a_slide_exported_once_more_keeps_its_earlier_result_meanwhile(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts() -> list[str]:
        return [row["leukocytes"] for row in csv.DictReader(Path("run/differential.csv").read_text().splitlines())]

    command("classify", night, "--out", "run")
    before = counts()
    write_cells(night / "S1", 1, first_seed=99)
    outcome = command("classify", night, "--out", "run", "--settle", "60", "--format", "json")
    flags = {slide["slide"]: slide["flags"] for slide in json.loads(outcome.out)["worklist"]}
    assert {name for name, found in flags.items() if "changing" in found} == {"S1"}
    assert record()["waiting_slides"] == ["S1"]
    assert counts() == before
    later(61, monkeypatch)
    command("classify", night, "--out", "run", "--settle", "60")
    assert "changing" not in Path("run/differential.csv").read_text()
    assert len(counts()) == 3


def test_a_slide_to_which_images_are_added_while_it_is_classified_is_left_to_the_next_run(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch, sabotaged: Sabotage
) -> None:
    later(120, monkeypatch)
    (night / "S1" / "cell_000.jpg").rename(night / "S1" / "a.jpg")
    copied, late = (str((night / "S1" / name).absolute()) for name in ("cell_001.jpg", "late.jpg"))
    sabotaged("a.jpg", f"os.path.exists({late!r}) or shutil.copyfile({copied!r}, {late!r})")
    outcome = command("classify", night, "--out", "run", "--settle", "60", "--workers", "1")
    assert "changed while it was classified, left for the next run: S1" in outcome.err
    assert record()["waiting_slides"] == ["S1"]
    assert record()["complete"] is True
    later(120, monkeypatch)
    command("classify", night, "--out", "run", "--settle", "60")
    assert record()["counts"]["classified"] == 12  # type: ignore[index]
    assert record()["counts"]["duplicate"] == 1  # type: ignore[index]


def test_the_log_and_the_status_tell_what_happened(command: Command, night: Path) -> None:
    (night / "S2" / "bad.jpg").write_bytes(b"no image")
    command("classify", night, "--out", "run", "--log-file", "night.log")
    events = [json.loads(line) for line in Path("night.log").read_text().splitlines()]
    assert [e["event"] for e in events if e["event"] != "note"] == [
        "started", "slide", "slide", "unreadable", "slide", "done"
    ]  # fmt: skip
    (failure,) = (e for e in events if e["event"] == "unreadable")
    assert (failure["slide"], failure["image"]) == ("S2", "bad.jpg")
    status = json.loads(Path("run/status.json").read_text())
    assert (status["state"], status["images"], status["images_done"]) == ("done", 13, 13)


def test_a_failure_is_in_the_log_too(command: Command, night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("slidescreen.runs.night.write_worklist", fail)
    assert command("classify", night, "--out", "run", "--log-file", "night.log").code == 1
    last = json.loads(Path("night.log").read_text().splitlines()[-1])
    assert (last["event"], last["error"]) == ("failed", "broken")


def test_the_log_is_never_written_into_the_input(command: Command, night: Path) -> None:
    outcome = command("classify", night, "--out", "run", "--log-file", night / "x.log")
    assert outcome.code == 2
    assert "--log-file must not lie inside" in outcome.err


def test_a_folder_that_cannot_be_read_costs_that_slide(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(night / "S1", monkeypatch)
    outcome = command("classify", night, "--out", "run")
    assert outcome.code == 3
    (failure,) = record()["failures"]  # type: ignore[misc]
    assert failure == {"slide": "S1", "image": ".", "reason": "the folder cannot be read: Permission denied"}
    assert record()["counts"]["classified"] == 8  # type: ignore[index]


def test_what_systems_leave_in_shares_is_no_slide(night: Path) -> None:
    write_cells(night / "lost+found", 1)
    write_cells(night / "$RECYCLE.BIN", 1)
    assert [slide.name for slide in discover(night)] == ["S0", "S1", "S2"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("ctypes.PyDLL(None).sleep(60)", "could not be read within 2 s"),
        ("ctypes.string_at(0)", "the image decoder crashed (SIGSEGV) while reading it"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "3"])
def test_an_image_that_hangs_or_crashes_its_decoder_costs_that_image(
    workers: str, fault: str, reason: str, command: Command, night: Path, sabotaged: Sabotage
) -> None:
    (night / "S1" / "cell_001.jpg").rename(night / "S1" / "bad.jpg")
    sabotaged("bad.jpg", fault)
    started = time.monotonic()
    outcome = command("classify", night, "--out", "run", "--workers", workers, "--image-timeout", "2")
    assert time.monotonic() - started < 30
    assert outcome.code == 3
    (failure,) = record()["failures"]  # type: ignore[misc]
    assert failure == {"slide": "S1", "image": "bad.jpg", "reason": reason}
    assert record()["counts"]["classified"] == 11  # type: ignore[index]


HOLDING = """
import sys, time
from pathlib import Path
from slidescreen.files.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_runs_do_not_share_a_folder_and_a_dead_ones_lock_is_taken_over(command: Command, night: Path) -> None:
    Path("run").mkdir()
    holder = subprocess.Popen([sys.executable, "-c", HOLDING, "run"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    refused = command("classify", night, "--out", "run")
    assert refused.code == 2
    assert f"is in use by process {holder.pid} on " in refused.err
    holder.kill()
    holder.wait()
    assert command("classify", night, "--out", "run").code == 0


def start(night: Path, out: str, ensemble_folder: Path) -> subprocess.Popen[bytes]:
    options = ["--out", out, "--ensemble", str(ensemble_folder), "--quiet", "--threads", "1"]
    return subprocess.Popen([sys.executable, "-m", "slidescreen", "classify", str(night), *options])


def many(root: Path, slides: int, cells: int) -> Path:
    for number in range(slides):
        write_cells(root / f"S{number:02d}", cells, first_seed=100 * number)
    return root


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_soon_and_in_order(
    sent: signal.Signals, code: int, command: Command, ensemble_folder: Path
) -> None:
    night = many(Path("night"), 30, 12)
    child = start(night, "run", ensemble_folder)
    while not list(Path("run/.finished").glob("*.json")):
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(sent)
    sent_at = time.monotonic()
    assert child.wait(20) == code
    assert time.monotonic() - sent_at < 10
    assert record()["complete"] is False
    assert json.loads(Path("run/status.json").read_text())["state"] == "interrupted"
    finished = len(list(Path("run/.finished").glob("*.json")))
    assert finished <= record()["counts"]["slides"] <= finished + 1  # type: ignore[index]
    assert command("classify", night, "--out", "run", "--quiet").code == 0
    assert record()["counts"]["slides"] == 30  # type: ignore[index]


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.soak)])
def test_a_run_killed_again_and_again_ends_as_if_undisturbed(
    kills: int, command: Command, ensemble_folder: Path
) -> None:
    night = many(Path("night"), 12, 10)
    assert command("classify", night, "--out", "whole", "--quiet").code == 0
    generator = random.Random(kills)
    for _ in range(kills):
        child = start(night, "run", ensemble_folder)
        time.sleep(generator.uniform(0.5, 3.0))
        child.kill()
        child.wait()
        if generator.random() < 0.3:  # and begin anew now and then, lest all be finished soon
            shutil.rmtree("run/.finished", ignore_errors=True)
    assert command("classify", night, "--out", "run", "--quiet").code == 0
    for name in ("cells.csv", "differential.csv"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()
    assert {path.name for path in Path("run").rglob("*")} == {path.name for path in Path("whole").rglob("*")}


LIMITED = """
import resource, sys
resource.setrlimit(getattr(resource, "RLIMIT_" + sys.argv[1]), (int(sys.argv[2]),) * 2)
sys.argv = ["slidescreen", *sys.argv[3:]]
from slidescreen.cli import main
main()
"""


def limited(resource: str, limit: int, night: Path, ensemble_folder: Path) -> list[str]:
    """The command that classifies with at most so much of a resource."""
    options = ["classify", str(night), "--out", "run", "--ensemble", str(ensemble_folder), "--quiet"]
    return [sys.executable, "-c", LIMITED, resource, str(limit), *options]


@pytest.mark.parametrize("limit", [0, 3_000, 20_000])
def test_a_disk_that_fills_costs_nothing_that_was_there(
    limit: int, command: Command, night: Path, ensemble_folder: Path
) -> None:
    """No file of the run may grow beyond a limit, as if the disk were full then."""
    assert command("classify", night, "--out", "whole", "--quiet").code == 0
    ended = subprocess.run(limited("FSIZE", limit, night, ensemble_folder), capture_output=True, text=True)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("error: cannot write ")
    assert len(ended.stderr.strip().splitlines()) == 1
    if Path("run/cells.csv").exists():  # small enough
        assert Path("run/cells.csv").read_bytes() == Path("whole/cells.csv").read_bytes()
    assert command("classify", night, "--out", "run", "--quiet").code == 0
    assert Path("run/cells.csv").read_bytes() == Path("whole/cells.csv").read_bytes()
    assert not list(Path("run").rglob(".*.tmp"))


def test_the_final_files_stay_whole_when_the_disk_fills(command: Command, night: Path, ensemble_folder: Path) -> None:
    assert command("classify", night, "--out", "run", "--quiet").code == 0
    before = {path: path.read_bytes() for path in Path("run").glob("*.csv")}
    write_cells(night / "S9", 30, first_seed=400)
    ended = subprocess.run(limited("FSIZE", 2500, night, ensemble_folder), capture_output=True, text=True)
    assert ended.returncode == 2, ended.stderr
    assert {path: path.read_bytes() for path in Path("run").glob("*.csv")} == before


def test_a_folder_that_disappears_halfway_costs_its_images_alone(
    command: Command, night: Path, sabotaged: Sabotage
) -> None:
    (night / "S0" / "cell_000.jpg").rename(night / "S0" / "a.jpg")
    sabotaged("a.jpg", f"shutil.rmtree({str((night / 'S1').absolute())!r})")  # while the first image of S0 is read
    assert command("classify", night, "--out", "run", "--workers", "1").code == 3
    failures = record()["failures"]
    assert {failure["slide"] for failure in failures} == {"S1"}  # type: ignore[attr-defined]
    assert record()["counts"] == {  # type: ignore[comparison-overlap]
        "slides": 3, "classified": 8, "unidentified": 0, "duplicate": 0, "unreadable": 4,
    }  # fmt: skip


@pytest.mark.parametrize("megabytes", [400, 800, 1100, 1400, pytest.param(8000, id="enough")])
def test_memory_that_runs_out_is_one_clear_line_and_the_next_run_completes(
    megabytes: int, command: Command, night: Path, ensemble_folder: Path
) -> None:
    """The address space is limited, whatever takes it: libraries, networks, images or decoders."""
    assert command("classify", night, "--out", "whole", "--quiet").code == 0
    ended = subprocess.run(limited("AS", megabytes << 20, night, ensemble_folder), capture_output=True, text=True)
    if ended.returncode == 2:
        assert megabytes < 8000
        assert ended.stderr.splitlines()[-1].startswith("error: memory ran out; what was finished is kept")
        assert command("classify", night, "--out", "run", "--quiet").code == 0
    else:
        assert ended.returncode == 0, ended.stderr
    assert Path("run/cells.csv").read_bytes() == Path("whole/cells.csv").read_bytes()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that nobody can write to")
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_done(command: Command, night: Path) -> None:
    outcome = command("classify", night, "--out", "/proc/self/run")
    assert outcome.code == 2
    assert outcome.err.startswith("error: cannot create the folder /proc/self/run")
    assert len(outcome.err.strip().splitlines()) == 1


@pytest.mark.parametrize("there", [True, False])
def test_an_output_folder_without_permission_is_refused(there: bool, command: Command, night: Path) -> None:
    if there:
        assert command("classify", night, "--out", "run", "--quiet").code == 0
    else:
        Path("run").mkdir()
    before = {path: path.read_bytes() for path in Path("run").glob("*.*") if path.is_file()}
    Path("run").chmod(0o500)
    if os.access("run", os.W_OK):
        pytest.skip("this user may write anywhere")
    outcome = command("classify", night, "--out", "run")
    Path("run").chmod(0o700)
    assert outcome.code == 2
    assert "give permission or choose another" in outcome.err
    assert {path: path.read_bytes() for path in Path("run").glob("*.*") if path.is_file()} == before


TABLES = ("cells.csv", "differential.csv", "report.html")


def test_tables_that_a_spreadsheet_holds_open_cost_nothing_and_are_written_beside(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: the rename is refused while they are open."""
    held, replace = set(TABLES), Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name in held:
            raise PermissionError(13, "The process cannot access the file because it is being used", str(target))
        return replace(self, target)

    def contents() -> dict[str, bytes]:
        return {name: Path("run", name).read_bytes() for name in TABLES}

    command("classify", night, "--out", "run")
    before = contents()
    write_cells(night / "S8", 2, first_seed=90)
    command("classify", night, "--out", "undisturbed")
    monkeypatch.setattr(Path, "replace", refuse)
    outcome = command("classify", night, "--out", "run")
    assert outcome.code == 3
    said = " ".join(outcome.err.split())
    for name in TABLES:
        beside = name.replace(".", ".new.")
        assert said.count(f"run/{name} was not replaced: another program has it open; see {beside}") == 1
    assert "report: run/report.new.html" in outcome.out
    assert record()["written_beside"] == {name: name.replace(".", ".new.") for name in TABLES}
    assert contents() == before
    assert {row["slide"] for row in csv.DictReader(Path("run/cells.new.csv").read_text().splitlines())} == {
        "S0", "S1", "S2", "S8",
    }  # fmt: skip

    held.clear()
    shown = command("report", "run")
    assert shown.out.startswith("4 slides: ")
    assert "14 images: " in shown.out

    held.add("cells.csv")
    assert command("classify", night, "--out", "run").code == 3
    assert record()["written_beside"] == {"cells.csv": "cells.new-2.csv"}
    assert not list(Path("run").glob("*.new.*"))

    held.clear()
    Path("run/mine.new.csv").touch()
    assert command("classify", night, "--out", "run").code == 0
    assert record()["written_beside"] == {}
    assert [path.name for path in Path("run").glob("*.new*")] == ["mine.new.csv"]
    for name in ("cells.csv", "differential.csv"):
        assert Path("run", name).read_bytes() == Path("undisturbed", name).read_bytes()


@pytest.mark.parametrize(
    "told",
    [{"cells.csv": "../mine.csv"}, {"cells.csv": "mine.csv"}, {"mine.csv": "mine.new.csv"}, ["cells.new.csv"], "x", 3],
)
def test_a_record_that_was_tampered_with_removes_nobodys_files(told: object, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("mine.csv", "run/mine.csv", "run/mine.new.csv", "run/cells.new.csv"):
        (tmp_path / name).touch()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"written_beside": told}))
    before = sorted(tmp_path.rglob("*"))
    run_files.remove_unused(tmp_path / "run", run_files.fallback_names_of(tmp_path / "run"), {})
    assert sorted(tmp_path.rglob("*")) == before
