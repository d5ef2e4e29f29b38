"""`classify --export` and `report --export`: what they write, where, and what they refuse."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.exchange import options
from slidescreen.exchange.formats import WRITERS
from slidescreen.exchange.options import ExportFormat
from slidescreen.files.legal_names import distinct_names
from slidescreen.runs import result_export

NAMES = ("A1", "a1", "night|1^&")


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """Three slides, whose names differ in capitals alone or hold what HL7 uses itself."""
    for number, name in enumerate(NAMES):
        write_cells(tmp_path / "in" / name, 3, first_seed=10 * number)
    return tmp_path / "in"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_there_is_a_writer_for_each_format() -> None:
    assert {*WRITERS} == {*ExportFormat}


def test_a_night_writes_a_file_a_slide_and_format_and_report_writes_the_same(
    command: Command, slides: Path, tmp_path: Path
) -> None:
    done = command("classify", slides, "--out", tmp_path / "run", "--export", "fhir,hl7")
    assert done.code == 0
    assert f"exported to {tmp_path / 'run' / 'export'}: 6 files" in done.err + done.out
    first = contents(tmp_path / "run" / "export")
    assert len({name.casefold() for name in first}) == 6
    assert "a1.hl7" in first
    again = command("report", tmp_path / "run", "--export", "hl7,fhir", "--out", tmp_path / "out")
    assert again.code == 0
    assert contents(tmp_path / "out") == first
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name not in first] == []


def test_a_later_night_exports_only_what_is_new(command: Command, slides: Path, tmp_path: Path) -> None:
    arguments = ("classify", slides, "--out", tmp_path / "run", "--export", "hl7")
    command(*arguments)
    taken = contents(tmp_path / "run" / "export")
    for name in taken:  # as an interface engine does
        (tmp_path / "run" / "export" / name).unlink()
    write_cells(slides / "new", 3, first_seed=90)
    shutil.rmtree(slides / "a1")  # gone: no news
    assert command(*arguments).code == 0
    assert {*contents(tmp_path / "run" / "export")} == {"new.hl7"}
    shutil.rmtree(tmp_path / "run" / "export")  # whoever wants all again
    command(*arguments)
    again = contents(tmp_path / "run" / "export")
    assert {*again} == {*taken, "new.hl7"}
    kept = {name for name in taken if name != "a1.hl7"}
    assert {name: again[name] for name in kept} == {name: taken[name] for name in kept}


def test_what_changed_is_exported_again(command: Command, slides: Path, tmp_path: Path) -> None:
    arguments = ("classify", slides, "--out", tmp_path / "run", "--export", "hl7")
    command(*arguments)
    before = contents(tmp_path / "run" / "export")
    write_cells(slides / "A1", 5, first_seed=500)
    command(*arguments)
    after = contents(tmp_path / "run" / "export")
    assert [name for name in after if after[name] != before[name]] == [n for n in after if n.startswith("A1")]


def test_an_order_that_comes_later_is_exported(command: Command, slides: Path, tmp_path: Path) -> None:
    arguments = ("classify", slides, "--out", tmp_path / "run", "--export", "hl7", "--orders", tmp_path / "orders.csv")
    (tmp_path / "orders.csv").write_text("slide,patient\nA1,1\n")
    first = command(*arguments)
    assert "a1, night|1^&" in first.err
    assert b"\rPID|" not in contents(tmp_path / "run" / "export")["a1.hl7"]
    (tmp_path / "orders.csv").write_text("slide,patient\nA1,1\na1,2\nnight|1^&,3\n")
    assert "warning" not in command(*arguments).err
    assert b"\rPID|1||2||" in contents(tmp_path / "run" / "export")["a1.hl7"]


def test_what_cannot_be_written_costs_itself_alone(command: Command, slides: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "export" / "a1.hl7").mkdir(parents=True)
    done = command("classify", slides, "--out", tmp_path / "run", "--export", "hl7")
    assert done.code == 3
    assert "a1.hl7" in done.err
    assert len(contents_of_files(tmp_path / "run" / "export")) == 2
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["unwritten_files"] == [str(tmp_path / "run" / "export" / "a1.hl7")]
    assert (tmp_path / "run" / "report.html").exists()


def contents_of_files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]


def test_a_folder_that_is_a_file_costs_the_export_alone(command: Command, slides: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "export").touch()
    done = command("classify", slides, "--out", tmp_path / "run", "--export", "hl7")
    assert done.code == 3
    assert (tmp_path / "run" / "run.json").exists()


def test_slides_of_one_accession_number_make_the_exit_code_3(command: Command, slides: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = command("classify", slides, "--out", out, "--export", "hl7", "--order-pattern", "(?i)(?P<accession>a)1")
    assert done.code == 0  # A and a are two
    write_cells(slides / "A1x", 3, first_seed=70)
    pattern = ("--order-pattern", "(?P<accession>A)1")
    again = command("classify", slides, "--out", out, "--export", "hl7", *pattern)
    assert again.code == 3
    assert "A1, A1x; --sum-accessions adds them up" in again.err
    report = command("report", out, "--export", "hl7", "--out", tmp_path / "o", *pattern)
    assert report.code == 3
    assert {*contents(tmp_path / "o")} >= {"a1.hl7"}
    assert not [name for name in contents(tmp_path / "o") if name.startswith("A1")]
    summed = command("report", out, "--export", "hl7", "--out", tmp_path / "o", *pattern, "--sum-accessions")
    assert summed.code == 0
    assert "A1+A1x.hl7" in contents(tmp_path / "o")


def test_nothing_is_exported_into_the_input(command: Command, slides: Path, tmp_path: Path) -> None:
    command("classify", slides, "--out", tmp_path / "run")
    before = sorted(slides.rglob("*"))
    (tmp_path / "link").symlink_to(slides / "A1")
    for place in (slides / "export", slides / "A1", tmp_path / "link"):
        refused = command("report", tmp_path / "run", "--export", "hl7", "--out", place)
        assert (refused.code, len(refused.err.splitlines())) == (2, 1)
        assert "the input is never written to" in refused.err
    (tmp_path / "run" / "export").symlink_to(slides)
    assert command("classify", slides, "--out", tmp_path / "run", "--export", "hl7").code == 2
    assert sorted(slides.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--export", "pdf"), "--export must be one of fhir, hl7, not pdf"),
        (("--export", "fhir,"), "--export must be one of fhir, hl7, not"),
        (("--codes", "c.toml"), "--codes needs --export"),
        (("--sum-accessions",), "--sum-accessions needs --export"),
        (("--export", "hl7", "--order-pattern", "x"), "--order-pattern needs a group"),
    ],
)
def test_a_bad_request_is_one_line_before_anything_is_classified(
    arguments: tuple[str, ...], said: str, command: Command, slides: Path, tmp_path: Path
) -> None:
    refused = command("classify", slides, "--out", tmp_path / "run", *arguments)
    assert refused.code == 2
    assert said in refused.err
    assert len(refused.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("--orders", None, "No such file"),
        ("--orders", "slide,patient\nS,1\nS,2\n", "line 3: another line says otherwise of the slide 'S'"),
        ("--codes", None, "No such file"),
    ],
)
def test_a_file_that_only_the_export_needs_suspends_the_export_and_not_the_night(
    option: str, content: str | None, said: str, command: Command, tmp_path: Path
) -> None:
    write_cells(tmp_path / "in" / "S", 1)
    side = tmp_path / "side"
    if content is not None:
        side.write_text(content)
    arguments = ("classify", tmp_path / "in", "--out", tmp_path / "run", "--export", "hl7", option, side)
    done = command(*arguments)
    assert done.code == 3
    assert said in done.err
    assert done.err.count("nothing is exported") == 1
    assert (tmp_path / "run" / "differential.csv").exists()
    assert not (tmp_path / "run" / "export").exists()
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["unwritten_files"] == [str(tmp_path / "run" / "export")]
    side.write_text("slide,patient\nS,42\n" if option == "--orders" else "")
    assert command(*arguments).code == 0
    exported = contents(tmp_path / "run" / "export")["S.hl7"]
    assert (b"\rPID|1||42||" in exported) == (option == "--orders")


def test_an_export_is_of_a_run_alone(command: Command, slides: Path, tmp_path: Path) -> None:
    command("classify", slides, "--out", tmp_path / "run")
    for others in (("--explain",), ("--spreadsheet",), ("--slide", "a1"), ("--truth", "reported")):
        refused = command("report", tmp_path / "run", "--export", "hl7", *others)
        assert (refused.code, len(refused.err.splitlines())) == (2, 1)
        assert "--export" in refused.err
    assert command("report", slides, "--export", "hl7").code == 2
    assert not (tmp_path / "run" / "export").exists()


def test_without_the_extra_fhir_is_refused_and_hl7_is_not(
    command: Command, slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "_is_installed", lambda package: package != "fhir.resources")
    refused = command("classify", slides, "--out", tmp_path / "run", "--export", "hl7,fhir")
    assert refused.code == 2
    assert "pip install fhir.resources" in refused.err
    assert not (tmp_path / "run").exists()
    assert command("classify", slides, "--out", tmp_path / "run", "--export", "hl7").code == 0


def test_an_interrupt_amid_the_export_keeps_the_night(
    command: Command, slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(result_export, "export_night", interrupted)
        assert command("classify", slides, "--out", tmp_path / "run", "--export", "hl7").code == 130
    assert json.loads((tmp_path / "run" / "run.json").read_text())["counts"]["slides"] == 3
    assert command("classify", slides, "--out", tmp_path / "run", "--export", "hl7").code == 0
    assert len(contents(tmp_path / "run" / "export")) == 3


def test_an_archive_is_exported_too(command: Command, slides: Path, tmp_path: Path) -> None:
    command("classify", slides, "--out", tmp_path / "run")
    shutil.rmtree(slides / "A1")
    command("classify", slides, "--out", tmp_path / "run", "--keep", "0")
    (month,) = (tmp_path / "run" / "archive").iterdir()
    assert command("report", month, "--export", "fhir,hl7", "--out", tmp_path / "out").code == 0
    assert {*contents(tmp_path / "out")} == {"A1.fhir.json", "A1.hl7"}
    assert "exported 1 file to: " in command("report", month, "--export", "hl7", "--out", tmp_path / "one").out


def test_names_of_files_differ_also_where_capitals_do_not_count() -> None:
    texts = ["A1", "a1", "é", "e\u0301", "CON", "x/y", "x_y", "A1-559aead0"]
    names = distinct_names(texts, ".hl7")
    assert len({name.casefold() for name in names}) == len(texts)
    assert names[1] == "a1.hl7"
    assert distinct_names(["S"], ".fhir.json") == ["S.fhir.json"]
    assert os.sep not in "".join(names)
