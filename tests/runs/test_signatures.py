"""A signature stands over the types that the signer saw. A later change takes it away."""

import json
from pathlib import Path

import pytest
from conftest import Command
from test_corrections import Line, cell, corrections, run, signature, table

__all__ = ["run"]  # a fixture


def at(hour: int) -> str:
    return f"2026-11-24T{hour:02d}:00:00Z"


def other_type(number: int, slide: str = "S0") -> str:
    """A type that the run did not give the cell."""
    image = f"cell_{number:03d}.jpg"
    (called,) = (row["cell_type"] for row in table("cells.csv") if (row["slide"], row["image"]) == (slide, image))
    return "basophil" if called != "basophil" else "eosinophil"


def called(number: int) -> str:
    (found,) = (row for row in table("cells.csv") if row["slide"] == "S0" and row["image"] == f"cell_{number:03d}.jpg")
    return found["cell_type"] or "unidentified"


def give(command: Command, run: Path, *lines: Line) -> str:
    outcome = command("report", run, "--corrections", corrections(*lines), "--slide", "S0")
    assert outcome.code == 0, outcome.err
    return str(outcome.out)


def signed() -> bool:
    (found,) = json.loads(Path("run/run.json").read_text())["reviewed_slides"]
    return bool(found["signed"])


def test_a_change_by_another_reviewer_takes_a_signature_away(command: Command, run: Path) -> None:
    give(command, run, signature(time=at(8)))
    assert signed()
    said = give(command, run, cell(0, other_type(0), reviewer="Bob", time=at(9)))
    assert not signed()
    assert "reviewed and not signed by Bob, 2026-11-24T09:00:00Z: 1 cell changed" in said
    assert "Ada signed before a cell was given another type: this signature does not count" in said
    assert table("differential.csv")[0]["reviewed_by"] == "Bob"
    assert "this signature does not count" in Path("run/report.html").read_text(encoding="utf-8")
    give(command, run, signature(time=at(10)))
    assert signed()


def test_both_in_one_file_are_the_same(command: Command, run: Path) -> None:
    give(command, run, signature(time=at(8)), cell(0, other_type(0), reviewer="Bob", time=at(9)))
    assert not signed()


@pytest.mark.parametrize("before", [None, "lymphoblast"])
def test_the_signers_own_later_change_takes_it_away(before: str | None, command: Command, run: Path) -> None:
    first = [cell(0, before, time=at(7))] if before else []
    give(command, run, *first, signature(time=at(8)))
    assert signed()
    later = cell(0, called(0) if before else other_type(0), time=at(9))
    for _ in range(2):  # also when the file is given again
        give(command, run, later)
        assert not signed()


def test_what_agrees_with_the_signed_types_leaves_a_signature(command: Command, run: Path) -> None:
    wanted = other_type(0)
    give(command, run, cell(0, wanted, time=at(7)), signature(time=at(8)))
    said = give(
        command,
        run,
        cell(0, wanted, reviewer="Bob", time=at(9)),
        cell(1, called(1), reviewer="Bob", time=at(9)),
    )
    assert signed()
    assert f"signed by Ada, {at(8)}: 1 cell changed" in said  # the time is that of the signature
    assert table("differential.csv")[0]["reviewed_at"] == at(8)


def test_what_the_signer_repeats_leaves_a_signature(command: Command, run: Path) -> None:
    wanted = other_type(0)
    give(command, run, cell(0, wanted, time=at(7)), signature(time=at(8)))
    for hour in (9, 10):
        give(command, run, cell(0, wanted, time=at(hour)))
        assert signed()
    once = (run / "reviews.csv").read_bytes()
    give(command, run, cell(0, wanted, time=at(10)))
    assert (run / "reviews.csv").read_bytes() == once
    give(command, run, cell(0, called(0), time=at(9)))  # earlier than what was repeated
    assert signed()
    give(command, run, cell(0, called(0), time=at(11)))
    assert not signed()
    give(command, run, cell(0, called(0), time=at(12)))
    assert not signed()


def test_what_was_said_at_an_unknown_time_and_is_repeated_leaves_a_signature(command: Command, run: Path) -> None:
    give(command, run, cell(0, other_type(0), time=""), signature(time=at(8)))
    give(command, run, cell(0, other_type(0), time=at(9)))
    assert signed()


def test_of_two_signatures_the_one_after_the_change_counts(command: Command, run: Path) -> None:
    give(command, run, signature(time=at(8)))
    bob = (cell(0, other_type(0), reviewer="Bob", time=at(9)), signature(reviewer="Bob", time=at(10)))
    said = give(command, run, *bob)
    assert signed()
    assert f"signed by Bob, {at(10)}: 1 cell changed" in said
    assert table("differential.csv")[0]["reviewed_by"] == "Bob"
