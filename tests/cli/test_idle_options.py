"""An option that would do nothing is refused in one line, before anything is written."""

from pathlib import Path

import pytest
from conftest import Command, write_cells

PREDICTIONS = "slide,image,truth,cell_type\nS,1,monocyte,monocyte\nS,2,lymphocyte,monocyte\n"


@pytest.fixture
def run(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_cells(Path("in/S0/monocyte"), 3)
    write_cells(Path("in/S1/monocyte"), 3, first_seed=10)
    assert command("classify", "in", "--out", "run", "-q").code == 0
    for name in ("p.csv", "p2.csv"):
        Path(name).write_text(PREDICTIONS)
    Path("c.csv").write_text("slide,image,cell_type,reviewer\nS0,,,Ada\n")
    Path("orders.csv").write_text("slide,patient\nS0,p\nS1,p\n")
    return Path("run")


def everything(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Content and time of each file."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


REFUSED = {
    "--slide": [
        "run --slide typo",
        "run --slide typo --corrections c.csv",
        "run --slide typo --orders orders.csv",
        "run --slide S0 --spreadsheet",
    ],
    "--page-cells": ["run --spreadsheet --page-cells suspicious"],
    "--split": [
        "run --split test",
        "run --export hl7 --split test",
        "run --corrections c.csv --split test",
        "run --truth reported --split test",
        "p.csv --split test",
    ],
    "--leave-out": ["run --leave-out monocyte", "run --uncertain 2 --leave-out monocyte"],
    "--drop-duplicates": ["run --drop-duplicates", "run --spreadsheet --drop-duplicates"],
    "--unspecified-blasts": ["run --unspecified-blasts myeloblast", "run --explain --unspecified-blasts myeloblast"],
    "--ensemble": [
        "run --ensemble /nonexistent",
        "run --export hl7 --ensemble /nonexistent",
        "run --truth reported --ensemble /nonexistent",
        "p.csv --ensemble /nonexistent",
    ],
    "--device": ["run --device cpu", "run --truth reported --device cpu", "p.csv p2.csv --device cpu"],
}


@pytest.mark.usefixtures("run")
def test_a_report_refuses_an_option_that_would_do_nothing(command: Command) -> None:
    before = everything(Path())
    for option, arguments in ((option, each) for option, lines in REFUSED.items() for each in lines):
        outcome = command("report", *arguments.split())
        assert (outcome.code, len(outcome.err.splitlines())) == (2, 1), arguments
        assert (option if "typo" not in arguments else "no slide named typo") in outcome.err, arguments
    assert everything(Path()) == before


@pytest.mark.usefixtures("run")
def test_options_that_do_something_are_not_refused(command: Command) -> None:
    for arguments in (
        "run --slide S0",
        "run --slide S0 --page-cells suspicious",
        "run --slide S0 --corrections c.csv --orders orders.csv",
        "run --page-cells suspicious --orders orders.csv",
        "run --spreadsheet --device auto",
        "run --truth reported --leave-out lymphocyte --drop-duplicates --out e",
        "p.csv --leave-out lymphocyte --drop-duplicates --out f",
    ):
        outcome = command("report", *arguments.split())
        assert outcome.code == 0, outcome.err


def test_a_list_of_slides_refuses_what_only_classifying_needs(command: Command, tmp_path: Path) -> None:
    write_cells(tmp_path / "S0", 1)
    for arguments in ("--export bad", "--out /proc/x", "--quiet", "--settle 5", "--ensemble /none", "--force"):
        outcome = command("classify", tmp_path, "--list", *arguments.split())
        assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (2, "", 1)
        assert f"{arguments.split()[0]} does nothing with --list" in outcome.err
    assert command("classify", tmp_path, "--list", "--slide-depth", "1", "--format", "json").code == 0
