"""The worklist on the terminal."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from test_tables import blast_slide

from slidescreen.errors import InputError
from slidescreen.reporting.flag_words import short_flags
from slidescreen.reporting.worklist import show_run, show_slide
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.results import Run, SlideResult

Lines = Callable[[int], list[str]]


def named(name: str, verdict: Verdict, flags: tuple[str, ...] = (), reasons: tuple[str, ...] = ()) -> SlideResult:
    return replace(blast_slide(name), finding=Finding(verdict, flags, reasons))


def run_of(*slides: SlideResult) -> Run:
    counts = {"slides": len(slides), "classified": 5, "unidentified": 0, "duplicate": 0, "unreadable": 0}
    return Run(tuple(slides), (), {"counts": counts, "drift": []})


@pytest.fixture(scope="module")
def run() -> Run:
    urgent = named("26-0001", Verdict.URGENT, ("blasts", "blasts_5", "blasts_20", "lineage_myeloid"), ("48 blasts",))
    clear = [named(f"26-{number:04}", Verdict.CLEAR, (), ("nothing found",)) for number in range(2, 41)]
    return run_of(*clear, urgent)


@pytest.mark.parametrize("width", [80, 160])
def test_each_slide_takes_one_line(
    run: Run, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    show_run(run, Path("out"))
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in lines)
    assert lines[0] == "40 slides: 1 urgent, 39 clear"
    first = next(line for line in lines if "26-0001" in line)
    assert first.split()[:2] == ["▲", "urgent"]
    assert "blasts ≥20%, myeloid" in first
    assert len(lines) < 40 + 10
    assert not any("48 blasts" in line for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "utf-8"])
def test_an_output_without_the_symbols_cuts_no_verdict_off(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slides = [named(f"{verdict} of Łódź", verdict, ("blasts", "blasts_20")) for verdict in Verdict]
    monkeypatch.setenv("COLUMNS", "80")
    written = io.TextIOWrapper(io.BytesIO(), encoding, "slidescreen.spell", write_through=True)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", written)
        show_run(run_of(*slides), Path("out"))
        for slide in slides:
            show_slide(run_of(*slides), slide.name)
    written.seek(0)
    lines = [line for line in written.read().splitlines() if " of " in line]
    symbols = {Verdict.URGENT: "▲", Verdict.REVIEW: "◆", Verdict.INSUFFICIENT: "○", Verdict.CLEAR: "✓"}
    for verdict in Verdict:
        shown = f"{symbols[verdict]} {verdict}".encode(encoding, "slidescreen.spell").decode(encoding)
        assert [line.split("  ")[0].rstrip() for line in lines if f"{verdict} of" in line] == [shown] * 2
    assert all(len(line) <= 80 and "20%" in line for line in lines)


def test_long_names_stay_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "ward-7/2026-11-23/26-0001-of-a-laboratory-with-long-names"
    show_run(run_of(named(name, Verdict.INSUFFICIENT, ("too_few_cells",))), Path("out"))
    printed = capsys.readouterr().out
    column = [line[16:] for line in printed.splitlines()[4:]]
    assert name in "".join(part.split("  ")[0].strip() for part in column)


def test_reasons_are_given_to_those_who_ask(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show_run(run, Path("out"), reasons=True)
    assert capsys.readouterr().out.count("nothing found") == 39
    show_slide(run, "26-0001")
    assert "48 blasts" in capsys.readouterr().out
    with pytest.raises(InputError, match="no slide named 26-9999"):
        show_slide(run, "26-9999")


def test_flags_are_short_and_none_is_lost() -> None:
    assert short_flags(("blasts", "blasts_5")) == "blasts ≥5%"
    assert short_flags(("ig", "left_shift", "something_new")) == "IG, left shift, something_new"
    assert short_flags(()) == ""
