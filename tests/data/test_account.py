"""Nothing that a run finds is left out unsaid: empty slides, slides of one name, what is passed over; and `--list`."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command, draw_cell, write_cells


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two slides beside all that may lie beside slides, in the folder that commands run in."""
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    root = Path("night")
    write_cells(root / "26-0001", 3)
    write_cells(root / "26-0002" / "Signed slides" / "Lymphocyte", 2, first_seed=10)
    (root / "26-0003").mkdir()
    (root / "Stain").mkdir()
    (root / "26-0001" / "notes.txt").write_text("hello")
    (root / "26-0004").symlink_to(root.resolve() / "26-0001")
    write_cells(root / "@eaDir", 1)
    draw_cell(99).save(root / "26-0001" / "cell_old", "GIF")
    draw_cell(98).save(root / "26-0001" / "cell.JPG_old", "JPEG")
    return root


def rows(name: str) -> list[dict[str, str]]:
    with Path("run", name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def record() -> dict[str, object]:
    return dict(json.loads(Path("run/run.json").read_text()))


def test_an_empty_slide_is_a_row_of_its_own_and_the_exit_code_says_so(command: Command, night: Path) -> None:
    (night / "26-0001" / "cell_old").unlink()
    outcome = command("classify", night, "--out", "run")
    assert outcome.code == 3
    found = {row["slide"]: row for row in rows("differential.csv")}
    assert set(found) == {"26-0001", "26-0002", "26-0003"}
    empty = found["26-0003"]
    assert (empty["images"], empty["verdict"], empty["flags"]) == ("0", "insufficient", "no_images")
    assert empty["reasons"] == "no images: the folder is empty"
    assert "no images" in outcome.out
    assert "No images in the folder" in Path("run/report.html").read_text()
    assert {row["slide"] for row in rows("cells.csv")} == {"26-0001", "26-0002"}
    (night / "26-0003").rmdir()
    assert command("classify", night, "--out", "run").code == 0


def test_where_no_slide_has_an_image_the_exit_code_is_4(command: Command) -> None:
    for name in ("26-0001", "26-0002"):
        Path("night", name).mkdir(parents=True)
    Path("night/26-0001/readme.txt").write_text("no image")
    outcome = command("classify", "night", "--out", "run")
    assert outcome.code == 4
    assert outcome.err.strip().splitlines()[-1] == "error: no slide in night holds an image; see run.json"
    assert [(row["slide"], row["verdict"], row["reasons"]) for row in rows("differential.csv")] == [
        ("26-0001", "insufficient", "no images: the folder holds 1 other file"),
        ("26-0002", "insufficient", "no images: the folder is empty"),
    ]


def test_every_image_has_its_row_whatever_its_suffix(command: Command, night: Path) -> None:
    assert command("classify", night, "--out", "run", "--quiet").code == 3
    found = {row["image"]: row["status"] for row in rows("cells.csv") if row["slide"] == "26-0001"}
    assert {name for name, status in found.items() if status in ("classified", "unidentified")} == {
        *("cell_000.jpg", "cell_001.jpg", "cell_002.jpg", "cell.JPG_old")
    }
    assert found["cell_old"] == "unreadable"
    (failure,) = record()["failures"]  # type: ignore[misc]
    assert failure["reason"] == "a GIF image: only JPEG, PNG, BMP, TIFF and WebP are read"


def test_what_is_passed_over_is_in_the_summary_the_page_and_the_record(command: Command, night: Path) -> None:
    outcome = command("classify", night, "--out", "run")
    told = (
        "1 storage folder (@eaDir), 1 link that is not followed (26-0004), 1 other file (26-0001/notes.txt), "
        "1 empty folder (Stain)"
    )
    assert f"passed over: {told}" in " ".join(outcome.out.split())
    assert told in Path("run/report.html").read_text()
    assert record()["passed_over"] == {
        "storage_folders": {"count": 1, "names": ["@eaDir"]},
        "links": {"count": 1, "names": ["26-0004"]},
        "other_files": {"count": 1, "names": ["26-0001/notes.txt"]},
        "empty_folders": {"count": 1, "names": ["Stain"]},
    }
    shown = command("report", "run").out
    assert f"passed over: {told}" in " ".join(shown.split())


def test_a_layout_in_doubt_is_in_the_summary_the_page_and_the_record(command: Command, night: Path) -> None:
    write_cells(night / "BA", 1, first_seed=20)
    outcome = command("classify", night, "--out", "run")
    (remark,) = record()["layout"]  # type: ignore[misc]
    assert remark.startswith("BA: named like cells")
    assert remark.endswith("(otherwise use --slide-depth 0)")
    assert remark in " ".join(outcome.out.split())
    assert remark in Path("run/report.html").read_text()


def test_slides_of_one_name_have_rows_and_records_of_their_own(command: Command) -> None:
    write_cells(Path("S1"), 4)
    write_cells(Path("S1/S1"), 2, first_seed=10)
    for _ in range(2):
        assert command("classify", "S1", "--out", "run", "--quiet").code == 0
        assert {row["slide"]: row["images"] for row in rows("differential.csv")} == {"S1": "2", "S1/.": "4"}
        assert len(rows("cells.csv")) == 6
    assert len(list(Path("run/.finished").glob("*.json"))) == 2
    assert json.loads(Path("run/status.json").read_text())["slides_done"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_slides_whose_names_print_alike_have_rows_and_records_of_their_own(command: Command) -> None:
    names = (b"caf\xe9", b"caf\\xe9", "é".encode(), "e\u0301".encode())
    for number, name in enumerate(names):
        write_cells(Path("night", os.fsdecode(name)), number + 1, first_seed=10 * number)
    for _ in range(2):
        assert command("classify", "night", "--out", "run", "--quiet").code == 0
        assert sorted(int(row["images"]) for row in rows("differential.csv")) == [1, 2, 3, 4]
        assert len({row["slide"] for row in rows("cells.csv")}) == 4
    assert len(list(Path("run/.finished").glob("*.json"))) == 4
    assert command("report", "run").code == 0


def test_a_vanished_slide_keeps_its_row_and_the_slide_around_it_its_name(command: Command) -> None:
    write_cells(Path("in/S1"), 3)
    write_cells(Path("in/S1/S1"), 2, first_seed=10)
    root = Path("in").resolve() / "S1"
    assert command("classify", root, "--out", "run", "--quiet").code == 0
    shutil.rmtree(root / "S1")
    assert command("classify", root, "--out", "run", "--quiet").code == 0
    found = {row["slide"]: (row["images"], "vanished" in row["flags"]) for row in rows("differential.csv")}
    assert found == {"S1": ("2", True), "S1/.": ("3", False)}


def test_where_all_earlier_slides_have_gone_they_are_marked_and_the_exit_code_says_so(command: Command) -> None:
    write_cells(Path("in/S1"), 2)
    assert command("classify", "in", "--out", "run", "--quiet").code == 0
    shutil.rmtree("in/S1")
    assert command("classify", "in", "--out", "run", "--quiet").code == 3
    assert [(row["slide"], row["images"]) for row in rows("differential.csv")] == [("S1", "2")]
    assert "vanished" in rows("differential.csv")[0]["flags"]
    assert command("classify", "in", "--out", "other", "--quiet").code == 2


def test_a_slide_whose_folder_was_emptied_keeps_what_an_earlier_run_found_there(command: Command) -> None:
    write_cells(Path("in/S1"), 2)
    write_cells(Path("in/S2"), 2, first_seed=10)
    assert command("classify", "in", "--out", "run", "--quiet").code == 0
    cells = Path("run/cells.csv").read_bytes()
    shutil.rmtree("in/S1")
    Path("in/S1").mkdir()
    for _ in range(2):
        assert command("classify", "in", "--out", "run", "--quiet").code == 0
        assert Path("run/cells.csv").read_bytes() == cells
        flags = {row["slide"]: row["flags"].split(";") for row in rows("differential.csv")}
        assert {name for name, found in flags.items() if "vanished" in found} == {"S1"}


def test_a_slide_whose_images_made_way_for_other_slides_is_marked(command: Command) -> None:
    write_cells(Path("in/S1"), 2)
    assert command("classify", "in", "--out", "run", "--quiet").code == 0
    shutil.rmtree("in/S1")
    write_cells(Path("in/S1/S2"), 2, first_seed=10)
    assert command("classify", "in", "--out", "run", "--quiet").code == 0
    flags = {row["slide"]: row["flags"].split(";") for row in rows("differential.csv")}
    assert set(flags) == {"S1", "S1/S2"}
    assert {name for name, found in flags.items() if "vanished" in found} == {"S1"}


def test_list_shows_slides_and_classifies_nothing(command: Command, night: Path) -> None:
    before = sorted(Path().rglob("*"))
    outcome = command("classify", night, "--list")
    assert outcome.code == 0
    assert [line.split() for line in outcome.out.splitlines()[:4]] == [
        ["slide", "images", "recognised", "by"],
        ["26-0001", "5", "flat"],
        ["26-0002", "2", "Signed", "slides/<class>"],
        ["26-0003", "0", "empty:", "the", "folder", "is", "empty"],
    ]
    assert "slides: 3, images: 7, unreadable: 1" in outcome.out
    assert "passed over: 1 link that is not followed (26-0004)" in outcome.out
    assert sorted(Path().rglob("*")) == before


def test_list_is_told_to_scripts(command: Command, night: Path) -> None:
    found = json.loads(command("classify", night, "--list", "--format", "json", "--slide-depth", "1").out)
    assert [(slide["slide"], slide["images"], slide["recognised_by"]) for slide in found["slides"]] == [
        ("26-0001", 5, "--slide-depth 1"),
        ("26-0002", 2, "--slide-depth 1"),
        ("26-0003", 0, "--slide-depth 1"),
    ]
    assert found["passed_over"]["links"]["names"] == ["26-0004"]


def test_list_of_what_holds_no_slide_is_bad_input(command: Command) -> None:
    Path("empty").mkdir()
    assert command("classify", "empty", "--list").code == 2
    assert command("classify", "missing", "--list").code == 2


def test_list_imports_nothing_that_classifies(night: Path) -> None:
    code = (
        "import sys; sys.argv = ['slidescreen', 'classify', sys.argv[1], '--list']\n"
        "from slidescreen.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'openvino', 'timm', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(night)], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
