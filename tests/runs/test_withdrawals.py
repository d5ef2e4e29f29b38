"""What a reviewer takes back no longer counts, and an older file does not bring it back."""

from pathlib import Path

import pytest
from conftest import Command
from test_corrections import Line, cell, corrections, reviewed, run, signature, table
from test_signatures import at, called, other_type

from slidescreen.data.correction_table import Correction, merged, read_corrections, standing
from slidescreen.data.reviewed_labels import read_reviewed_cells
from slidescreen.errors import InputError
from slidescreen.runs.saved_run import read_run
from slidescreen.screening.slide_review import SlideReview

__all__ = ["run"]  # a fixture


def withdrawn(line: Line) -> Line:
    """The row that takes a row back, as the page writes it for pictures of unknown content."""
    return (*line, "withdrawn")


def file(*lines: Line) -> Path:
    """Corrections with the column `content`."""
    path = corrections(name="given.csv")
    rows = [path.read_text().strip() + ",content", *(",".join((*line, "")[:9]) for line in lines)]
    path.write_text("\n".join(rows) + "\n")
    return path


def apply(command: Command, *lines: Line) -> str:
    outcome = command("report", "run", "--corrections", file(*lines), "--slide", "S0")
    assert outcome.code == 0, outcome.err
    return str(outcome.out)


def review() -> SlideReview | None:
    """The review of the first slide, if any of it counts."""
    found = read_run(Path("run")).slides[0].review
    return found if found is not None and found.counts else None


def test_a_withdrawn_signature_signs_and_labels_nothing(command: Command, run: Path) -> None:
    signs = signature(time=at(8))
    assert "signed by Ada" in apply(command, signs)
    assert "signed by Ada" not in apply(command, withdrawn(signature(time=at(9))))
    assert review() is None
    assert "reviewed_type" not in table("cells.csv")[0]
    assert "signed by Ada" not in Path("run/report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="nobody has reviewed the run"):
        read_reviewed_cells(run)
    apply(command, signs)  # the older file once more
    assert review() is None
    apply(command, signature(time=at(10)))
    found = review()
    assert found is not None
    assert found.signed


@pytest.mark.usefixtures("run")
def test_one_reviewer_withdraws_only_the_own_signature(command: Command) -> None:
    apply(command, signature(time=at(8)), signature(reviewer="Bob", time=at(8)))
    apply(command, withdrawn(signature(time=at(9))))
    found = review()
    assert found is not None
    assert (found.signed, found.by) == (True, "Bob")


def test_a_withdrawn_type_leaves_what_others_said_and_ends_a_signature_over_it(command: Command, run: Path) -> None:
    mine, yours = cell(0, other_type(0), time=at(7)), cell(1, other_type(1), reviewer="Bob", time=at(7))
    apply(command, mine, yours, signature(time=at(8)))
    before = (run / "reviews.csv").read_bytes()
    said = apply(command, withdrawn((*mine[:5], at(9), *mine[6:])))
    assert "Ada signed before a cell was given another type" in said
    assert reviewed()["000"] == ("", "")
    assert reviewed()["001"][1] == "Bob"
    (run / "reviews.csv").write_bytes(before)
    confirms = cell(2, called(2), time=at(7))
    apply(command, confirms)
    apply(command, withdrawn((*confirms[:5], at(9), *confirms[6:])))
    found = review()
    assert found is not None
    assert (found.signed, len(found.changed)) == (True, 2)  # the cell had this type before and after


def test_a_file_in_the_runs_folder_labels_nothing_that_it_withdraws(run: Path) -> None:
    taken = cell(0, other_type(0), time=at(7))
    later = withdrawn((*taken[:5], at(9), *taken[6:]))
    path = file(taken, later, cell(1, "basophil"), signature("S1"), withdrawn(signature("S1", time=at(9))))
    found = read_reviewed_cells(path.rename(run / "given.csv"))
    assert [(each.slide, each.path.name, each.cell_type) for each in found] == [("S0", "cell_001.jpg", "basophil")]


def correction(time: str, cell_type: str = "monocyte", reviewer: str = "Ada", withdrawn: bool = False) -> Correction:
    return Correction("S", "a.jpg", cell_type, "", reviewer, time, "", "", withdrawn=withdrawn)


def test_who_withdraws_no_longer_differs_from_others() -> None:
    taken = correction(at(9), withdrawn=True)
    (left,) = standing(merged([correction(at(8))], [taken, correction(at(8), "basophil", "Bob")]))
    assert (left.reviewer, left.cell_type) == ("Bob", "basophil")
    with pytest.raises(InputError, match=r"Ada withdraws what was said of S/a\.jpg.*no time says which is the later"):
        merged([], [correction(""), correction("", withdrawn=True)])
    (again,) = merged([taken], [correction(at(10))])
    assert (again.withdrawn, again.previous_type) == (False, "")


def test_what_is_stored_is_read_again(command: Command, run: Path) -> None:
    apply(command, signature(time=at(8)), cell(0, "basophil"))
    apply(command, withdrawn(signature(time=at(9))))
    signs, of_cell = sorted(read_corrections(run / "reviews.csv"), key=lambda each: each.image)
    assert (signs.withdrawn, len(signs.content), of_cell.withdrawn) == (True, 64, False)
    once = (run / "reviews.csv").read_bytes()
    assert command("report", "run", "--corrections", corrections()).code == 0
    assert (run / "reviews.csv").read_bytes() == once
