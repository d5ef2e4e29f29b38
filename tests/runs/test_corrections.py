"""Corrections come back to their run: they recount it, all or none, and no later night loses them."""

import csv
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Command, draw_cell, write_cells

import slidescreen

HEADER = ("slide", "image", "cell_type", "previous_type", "reviewer", "time", "comment", "run")
Line = Sequence[str]


@pytest.fixture
def run(command: Command) -> Path:
    """Two slides of five cells, classified."""
    for number in range(2):
        write_cells(Path(f"night/S{number}"), 5, first_seed=10 * number)
    assert command("classify", "night", "--out", "run").code == 0
    return Path("run")


def corrections(*lines: Line, name: str = "corrections.csv", separator: str = ",", encoding: str = "utf-8") -> Path:
    text = "\r\n".join(separator.join(line) for line in (HEADER, *lines))
    Path(name).write_bytes(text.encode(encoding))
    return Path(name)


def cell(
    number: int, cell_type: str, slide: str = "S0", reviewer: str = "Ada", time: str = "2026-11-24T08:00:00Z"
) -> Line:
    return (slide, f"cell_{number:03d}.jpg", cell_type, "", reviewer, time, "", "")


def signature(slide: str = "S0", reviewer: str = "Ada", time: str = "2026-11-24T08:15:00Z") -> Line:
    return (slide, "", "", "", reviewer, time, "", "")


def table(name: str, run: str = "run") -> list[dict[str, str]]:
    with Path(run, name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def reviewed(slide: str = "S0") -> dict[str, tuple[str, str]]:
    """What was said of a slide's cells, by their numbers."""
    rows = [row for row in table("cells.csv") if row["slide"] == slide]
    return {row["image"][-7:-4]: (row.get("reviewed_type", ""), row.get("reviewer", "")) for row in rows}


def everything(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file() and path.suffix != ".lock"}


def test_reviews_behind_a_link_are_added_to_where_they_lie(command: Command, run: Path) -> None:
    Path("shared").mkdir()
    (run / "reviews.csv").symlink_to(Path("../shared/reviews.csv"))
    for number in range(2):
        given = corrections(cell(number, "lymphoblast"), name=f"{number}.csv")
        assert command("report", run, "--corrections", given).code == 0
        assert (run / "reviews.csv").is_symlink()
        assert [row["image"] for row in table("reviews.csv", "shared")] == ["cell_000.jpg", "cell_001.jpg"][
            : number + 1
        ]
    assert {reviewed()[number][0] for number in ("000", "001")} == {"lymphoblast"}


def test_corrections_recount_a_slide_and_keep_the_calls(command: Command, run: Path) -> None:
    before, slides = table("cells.csv"), table("differential.csv")
    outcome = command(
        "report", run, "--corrections", corrections(cell(0, "lymphoblast"), cell(1, "artefact"), signature())
    )
    assert outcome.code == 0
    assert "reviewed: 1 of 2 slides signed, 2 cells changed\n" in outcome.out
    after = table("cells.csv")
    assert [{name: row[name] for name in before[0]} for row in after] == before
    assert list(after[0])[-2:] == ["reviewed_type", "reviewer"]
    called = {row["image"][-7:-4]: row["cell_type"] for row in before if row["slide"] == "S0"}
    wanted = called | {"000": "lymphoblast", "001": "artefact"}
    assert reviewed() == {number: (cell_type, "Ada") for number, cell_type in wanted.items()}
    assert set(reviewed("S1").values()) == {("", "")}
    first, second = table("differential.csv")
    assert {name: first[name] for name in slides[0]} == slides[0]  # the verdict, too
    assert (first["reviewed_by"], first["reviewed_at"]) == ("Ada", "2026-11-24T08:15:00Z")
    leukocytes = [each for each in wanted.values() if each in slidescreen.cells.LEUKOCYTES]
    assert first["lymphoblast_reviewed_count"] == str(leukocytes.count("lymphoblast"))
    share = 100 * leukocytes.count("lymphoblast") / len(leukocytes)
    assert first["lymphoblast_reviewed_percent"] == f"{share:.3f}"
    blasts = leukocytes.count("lymphoblast") + leukocytes.count("myeloblast")
    assert first["blasts_reviewed_count"] == str(blasts)
    assert second["reviewed_by"] == second["blasts_reviewed_count"] == ""
    assert json.loads(Path("run/run.json").read_text())["reviewed_slides"] == [
        {
            "slide": "S0",
            "reviewed_by": ["Ada"],
            "reviewed_at": "2026-11-24T08:15:00Z",
            "signed": True,
            "changed_cells": len([1 for number in ("000", "001") if wanted[number] != called[number]]),
        }
    ]
    page = Path("run/report.html").read_text()
    assert "signed by Ada" in page
    assert "Ada: Lymphoblast" in page


def test_a_slide_with_corrections_alone_is_not_signed(command: Command, run: Path) -> None:
    outcome = command("report", run, "--corrections", corrections(cell(0, "basophil")), "--slide", "S0")
    assert outcome.code == 0
    assert "begun" in outcome.out
    assert "reviewed and not signed by Ada" in outcome.out
    assert reviewed() == {"000": ("basophil", "Ada"), **{f"00{number}": ("", "") for number in range(1, 5)}}


def test_data_frames_have_the_reviewed_columns(command: Command, run: Path) -> None:
    command("report", run, "--corrections", corrections(cell(0, "basophil", reviewer="=Ada"), signature()))
    read = slidescreen.read_run(run)
    cells, slides = read.cells(), read.differentials()
    assert cells.reviewer[0] == "=Ada"
    assert cells.reviewer[5:].isna().all()
    assert cells.reviewed_type.dtype == "string"
    assert slides.basophil_reviewed_count.isna().tolist() == [False, True]
    assert slides.basophil_reviewed_count[0] >= 1
    assert slides.reviewed_by.isna().tolist() == [False, True]


UNUSABLE = (
    (cell(0, "plasma cell"), "line 3: unknown cell type 'plasma cell'"),
    (cell(0, "blast"), "line 3: the cell type 'blast' gives no lineage"),
    (cell(0, ""), "line 3: the cell type is missing"),
    (cell(9, "basophil"), "line 3: the slide 'S0' has no image 'cell_009.jpg'"),
    (cell(0, "basophil", "S11"), "line 3: the run has no slide 'S11' (did you mean 'S1'?)"),
    (cell(0, "basophil", ""), "line 3: the slide is missing"),
    (cell(0, "basophil", reviewer=" "), "line 3: the reviewer is missing"),
    (("S0", "", "basophil", "", "Ada", "", "", ""), "line 3: the image is missing"),
    ((*cell(0, "basophil")[:7], "0" * 32), f"line 3: it is of another run ('{'0' * 32}'; this one is '"),
    (cell(1, "monocyte", reviewer="Bob"), "line 3): let them agree first"),
    (cell(1, "monocyte"), "and 'basophil' in corrections.csv, line 2; no time says which is the later"),
    ((*cell(0, "basophil"), "more"), "line 3: 'more' has no column in the header"),
    (('"S0', *cell(0, "basophil")[1:]), "line 3: a quotation mark is opened and never closed"),
)


def test_what_cannot_be_used_is_one_line_and_changes_nothing(command: Command, run: Path) -> None:
    before = everything(run)
    for line, said in UNUSABLE:
        outcome = command("report", run, "--corrections", corrections(cell(1, "basophil"), line))
        assert (outcome.code, outcome.err.count("\n")) == (2, 1), said
        assert said in outcome.err
        assert everything(run) == before


@pytest.mark.parametrize(("separator", "encoding"), [(";", "cp1252"), ("\t", "utf-16"), (",", "utf-8-sig")])
def test_files_as_spreadsheets_save_them_are_read(separator: str, encoding: str, command: Command, run: Path) -> None:
    file = corrections(cell(0, "Blast, lymphoid", reviewer="Jörg"), separator=separator, encoding=encoding)
    if separator == ",":
        file = corrections(cell(0, '"Blast, lymphoid"', reviewer="Jörg"), encoding=encoding)
    assert command("report", run, "--corrections", file).code == 0
    assert reviewed()["000"] == ("lymphoblast", "Jörg")


def test_a_file_made_by_hand_needs_no_more_than_four_columns(command: Command, run: Path) -> None:
    Path("mine.csv").write_text("Slide,Image,Cell type,Reviewer\ns0,CELL_000.JPG,NRBC,Ada\nS0,,,Ada\n")
    assert command("report", run, "--corrections", "mine.csv").code == 0
    assert reviewed()["000"] == ("erythroblast", "Ada")
    assert table("differential.csv")[0]["reviewed_at"] == ""


def test_two_reviewers_who_agree_are_both_named(command: Command, run: Path) -> None:
    ada = corrections(cell(0, "basophil"), signature(), name="ada.csv")
    bob = corrections(
        cell(0, "basophil", reviewer="Bob"), cell(0, "monocyte", "S1", "Bob"), signature("S1", "Bob"), name="bob.csv"
    )
    assert command("report", run, "--corrections", ada, "--corrections", bob).code == 0
    assert reviewed()["000"] == ("basophil", "Ada; Bob")
    assert [row["reviewed_by"] for row in table("differential.csv")] == ["Ada", "Bob"]


def test_a_reviewer_changes_his_mind(command: Command, run: Path) -> None:
    command("report", run, "--corrections", corrections(cell(0, "basophil")))
    command("report", run, "--corrections", corrections(cell(0, "monocyte", time="2026-11-24T09:00:00Z")))
    assert reviewed()["000"] == ("monocyte", "Ada")
    command("report", run, "--corrections", corrections(cell(0, "basophil")))  # the older file once more
    assert reviewed()["000"] == ("monocyte", "Ada")


def test_the_same_file_again_changes_nothing(command: Command, run: Path) -> None:
    file = corrections(cell(0, "basophil"), signature())
    command("report", run, "--corrections", file)
    once = everything(run)
    assert command("report", run, "--corrections", file).code == 0
    assert everything(run) == once


@pytest.mark.skipif(sys.platform == "win32", reason="no name there ends with a space")
def test_later_nights_keep_the_review_of_a_slide_whose_name_has_outer_spaces(command: Command) -> None:
    write_cells(Path("night/ S0 "), 3)
    assert command("classify", "night", "--out", "run").code == 0
    file = corrections(cell(0, "basophil", slide="S0"), signature(" S0 "))  # by hand, and as the page writes it
    assert command("report", "run", "--corrections", file).code == 0
    assert command("classify", "night", "--out", "run").code == 0
    assert reviewed(" S0 ")["000"] == ("basophil", "Ada")
    assert table("differential.csv")[0]["reviewed_by"] == "Ada"


def test_later_nights_keep_reviews(command: Command, run: Path) -> None:
    command("report", run, "--corrections", corrections(cell(0, "basophil"), signature()))
    before = {name: Path(run, name).read_bytes() for name in ("cells.csv", "differential.csv", "reviews.csv")}
    assert command("classify", "night", "--out", "run").code == 0
    assert {name: Path(run, name).read_bytes() for name in before} == before
    assert command("classify", "night", "--out", "run", "--force").code == 0
    assert {name: Path(run, name).read_bytes() for name in before} == before
    shutil.move("night/S0", "gone")
    assert command("classify", "night", "--out", "run").code == 0
    assert reviewed()["000"] == ("basophil", "Ada")
    assert command("classify", "night", "--out", "run", "--keep", "0").code == 0
    assert reviewed() == {}
    assert command("report", next(Path("run/archive").iterdir())).code == 0  # where the slide is now
    archived = next(Path("run/archive").iterdir())
    assert [row["reviewer"] for row in table("cells.csv", str(archived))] == ["Ada"] * 5


def test_corrections_of_an_archived_slide_count(command: Command, run: Path) -> None:
    identity = json.loads((run / "run.json").read_text())["run"]
    shutil.move("night/S0", "gone")
    command("classify", "night", "--out", "run", "--keep", "0")
    archived = next(Path("run/archive").iterdir())
    line = (*cell(0, "basophil")[:7], identity)
    assert command("report", archived, "--corrections", corrections(line)).code == 0
    assert table("cells.csv", str(archived))[0]["reviewed_type"] == "basophil"
    shutil.move("gone", "night/S0")  # the slide comes back
    command("classify", "night", "--out", "run")
    assert reviewed()["000"] == ("basophil", "Ada")


def test_reviews_stay_with_their_pictures_when_a_slide_changes(command: Command, run: Path) -> None:
    command("report", run, "--corrections", corrections(cell(0, "basophil"), cell(1, "monocyte"), signature()))
    Path("night/S0/Monocyte").mkdir()
    shutil.move("night/S0/cell_000.jpg", "night/S0/Monocyte/other name.jpg")
    draw_cell(77).save("night/S0/cell_001.jpg")  # another picture of this name
    assert command("classify", "night", "--out", "run").code == 0
    rows = {row["image"]: row["reviewed_type"] for row in table("cells.csv") if row["slide"] == "S0"}
    assert rows.pop("Monocyte/other name.jpg") == "basophil"
    assert set(rows.values()) == {""}
    outcome = command("report", run, "--slide", "S0")
    assert "Ada signed a slide of this name that had other images: this signature does not count" in outcome.out


def test_another_slide_of_the_same_name_inherits_no_review(command: Command, run: Path) -> None:
    command("report", run, "--corrections", corrections(cell(0, "basophil"), signature()))
    shutil.rmtree("night/S0")
    write_cells(Path("night/S0"), 5, first_seed=50)
    assert command("classify", "night", "--out", "run").code == 0
    assert "reviewed_type" not in table("cells.csv")[0]


def test_a_copy_is_corrected_as_the_image_that_counts(command: Command) -> None:
    first, *_ = write_cells(Path("night/S0"), 3)
    shutil.copy(first, "night/S0/zz.jpg")
    command("classify", "night", "--out", "run")
    file = corrections(("S0", "zz.jpg", "basophil", "", "Ada", "", "", ""))
    assert command("report", "run", "--corrections", file).code == 0
    assert reviewed()["000"] == ("basophil", "Ada")


def test_an_unreadable_image_has_no_type(command: Command) -> None:
    write_cells(Path("night/S0"), 3)
    Path("night/S0/cell_009.jpg").write_bytes(b"\xff\xd8\xff broken")
    command("classify", "night", "--out", "run")
    outcome = command("report", "run", "--corrections", corrections(cell(9, "basophil")))
    assert (outcome.code, outcome.err.count("could not be read, so it has no cell type")) == (2, 1)


def test_damaged_reviews_cost_no_night(command: Command, run: Path) -> None:
    command("report", run, "--corrections", corrections(cell(0, "basophil")))
    Path("run/reviews.csv").write_bytes(b"\x00\x01 broken")
    assert command("report", run).code == 2
    outcome = command("classify", "night", "--out", "run")
    assert outcome.code == 0
    assert "reviews.set-aside-1.csv" in outcome.err
    assert Path("run/reviews.set-aside-1.csv").read_bytes() == b"\x00\x01 broken"


def test_a_call_that_changed_since_it_was_reviewed_is_told(command: Command, run: Path) -> None:
    seen = table("cells.csv")[0]["cell_type"]
    other = "basophil" if seen != "basophil" else "monocyte"
    line = ("S0", "cell_000.jpg", "platelet", other, "Ada", "", "", "")
    outcome = command("report", run, "--corrections", corrections(line))
    assert outcome.code == 0
    assert "warning: 1 cell called otherwise by the run than previous_type says: look at them again" in outcome.err


def test_corrections_need_a_run(command: Command, run: Path) -> None:
    file = corrections(cell(0, "basophil"))
    assert command("report", "night", "--corrections", file).code == 2
    assert command("report", run, "--truth", "reported", "--corrections", file).code == 2
    assert command("report", run, "--corrections", "absent.csv").code == 2
    assert not Path("run/reviews.csv").exists()
