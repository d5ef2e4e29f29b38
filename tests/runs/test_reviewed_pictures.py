"""A correction counts for the picture that the reviewer saw, not for another one of its name."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from conftest import Command, draw_cell
from test_corrections import HEADER, cell, corrections, reviewed, run, signature, table

from slidescreen.data.reviewed_labels import read_reviewed_cells
from slidescreen.errors import InputError

__all__ = ["run"]  # a fixture


def with_content(*lines: tuple[tuple[str, ...], str], name: str = "corrections.csv") -> Path:
    """Corrections as the page writes them, with the content of pictures in the last column."""
    header = (*HEADER, "content")
    rows = ((*line, content) for line, content in lines)
    Path(name).write_text("\n".join(",".join(row) for row in (header, *rows)) + "\n", encoding="utf-8")
    return Path(name)


def short(number: int) -> str:
    """The beginning of the hash of a picture of S0."""
    return hashlib.sha256(Path(f"night/S0/cell_{number:03d}.jpg").read_bytes()).hexdigest()[:12]


def signed_now() -> str:
    """What a signature of S0 signs."""
    told = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in Path("night/S0").rglob("*.jpg"))
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def test_corrections_of_the_pictures_that_the_run_has_count(command: Command, run: Path) -> None:
    file = with_content((cell(0, "basophil"), short(0)), (signature(), signed_now()))
    outcome = command("report", run, "--corrections", file)
    assert (outcome.code, outcome.err) == (0, "")
    assert "1 of 2 slides signed, 1 cell changed" in outcome.out
    stored = {row["image"]: row["content"] for row in table("reviews.csv")}
    assert stored == {
        "": signed_now(),
        "cell_000.jpg": hashlib.sha256(Path("night/S0/cell_000.jpg").read_bytes()).hexdigest(),
    }


def test_a_signature_of_other_pictures_does_not_count(command: Command, run: Path) -> None:
    file = with_content((signature(), signed_now()))
    draw_cell(77).save("night/S0/new.jpg")
    assert command("classify", "night", "--out", "run").code == 0
    outcome = command("report", run, "--corrections", file, "--slide", "S0")
    assert outcome.code == 0
    assert (
        outcome.err
        == "warning: 1 row of pictures that have changed since does not count, first corrections.csv, line 2\n"
    )
    assert "Ada signed a slide of this name that had other images: this signature does not count" in outcome.out
    assert table("differential.csv")[0].get("reviewed_by", "") == ""
    Path("night/S0/new.jpg").unlink()  # the signed pictures again
    assert command("classify", "night", "--out", "run", "--force").code == 0
    assert table("differential.csv")[0]["reviewed_by"] == "Ada"


def test_a_correction_stays_with_its_picture(command: Command, run: Path) -> None:
    file = with_content(*((cell(number, "basophil"), short(number)) for number in range(3)))
    Path("night/S0/Monocyte").mkdir()
    shutil.move("night/S0/cell_000.jpg", "night/S0/Monocyte/other name.jpg")
    draw_cell(77).save("night/S0/cell_001.jpg")
    assert command("classify", "night", "--out", "run").code == 0
    outcome = command("report", run, "--corrections", file)
    assert outcome.code == 0
    assert "1 row of pictures that have changed since does not count, first corrections.csv, line 3" in outcome.err
    found = {row["image"]: row["reviewed_type"] for row in table("cells.csv") if row["slide"] == "S0"}
    assert {image for image, said in found.items() if said} == {"Monocyte/other name.jpg", "cell_002.jpg"}


def test_files_of_earlier_releases_without_the_column_are_read(command: Command, run: Path) -> None:
    outcome = command("report", run, "--corrections", corrections(cell(0, "basophil"), signature()))
    assert (outcome.code, outcome.err) == (0, "")
    assert reviewed()["000"] == ("basophil", "Ada")


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("line", [cell(0, "basophil"), signature()])
def test_nothing_is_learnt_from_corrections_of_other_pictures(line: tuple[str, ...]) -> None:
    content = short(0) if line[1] else signed_now()
    file = with_content((line, content), name="run/corrections.csv")
    assert read_reviewed_cells(file)
    draw_cell(77).save("night/S0/cell_000.jpg")
    with pytest.raises(InputError, match="line 2: the pictures have changed since"):
        read_reviewed_cells(file)


@pytest.mark.parametrize("line", [cell(0, "basophil"), signature()])
def test_nothing_is_learnt_from_a_reviewed_run_with_other_pictures(
    command: Command, run: Path, line: tuple[str, ...]
) -> None:
    said = corrections(line, cell(4, "monocyte", slide="S1"))
    assert command("report", run, "--corrections", said).code == 0
    shutil.copy("night/S0/cell_000.jpg", "kept.jpg")
    before = read_reviewed_cells(run)
    assert ("S0", "cell_000.jpg") in {(each.slide, each.path.name) for each in before}
    draw_cell(77).save("night/S0/cell_000.jpg")
    with pytest.raises(InputError, match=r"run: the pictures of slide 'S0' have changed .*cell_000\.jpg.*--out run"):
        read_reviewed_cells(run)
    shutil.copy("kept.jpg", "night/S0/cell_000.jpg")
    assert read_reviewed_cells(run) == before


def test_after_another_night_the_pictures_that_kept_their_review_are_learnt_from(command: Command, run: Path) -> None:
    said = corrections(cell(0, "basophil"), cell(1, "monocyte"))
    assert command("report", run, "--corrections", said).code == 0
    Path("night/S0/Monocyte").mkdir()
    shutil.move("night/S0/cell_000.jpg", "night/S0/Monocyte/other.jpg")
    draw_cell(77).save("night/S0/cell_001.jpg")
    assert command("classify", "night", "--out", "run").code == 0
    assert [(each.path.name, each.cell_type) for each in read_reviewed_cells(run)] == [("other.jpg", "basophil")]


def test_reviews_of_earlier_releases_without_content_are_learnt_from(command: Command, run: Path) -> None:
    assert command("report", run, "--corrections", corrections(cell(0, "basophil"), signature())).code == 0
    before = read_reviewed_cells(run)
    Path("run/reviews.csv").write_text("\n".join(map(",".join, (HEADER, cell(0, "basophil"), signature()))) + "\n")
    assert read_reviewed_cells(run) == before
    Path("run/reviews.csv").unlink()
    assert read_reviewed_cells(run) == before


@pytest.mark.usefixtures("run")
def test_a_label_is_not_reviewed_by_what_was_said_of_another_picture(command: Command) -> None:
    lines = [f"night/S0/cell_{number:03d}.jpg,monocyte\n" for number in range(5)]
    Path("labels.csv").write_text("file,label\n" + "".join(lines))
    said = [("", f"night/S0/cell_{number:03d}.jpg", "basophil", "", "Ada", "", "", "") for number in range(2)]
    file = with_content(*((line, short(number)) for number, line in enumerate(said)))
    draw_cell(77).save("night/S0/cell_001.jpg")
    outcome = command("report", "labels.csv", "--out", "e", "--corrections", file)
    assert outcome.code == 0
    assert "1 row of pictures that have changed since does not count, first corrections.csv, line 3" in outcome.err
    assert json.loads(Path("e/metrics.json").read_text())["as_reviewed"]["cells"] == 1
    assert Path("e/labels_reviewed.csv").read_text().count("basophil") == 1


def test_what_the_run_has_stored_may_be_given_again_after_it_has_gone(command: Command, run: Path) -> None:
    file = corrections(cell(0, "basophil"), cell(1, "basophil", slide="S1"), signature())
    assert command("report", run, "--corrections", file).code == 0
    shutil.rmtree("night/S0")
    Path("night/S1/cell_001.jpg").unlink()
    draw_cell(77).save("night/S1/cell_007.jpg")
    assert command("classify", "night", "--out", "run", "--keep", "0").code == 0
    stored = Path("run/reviews.csv").read_bytes()
    outcome = command("report", run, "--corrections", file)
    assert (outcome.code, outcome.err) == (0, "")
    assert Path("run/reviews.csv").read_bytes() == stored
    new = corrections(cell(0, "basophil"), cell(0, "monocyte", slide="S1"), name="new.csv")
    assert command("report", run, "--corrections", new).code == 0
    assert reviewed("S1")["000"] == ("monocyte", "Ada")
    unknown = corrections(cell(0, "monocyte"), name="other.csv")
    assert "the run has no slide 'S0'" in command("report", run, "--corrections", unknown).err


def test_an_old_file_given_again_does_not_pass_to_another_picture(command: Command, run: Path) -> None:
    file = corrections(cell(0, "basophil"), cell(1, "basophil"), signature())
    assert command("report", run, "--corrections", file).code == 0
    draw_cell(77).save("night/S0/cell_000.jpg")
    assert command("classify", "night", "--out", "run").code == 0
    outcome = command("report", run, "--corrections", file)
    assert "warning: 2 rows of pictures that have changed since do not count" in outcome.err
    assert {number for number, (said, _) in reviewed().items() if said} == {"001"}


@pytest.mark.parametrize("written", ["{}", "sha256:{}", "withdrawn sha256:{}"])
def test_a_content_counts_with_and_without_its_prefix(command: Command, run: Path, written: str) -> None:
    outcome = command("report", run, "--corrections", with_content((cell(0, "basophil"), written.format(short(0)))))
    assert (outcome.code, outcome.err) == (0, "")
    assert (reviewed()["000"] == ("basophil", "Ada")) is not written.startswith("withdrawn")
    assert table("reviews.csv")[0]["content"].removeprefix("withdrawn ").startswith(short(0))


@pytest.mark.parametrize("changed", ["6.70515E+11", "6,70515E+11", "67051451652", "1.2e9", "sha256:6.70515E+11"])
def test_a_content_that_a_spreadsheet_made_a_number_is_named_and_changes_nothing(
    command: Command, run: Path, changed: str
) -> None:
    before = Path("run/cells.csv").read_bytes()
    lines = ((cell(1, "basophil"), short(1)), (cell(0, "basophil"), f'"{changed}"'))
    outcome = command("report", run, "--corrections", with_content(*lines))
    assert outcome.code == 2
    assert "corrections.csv, line 3: the content" in outcome.err
    assert "a spreadsheet may have changed it" in outcome.err
    assert Path("run/cells.csv").read_bytes() == before
    assert not Path("run/reviews.csv").exists()
