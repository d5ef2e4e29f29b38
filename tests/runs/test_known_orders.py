"""What orders say of a slide stays known on later nights, without any patient's name."""

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.runs.export_watch import ExportWatch
from slidescreen.runs.known_orders import contexts_in, joined, orders_record
from slidescreen.screening import results
from slidescreen.screening.blood_context import BloodContext
from slidescreen.screening.finding import Finding, Verdict

OUT = Path("run")
SECRET = "PAT-0815"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three slides of four cells, in which nothing is found, in the folder that commands run in."""
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    judge = results.judge

    def clear(*given: object) -> results.SlideResult:
        return replace(judge(*given), finding=Finding(Verdict.CLEAR, (), ("nothing found",)))  # type: ignore[arg-type]

    monkeypatch.setattr("slidescreen.runs.night.judge", clear)
    for number in range(3):
        write_cells(Path(f"night/S{number}"), 4, first_seed=10 * number)
    return Path("night")


def orders(*lines: str) -> Path:
    Path("orders.csv").write_text("\n".join(("slide,patient,leukocytes_per_nl", *lines, "")))
    return Path("orders.csv")


def classify(command: Command, *options: object) -> None:
    outcome = command("classify", "night", "--out", OUT, "--quiet", *options)
    assert outcome.code == 0, outcome.err


def marked() -> list[str]:
    with (OUT / "differential.csv").open(newline="") as file:
        return [row["slide"] for row in csv.DictReader(file) if "few_leukocytes" in row["flags"]]


def patients() -> object:
    return json.loads((OUT / "run.json").read_text()).get("same_patient")


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("options", [(), ("--force",)])
def test_a_night_without_orders_knows_those_of_an_earlier_one(options: Sequence[str], command: Command) -> None:
    classify(command, "--orders", orders(f"S0,{SECRET},0.4", "S1,other,5", f"S2,{SECRET},"))
    table = (OUT / "differential.csv").read_bytes()
    for _ in range(2):
        classify(command, *options)
        assert (OUT / "differential.csv").read_bytes() == table
        assert (marked(), patients()) == (["S0"], [["S0", "S2"]])
    for path in filter(Path.is_file, OUT.rglob("*")):
        assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("night")
def test_the_orders_of_a_night_add_to_those_of_earlier_ones_and_replace_them_line_by_line(command: Command) -> None:
    classify(command, "--orders", orders("S0,p,0.4", "S1,p,0.4"))
    classify(command, "--orders", orders("S1,p,5", "S2,p,1"))
    assert (marked(), patients()) == (["S0", "S2"], [["S1", "S2"]])
    assert command("report", OUT, "--orders", orders("S2,q,")).code == 0
    assert (marked(), patients()) == (["S0"], None)
    classify(command)
    assert (marked(), patients()) == (["S0"], None)


def test_a_vanished_slide_keeps_its_orders_and_other_images_of_the_same_name_do_not(
    command: Command, night: Path
) -> None:
    classify(command, "--orders", orders("S0,p,0.4", "S1,p,0.4", "S2,p,0.4"))
    shutil.rmtree(night / "S0")
    shutil.rmtree(night / "S1")
    write_cells(night / "S1", 4, first_seed=90)
    write_cells(night / "S2", 5, first_seed=20)  # one more image
    classify(command)
    assert (marked(), patients()) == (["S0", "S2"], [["S0", "S2"]])


def test_the_run_of_another_input_knows_nothing_of_them(command: Command, night: Path) -> None:
    classify(command, "--orders", orders("S0,p,0.4", "S1,p,0.4"))
    shutil.copytree(night, "elsewhere")
    assert command("classify", "elsewhere", "--out", OUT, "--overwrite", "--quiet").code == 0
    assert (marked(), patients()) == ([], None)


def test_patients_are_told_apart_and_named_by_the_table_alone() -> None:
    earlier = contexts_in({"same_patient": [["A", "B"], ["C", "D"]], "leukocytes_per_nl": {"A": 0.5, "E": 3.0}})
    found = joined({"A": BloodContext("p"), "F": BloodContext("p")}, earlier, {"A", "B", "C", "D", "E"})
    told = orders_record("ABCDEF", found)
    assert told == {"same_patient": [["A", "F"], ["C", "D"]], "leukocytes_per_nl": {"E": 3.0}}
    assert orders_record("ABCD", joined({}, earlier, "ABC")) == {
        "same_patient": [["A", "B"]],
        "leukocytes_per_nl": {"A": 0.5},
    }


@pytest.mark.parametrize("damage", [{"same_patient": 5}, {"leukocytes_per_nl": {"S0": "few"}}])
def test_a_damaged_record_of_orders_costs_no_night(damage: dict[str, object], command: Command, night: Path) -> None:
    classify(command, "--orders", orders("S0,p,0.4", "S1,p,0.4"))
    record = OUT / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), **damage}))
    assert command("report", OUT).code == 2
    classify(command)
    assert night.exists()
    assert marked() == []


def interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a night end by Ctrl-C after its first slide."""
    judge, judged = results.judge, []

    def once(*given: object) -> results.SlideResult:
        if judged:
            raise KeyboardInterrupt
        judged.append(given)
        return replace(judge(*given), finding=Finding(Verdict.CLEAR, (), ("nothing found",)))  # type: ignore[arg-type]

    monkeypatch.setattr("slidescreen.runs.night.judge", once)


@pytest.mark.parametrize("with_report", [False, True])
def test_an_interrupted_night_loses_nothing_that_was_known_of_slides_that_it_did_not_reach(
    with_report: bool, command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classify(command, "--orders", orders("S0,p,0.4", "S1,p,0.4", "S2,p,0.4"))
    write_cells(night / "S3", 4, first_seed=90)  # and it has no order
    for _ in range(2):
        with monkeypatch.context() as ended:
            interrupt(ended)
            assert command("classify", night, "--out", OUT, "--quiet", "--force").code == 130
        assert marked() == ["S0"]
        assert json.loads((OUT / "run.json").read_text())["earlier_slides"] == ["S1", "S2"]
        if with_report:
            assert command("report", OUT, "--orders", orders("S0,p,0.3")).code == 0
    classify(command)
    assert marked() == ["S0", "S1", "S2"]
    assert patients() == ([["S1", "S2"]] if with_report else [["S0", "S1", "S2"]])
    assert json.loads((OUT / "run.json").read_text())["earlier_slides"] == ["S1", "S2"]


def test_other_images_after_an_interrupted_night_have_no_orders_of_before(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classify(command, "--orders", orders("S0,p,0.4", "S1,p,0.4", "S2,p,0.4"))
    with monkeypatch.context() as ended:
        interrupt(ended)
        assert command("classify", night, "--out", OUT, "--quiet", "--force").code == 130
    shutil.rmtree(night / "S1")
    write_cells(night / "S1", 4, first_seed=90)
    classify(command)
    assert (marked(), patients()) == (["S0", "S2"], [["S0", "S2"]])


def test_a_slide_that_changes_while_it_is_classified_keeps_its_orders(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classify(command, "--orders", orders("S0,p,0.4", "S1,p,0.4"))
    write_cells(night / "S1", 5, first_seed=10)
    with monkeypatch.context() as arriving:
        arriving.setattr(ExportWatch, "has_changed", lambda _, slide: slide.name == "S1")
        classify(command)
    assert (marked(), patients()) == (["S0", "S1"], [["S0", "S1"]])
    classify(command)
    assert (marked(), patients()) == (["S0", "S1"], [["S0", "S1"]])
