"""Orders: what a clear verdict is worth in blood with few leukocytes, and which slides are of one patient."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.errors import InputError
from slidescreen.exchange.orders import blood_contexts
from slidescreen.screening.blood_context import BloodContext, in_context

WARNING = "few leukocytes in the blood: this rules out little; look at the whole film"
SECRET = "PAT-0815"


@pytest.fixture
def run(command: Command) -> Path:
    """Three slides of four cells, as if all were clear."""
    for number in range(3):
        write_cells(Path(f"night/S{number}"), 4, first_seed=10 * number)
    assert command("classify", "night", "--out", "run").code == 0
    table = Path("run/differential.csv")
    rows = list(csv.DictReader(io.StringIO(table.read_text(), newline="")))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"verdict": "clear", "flags": "", "reasons": "nothing found"} for row in rows)
    return Path("run")


def orders(*lines: str, header: str = "slide,patient,leukocytes_per_nl") -> Path:
    Path("orders.csv").write_text("\n".join((header, *lines, "")))
    return Path("orders.csv")


def slides(run: Path) -> dict[str, dict[str, str]]:
    with (run / "differential.csv").open(newline="") as file:
        return {row["slide"]: row for row in csv.DictReader(file)}


def test_a_clear_slide_of_blood_with_few_leukocytes_says_so(command: Command, run: Path) -> None:
    file = orders('S0;p;"1,9"', "S1;p;2.0", "S2;p;", header="slide;patient;leukocytes_per_nl")
    outcome = command("report", run, "--orders", file, "--slide", "S0")
    assert outcome.code == 0, outcome.err
    found = slides(run)
    assert {name: row["reasons"] for name, row in found.items()} == {
        "S0": f"{WARNING}; nothing found",
        "S1": "nothing found",
        "S2": "nothing found",
    }
    assert {name: row["flags"] for name, row in found.items()} == {"S0": "few_leukocytes", "S1": "", "S2": ""}
    assert found["S0"]["verdict"] == "clear"
    assert "few leukocytes in the blood: this rules out little" in outcome.out
    assert "this rules out little" in Path("run/report.html").read_text()
    again = {path.name: path.read_bytes() for path in run.glob("*.csv")}
    assert command("report", run, "--orders", file).code == 0
    assert {path.name: path.read_bytes() for path in run.glob("*.csv")} == again
    assert command("report", run, "--orders", orders("S0,p,4.0")).code == 0
    assert slides(run)["S0"]["reasons"] == "nothing found"


def test_only_a_clear_verdict_is_marked(run: Path) -> None:
    from slidescreen.runs.saved_run import read_run
    from slidescreen.screening.finding import Finding, Verdict
    from slidescreen.screening.results import SlideResult

    (slide, *_) = read_run(run).slides
    for verdict in Verdict:
        judged = SlideResult(slide.differential, Finding(verdict, (), ()), (), slide.folder)
        (marked,) = in_context([judged], {slide.name: BloodContext(leukocytes_per_nl=0.4)})
        assert (WARNING in marked.finding.reasons) == (verdict is Verdict.CLEAR)
        assert marked.finding.verdict is verdict


def test_slides_of_one_patient_stand_together_and_no_patient_is_named(command: Command, run: Path) -> None:
    file = orders(f"S0,{SECRET},5", "S1,other,5", f"S2,{SECRET},5")
    outcome = command("report", run, "--orders", file)
    assert "of one patient: S0, S2\n" in outcome.out
    shown = re.findall(r"^\S+ clear +(S\d)", outcome.out, re.MULTILINE)
    assert abs(shown.index("S0") - shown.index("S2")) == 1
    classified = command("classify", "night", "--out", "again", "--orders", file, "--log-file", "log.jsonl", "-v")
    assert classified.code == 0, classified.err
    assert json.loads(Path("again/run.json").read_text())["same_patient"] == [["S0", "S2"]]
    for folder in (run, Path("again")):
        for path in filter(Path.is_file, folder.rglob("*")):
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in Path("log.jsonl").read_text()
    assert SECRET not in outcome.out + outcome.err + classified.out + classified.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("S0,p,many", "line 2: not a number: 'many'"),
        ("S0,p,-1", "line 2: leukocytes_per_nl is below zero: '-1'"),
        ("S0,p,6500", "line 2: leukocytes_per_nl is '6500': is that per µl? A thousandth of it is per nl"),
        (",p,6", "line 2: no slide is named"),
    ],
)
def test_orders_that_cannot_be_used_are_refused(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(said)):
        blood_contexts(orders(line))


def test_orders_that_cannot_be_used_cost_themselves_alone(command: Command) -> None:
    write_cells(Path("night/S0"), 1)
    file = orders("S0,p,many")
    outcome = command("classify", "night", "--out", "run", "--orders", file)
    assert outcome.code == 3
    assert outcome.err.count("line 2: not a number: 'many'") == 1
    assert "export" not in outcome.err
    assert json.loads(Path("run/run.json").read_text())["unwritten_files"] == [str(file)]
    before = {path.name: path.read_bytes() for path in Path("run").glob("*.csv")}
    assert command("report", "run", "--orders", file).code == 2
    assert {path.name: path.read_bytes() for path in Path("run").glob("*.csv")} == before
    orders("S0,p,0.4")
    assert command("classify", "night", "--out", "run", "--orders", file).code == 0
    assert json.loads(Path("run/run.json").read_text())["leukocytes_per_nl"] == {"S0": 0.4}
