"""A signature counts only for the types that the signer saw, whoever or whatever changes them."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from conftest import Command
from test_corrections import HEADER, Line, cell, corrections, reviewed, run, signature, table
from test_reviewed_pictures import short, signed_now
from test_signatures import at, called, other_type, signed

from slidescreen import cells
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import read_labels
from slidescreen.data.reviewed_labels import read_reviewed_cells
from slidescreen.data.signatures import signed_types
from slidescreen.errors import InputError

__all__ = ["run"]  # a fixture
REASON = "signed other cell types than there are now (by another classification, or by a correction"


def shown(**changed: str) -> str:
    """What a signature of S0 says of the types, worked out anew from the pictures and the table."""
    types = {f"{number:03d}": changed.get(f"cell_{number:03d}", called(number)) for number in range(5)}
    lines = sorted(f"{short(int(number))} {cell_type}" for number, cell_type in types.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def from_the_page(*lines: tuple[Line, str], name: str = "given.csv") -> Path:
    """Corrections as the page writes them: with the pictures' content, and the signed types at the end."""
    rows = [(*HEADER, "content", "signed_types")]
    for line, types in lines:
        rows.append((*line, short(int(line[1][-7:-4])) if line[1] else signed_now(), types))
    Path(name).write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    return Path(name)


def apply(command: Command, file: Path) -> str:
    outcome = command("report", "run", "--corrections", file, "--slide", "S0")
    assert outcome.code == 0, outcome.err
    return str(outcome.out + outcome.err)


@pytest.fixture
def other_ensemble(ensemble_folder: Path, tmp_path: Path) -> Path:
    """An ensemble with the same networks that calls every cell a lymphoblast."""
    copy = Path(shutil.copytree(ensemble_folder, tmp_path / "other"))
    content = json.loads((copy / "ensemble.json").read_text())
    offsets = [0.0] * len(cells.CELL_TYPES)
    offsets[cells.CELL_TYPES.index("lymphoblast")] = 60.0
    content["validation"]["offsets"] = offsets
    (copy / "ensemble.json").write_text(json.dumps(content))
    return copy


@pytest.mark.parametrize("tells_types", [True, False])
def test_a_signature_does_not_pass_to_the_calls_of_another_ensemble(
    tells_types: bool, command: Command, run: Path, other_ensemble: Path
) -> None:
    """Also one that a person wrote by hand: it is over the types that the run has when it is given."""
    assert called(0) != "lymphoblast"
    assert "signed by Ada" in apply(command, from_the_page((signature(time=at(8)), shown() if tells_types else "")))
    assert all(reviewer == "Ada" for said, reviewer in reviewed().values() if said)
    assert table("reviews.csv")[0]["signed_types"] == shown()
    outcome = command("classify", "night", "--out", "run", "--ensemble", other_ensemble, "--format", "json")
    assert outcome.code == 0, outcome.err
    void = [slide.get("void_signatures") for slide in json.loads(outcome.out)["worklist"] if slide["slide"] == "S0"]
    assert REASON in str(void)
    assert called(0) == "lymphoblast"
    assert {*reviewed().values()} == {("", "")}
    with pytest.raises(InputError, match="nobody has reviewed the run"):
        read_labels(run, LabelRules())
    shutil.copy("given.csv", run)
    with pytest.raises(InputError, match="line 2: the cells have other types than were signed"):
        read_labels(run / "given.csv", LabelRules())
    said = apply(command, Path("given.csv"))  # the same file once more
    assert f"Ada {REASON}" in said
    assert {*reviewed().values()} == {("", "")}
    assert "1 slide with a signature that no longer counts: S0" in command("report", "run").out
    assert "1 signature over other cell types than the run has does not count, first given.csv, line 2" in said
    assert REASON in Path("run/report.html").read_text(encoding="utf-8")
    assert command("classify", "night", "--out", "run").code == 0  # the signed calls again
    assert signed()
    apply(command, from_the_page((signature(time=at(9)), "")))
    assert command("classify", "night", "--out", "run", "--ensemble", other_ensemble).code == 0
    apply(command, from_the_page((signature(time=at(10)), "")))  # who signs the new calls
    assert signed()
    assert reviewed()["000"] == ("lymphoblast", "Ada")


@pytest.mark.usefixtures("run")
def test_a_signature_does_not_pass_to_an_earlier_correction_that_the_signer_did_not_see(command: Command) -> None:
    unseen = shown()
    apply(command, from_the_page((cell(0, other_type(0), reviewer="Bob", time=at(9)), "")))
    said = apply(command, from_the_page((signature(time=at(10)), unseen)))
    assert f"Ada {REASON}" in said
    assert not signed()
    assert reviewed()["001"] == ("", "")
    apply(command, from_the_page((signature(time=at(11)), shown(cell_000=other_type(0)))))
    assert signed()
    assert reviewed()["001"] == (called(1), "Ada")


def test_signatures_that_earlier_releases_stored_count_as_before(
    command: Command, run: Path, other_ensemble: Path
) -> None:
    (run / "reviews.csv").write_text("\n".join(",".join(row) for row in (HEADER, signature())) + "\n")
    assert command("classify", "night", "--out", "run").code == 0
    apply(command, corrections(cell(1, called(1), slide="S1")))  # these have no content: they count for what there is
    stored = (run / "reviews.csv").read_text()
    assert "signed_types" not in stored
    content = "\n".join([",".join((*HEADER, "content")), ",".join((*signature(), signed_now()))])
    (run / "reviews.csv").write_text(content + "\n")
    for ensemble in ([], ["--ensemble", str(other_ensemble)]):
        assert command("classify", "night", "--out", "run", *ensemble).code == 0
        assert signed()
    apply(command, corrections(signature()))
    assert "signed_types" not in (run / "reviews.csv").read_text()
    apply(command, corrections(cell(0, "monocyte", reviewer="Bob", time=at(9))))
    assert not signed()


@pytest.mark.usefixtures("run")
def test_a_file_of_corrections_labels_no_cells_with_other_types_than_were_signed(command: Command) -> None:
    mine, yours = cell(0, other_type(0)), cell(1, other_type(1), reviewer="Bob")
    both = shown(cell_000=other_type(0), cell_001=other_type(1))
    file = from_the_page((mine, ""), (signature(), both), name="run/given.csv")
    with pytest.raises(InputError, match="line 3: the cells have other types than were signed"):
        read_reviewed_cells(file)
    outcome = command("report", "run", "--truth", file)
    assert "1 signature over other cell types than the run has does not count" in outcome.err
    apply(command, from_the_page((yours, "")))  # what the page showed of Bob's
    found = {each.path.name: each.cell_type for each in read_reviewed_cells(file)}
    assert (found["cell_000.jpg"], found["cell_001.jpg"]) == (other_type(0), other_type(1))
    assert (found["cell_002.jpg"]) == called(2)
    outcome = command("report", "run", "--truth", file)
    assert (outcome.code, outcome.err) == (0, "")
    review = json.loads(Path("run/evaluation/metrics.json").read_text())["review"]
    assert (review["signed"], review["cells"], sum(each["cells"] for each in review["changes"])) == (1, 5, 2)


def test_what_is_stored_is_given_again_without_a_word_on_the_calls(
    command: Command, run: Path, other_ensemble: Path
) -> None:
    """A page hands on what it keeps, round after round, and `previous_type` is the call of its night."""
    first = (*cell(0, other_type(0))[:3], called(0), *cell(0, "")[4:])
    second = (*cell(1, other_type(1))[:3], called(1), *cell(1, "")[4:])
    assert command("report", run, "--corrections", from_the_page((first, ""))).err == ""
    assert command("classify", "night", "--out", "run", "--ensemble", other_ensemble).code == 0
    both = from_the_page((first, ""), (second, ""))
    said = command("report", run, "--corrections", both).err
    assert said == "warning: 1 cell called otherwise by the run than previous_type says: look at them again\n"
    assert command("report", run, "--corrections", both).err == ""


def test_types_belong_to_pictures_and_not_to_names() -> None:
    types = {"a.jpg": "monocyte", "b.jpg": "basophil"}
    assert signed_types({"a.jpg": "1" * 64, "b.jpg": "2" * 64}, types) == signed_types(
        {"c.jpg": "1" * 64, "d.jpg": "2" * 64}, {"c.jpg": "monocyte", "d.jpg": "basophil"}
    )
    assert signed_types({"a.jpg": "", "b.jpg": ""}, types) != signed_types({"a.jpg": "1" * 64, "b.jpg": ""}, types)
