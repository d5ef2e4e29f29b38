"""A verdict that changes without new images is named, and the slide stands among the new ones for a night."""

import csv
import json
from pathlib import Path

import pytest
from conftest import Command, write_cells

OUT, LIMITS = Path("run"), ("--thresholds", "lab.toml")


@pytest.fixture
def night(night: Path, command: Command) -> Path:
    """Two slides, classified by the usual limits. With those of the laboratory they would not be insufficient."""
    write_cells(night / "S0", 2, first_seed=10)
    Path("lab.toml").write_text("[cells]\nleast_leukocytes = 1\n")
    assert command("classify", night, "--out", OUT).code == 0
    assert set(verdicts().values()) == {"insufficient"}
    return night


def record() -> dict[str, object]:
    return dict(json.loads((OUT / "run.json").read_text()))


def verdicts() -> dict[str, str]:
    with (OUT / "differential.csv").open(newline="", encoding="utf-8") as file:
        return {row["slide"]: row["verdict"] for row in csv.DictReader(file)}


def changed() -> list[dict[str, str]]:
    return [{"slide": name, "before": "insufficient", "now": verdicts()[name]} for name in ("S0", "S1")]


def test_slides_whose_verdict_changes_by_other_limits_are_named_for_a_night(command: Command, night: Path) -> None:
    outcome = command("classify", night, "--out", OUT, "--log-file", "log.jsonl", *LIMITS)
    assert outcome.code == 0
    assert "insufficient" not in verdicts().values()
    assert record()["changed_verdicts"] == changed()
    assert record()["earlier_slides"] == ["S0", "S1"]  # the calls are not new
    told = "verdict changed since the last run, with the same calls: S0 (insufficient before, now "
    assert told in " ".join(outcome.err.split())
    assert outcome.out.count("insufficient before") == 2
    events = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [{name: each[name] for name in ("slide", "before", "now")} for each in events if each["event"] == "verdict"]
    assert [each["slide"] for each in events if each["event"] == "verdict"] == ["S0", "S1"]
    for _ in range(2):
        assert (OUT / "report.html").read_text().count('<em class="new">insufficient before</em>') == 2
        assert command("report", OUT).code == 0
    again = command("classify", night, "--out", OUT, *LIMITS)
    assert "verdict changed" not in again.err
    assert "changed_verdicts" not in record()
    assert (OUT / "report.html").read_text().count(" before</em>") == 0


def test_changed_verdicts_come_before_earlier_slides_of_more_urgency(command: Command, night: Path) -> None:
    command("classify", night, "--out", OUT, *LIMITS)
    row, lines = verdicts()["S1"], (OUT / "differential.csv").read_text().splitlines(keepends=True)
    other = next(name for name in ("review", "clear") if name != row)
    (OUT / "differential.csv").write_text("".join([*lines[:2], lines[2].replace(f",{row},", f",{other},")]))
    outcome = command("classify", night, "--out", OUT, *LIMITS, "--format", "json")
    worklist = json.loads(outcome.out)["worklist"]
    assert [(slide["slide"], slide.get("verdict_before")) for slide in worklist] == [("S1", other), ("S0", None)]


def test_a_slide_with_other_images_is_new_and_not_changed(command: Command, night: Path) -> None:
    write_cells(night / "S1", 2, first_seed=50)
    command("classify", night, "--out", OUT, *LIMITS)
    assert record()["changed_verdicts"] == changed()[:1]
    assert record()["earlier_slides"] == ["S0"]


def test_changes_that_an_interrupted_night_found_are_still_shown(command: Command, night: Path) -> None:
    command("classify", night, "--out", OUT, *LIMITS)
    (OUT / "run.json").write_text(json.dumps({**record(), "complete": False}))
    command("classify", night, "--out", OUT, *LIMITS)
    assert record()["changed_verdicts"] == changed()


@pytest.mark.parametrize("damage", [b"", b"slide,images\nS0,2\n", b"\xff\xfe", b'slide,verdict\n"S0'])
def test_a_damaged_table_of_the_last_run_stops_no_night(damage: bytes, command: Command, night: Path) -> None:
    (OUT / "differential.csv").write_bytes(damage)
    assert command("classify", night, "--out", OUT, *LIMITS).code == 0
    assert "insufficient" not in verdicts().values()
