"""A slide keeps the name under which it was first recorded, whichever slides come and go beside it."""

import csv
import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command, write_cells

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Müller 1") for form in ("NFC", "NFD"))
ALIKE = [("Meier  1", "Meier 1"), ("Meier 1", "Meier  1"), (DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED)]
MARKED = " #[0-9a-f]{8}"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_cells(Path("in/S1"), 2, first_seed=100)
    return Path("in")


def classify(command: Command, *options: object, expected: int = 0) -> list[str]:
    """The names of the slides after a night."""
    outcome = command("classify", "in", "--out", "run", "--quiet", *options)
    assert outcome.code == expected, outcome.err
    with Path("run/differential.csv").open(newline="", encoding="utf-8") as file:
        return [row["slide"] for row in csv.DictReader(file)]


def record() -> dict[str, list[str]]:
    return dict(json.loads(Path("run/run.json").read_text()))


def sign(command: Command, slide: str) -> None:
    header = "slide,image,cell_type,previous_type,reviewer,time,comment,run"
    Path("c.csv").write_text(f"{header}\n{slide},,,,Ada,2026-11-24T08:00:00Z,,{record()['run']}\n")
    assert command("report", "run", "--corrections", "c.csv").code == 0


def stay(folder: Path) -> None:
    assert folder.is_dir()


@pytest.mark.parametrize("then", [stay, shutil.rmtree])
@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_of_names_that_look_alike_the_later_one_is_marked(
    first: str, second: str, then: Callable[[Path], None], command: Command, night: Path
) -> None:
    write_cells(night / first, 2)
    classify(command)
    write_cells(night / second, 2, first_seed=10)
    then(night / first)
    for options in ([], [], ["--force"]):
        names = classify(command, *options)
        (marked,) = set(names) - {first, "S1"}
        assert re.fullmatch(re.escape(second) + MARKED, marked)
        assert len(names) == 3
    assert len({*Path("run/.finished").glob("*.json")}) == 3
    assert not Path("run/archive").exists()


def test_a_signed_and_exported_slide_stays_so(command: Command, night: Path) -> None:
    first, second = ALIKE[0]
    write_cells(night / first, 2)
    header = "slide,accession,placer,patient\n"
    Path("orders.csv").write_text(f"{header}{first},26-1,ORD-1,0815\nS1,26-3,ORD-3,1\n")
    export = ("--export", "hl7", "--orders", "orders.csv")
    classify(command, *export)
    sign(command, first)
    classify(command, *export)
    (sent,) = Path("run/export").glob("Meier*")
    sent.unlink()
    write_cells(night / second, 2, first_seed=10)
    Path("orders.csv").write_text(f"{header}{second},26-2,ORD-2,4711\n")
    names = classify(command, *export)
    (marked,) = set(names) - {first, "S1"}
    assert [each["slide"] for each in record()["reviewed_slides"]] == [first]  # type: ignore[index]
    assert first in record()["earlier_slides"]
    (sent,) = Path("run/export").glob("Meier*")
    assert sent.name.startswith(marked)
    assert b"\rPID|1||4711||" in sent.read_bytes()
    assert b"|ORD-2|26-2|" in sent.read_bytes()


def test_a_marked_name_stays_when_the_other_slide_leaves(command: Command, night: Path) -> None:
    for number, name in enumerate(ALIKE[0]):
        write_cells(night / name, 2, first_seed=10 * number)
    before = classify(command)
    (marked,) = (name for name in before if "#" in name)
    shutil.rmtree(night / "Meier 1")
    assert classify(command) == before
    assert marked in record()["earlier_slides"]
    assert classify(command, "--keep", "0") == [name for name in before if name != "Meier 1"]
    assert classify(command) == ["Meier  1" + marked[len("Meier  1") :], "S1"]


@pytest.mark.parametrize("left", ["", "{"])
def test_a_name_is_kept_without_the_last_runs_record(left: str, command: Command, night: Path) -> None:
    write_cells(night / "Meier  1", 2)
    before = classify(command)
    if left:
        Path("run/run.json").write_text(left)
    else:
        Path("run/run.json").unlink()
    write_cells(night / "Meier 1", 2, first_seed=10)
    assert set(before) < set(classify(command))
    assert len(list(Path("run/.finished").glob("*.json"))) == 3


def test_the_images_in_the_given_folder_keep_its_name(command: Command, night: Path) -> None:
    write_cells(night, 2)
    assert set(classify(command)) == {"in", "S1"}
    write_cells(night / "in", 2, first_seed=10)
    (marked,) = set(classify(command)) - {"in", "S1"}
    assert re.fullmatch(f"in{MARKED}", marked)


def test_another_folder_with_images_of_its_own_has_its_own_name(command: Command, night: Path) -> None:
    shutil.rmtree(night / "S1")
    write_cells(night, 2)
    assert classify(command) == ["in"]
    night.rename("other")
    assert command("classify", "other", "--out", "run", "--overwrite", "--quiet").code == 0
    with Path("run/differential.csv").open(newline="", encoding="utf-8") as file:
        assert [row["slide"] for row in csv.DictReader(file)] == ["other"]


def test_a_signature_counts_again_after_an_earlier_release_gave_its_slide_another_name(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ALIKE[0]
    write_cells(night / first, 2)
    classify(command)
    sign(command, first)
    shutil.rmtree(night / first)
    write_cells(night / second, 2, first_seed=10)
    with monkeypatch.context() as earlier_release:
        earlier_release.setattr("slidescreen.runs.planning.with_kept_names", lambda found, *_: found)
        names = classify(command)
    (vanished,) = set(names) - {second, "S1"}
    assert classify(command) == names
    assert [each["slide"] for each in record()["reviewed_slides"]] == [vanished]  # type: ignore[index]
