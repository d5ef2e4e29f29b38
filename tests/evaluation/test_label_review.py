"""Labels that people looked at again: figures with the labels as they were, and as reviewed."""

import csv
import json
import ntpath
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, write_cells
from hypothesis import given
from hypothesis import strategies as st

from slidescreen import cells
from slidescreen.data.correction_table import UNIDENTIFIED, Correction
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import read_labels
from slidescreen.errors import InputError
from slidescreen.evaluation import Predictions, evaluate
from slidescreen.evaluation.label_review import LabelChange, review_labels, reviewed_types
from slidescreen.evaluation.truth import name_in
from slidescreen.reporting.disagreement_page import DISAGREEMENTS
from slidescreen.reporting.evaluation_files import LABELS_REVIEWED
from slidescreen.runs.corrected_labels import write_corrected

TYPES = cells.CELL_TYPES


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations without their plots, which take most of the time and are tried elsewhere."""
    monkeypatch.setattr("slidescreen.reporting.evaluation_files.draw_plots", lambda *_: {})


def predicted(truth: list[int], called: list[int], **named: tuple[str, ...]) -> Predictions:
    nothing = ("",) * len(truth)
    slides, images = named.get("slides", nothing), named.get("images", tuple(f"{n}.jpg" for n in range(len(truth))))
    return Predictions("m", TYPES, np.array(truth), np.array(called), None, slides, nothing, images)


def correction(image: str, cell_type: str, slide: str = "", reviewer: str = "Ada") -> Correction:
    return Correction(slide, image, cell_type, "", reviewer, "", "", "", place="c.csv, line 2")


def test_a_reviewed_label_replaces_the_label_in_the_second_figures_alone() -> None:
    predictions = predicted([0, 1, 2, 3, 4, 5], [0, 2, 3, 3, 5, -1])
    said = {1: TYPES[2], 2: TYPES[2], 4: UNIDENTIFIED, 5: TYPES[6], 0: TYPES[0]}
    evaluation = evaluate([predictions], reviewed=said)
    review = evaluation.label_review
    assert evaluation.models[0].accuracy == pytest.approx(2 / 5)
    assert review is not None
    assert review.models[0].accuracy == pytest.approx(3 / 4)  # 0, 1 and 3 of 0, 1, 2 and 3
    assert (review.cells, review.changed, review.disagreements) == (5, 3, 3)
    assert (review.call_upheld, review.label_upheld) == (1, 1)
    assert set(review.changes) == {
        LabelChange(TYPES[1], TYPES[2], 1), LabelChange(TYPES[4], UNIDENTIFIED, 1), LabelChange(TYPES[5], TYPES[6], 1),
    }  # fmt: skip


def test_without_a_review_there_are_no_second_figures() -> None:
    assert evaluate([predicted([0, 1], [0, 1])]).label_review is None


CASES = st.lists(st.tuples(*[st.integers(0, 15)] * 2, st.integers(-1, 16)), min_size=1, max_size=30)


@given(CASES)
def test_whatever_was_reviewed_the_counts_add_up(rows: list[tuple[int, int, int]]) -> None:
    """Label, call and review: -1 nobody looked, 16 the reviewer gave no type."""
    truth, called, said = (list(column) for column in zip(*rows, strict=True))
    reviewed = {at: (*TYPES, UNIDENTIFIED)[each] for at, each in enumerate(said) if each >= 0}
    found = review_labels([predicted(truth, called)], reviewed)
    if found is None:
        assert not reviewed
        return
    assert found.cells == len(reviewed)
    assert found.changed == sum(TYPES[truth[at]] != name for at, name in reviewed.items())
    assert found.call_upheld + found.label_upheld <= found.disagreements <= found.cells
    scored = [(t, c) if s < 0 else (s, c) for t, c, s in rows if s < 16]
    if scored:
        assert found.models[0].accuracy == pytest.approx(sum(t == c for t, c in scored) / len(scored))
    else:
        assert found.models == ()


def test_corrections_find_their_cells_by_slide_and_image_however_they_are_spelled() -> None:
    known = predicted([0, 1, 2], [0, 1, 2], slides=("A", "B", "B"), images=("x/É.jpg", "x/É.jpg", "y.jpg"))
    said = [correction("X\\e\u0301.JPG", "monocyte", "a"), correction("y.jpg", "basophil", "B")]
    assert reviewed_types(known, said) == {0: "monocyte", 2: "basophil"}
    assert reviewed_types(known, [Correction("B", "", "", "", "Ada", "", "", "")]) == {}  # a signature is no label


@pytest.mark.parametrize(
    ("image", "slide", "said"),
    [
        ("z.jpg", "B", "c.csv, line 2: no labelled image of the slide 'B' is called 'z.jpg'"),
        ("y.jpg", "", "c.csv, line 2: no labelled image is called 'y.jpg'"),
        ("x.jpg", "C", "c.csv, line 2: several evaluated images are called 'x.jpg': name the slide"),
    ],
)
def test_a_correction_of_no_image_or_of_several_is_refused(image: str, slide: str, said: str) -> None:
    known = predicted([0, 1, 2], [0, 1, 2], slides=("C", "C", "B"), images=("x.jpg", "x.jpg", "y.jpg"))
    with pytest.raises(InputError, match=said):
        reviewed_types(known, [correction(image, "monocyte", slide)])


def written(*lines: str, name: str = "c.csv") -> str:
    Path(name).write_text("\n".join(("slide,image,cell_type,reviewer", *lines, "")), encoding="utf-8")
    return name


def metrics(folder: str) -> dict:
    return json.loads(Path(folder, "metrics.json").read_text(encoding="utf-8"))


def test_labels_of_images_on_another_drive_keep_their_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where no relative path leads to another drive or share."""
    share = r"\\server\export\c0.jpg"
    with pytest.raises(ValueError, match="path is on mount"):
        ntpath.relpath(share, r"C:\lab")

    def refuse(*_: object) -> str:
        raise ValueError

    images = write_cells(tmp_path / "export", 2)
    table = tmp_path / "labels.csv"
    table.write_text("".join(["file,label\n", *(f"{image},monocyte\n" for image in images)]), encoding="utf-8")
    monkeypatch.setattr(os.path, "relpath", refuse)
    labelled = read_labels(table, LabelRules()).images
    assert [name_in(table, image) for image in labelled] == [str(image) for image in images]
    write_corrected(table, LabelRules(), [correction(str(images[1]), "basophil")], tmp_path)
    again = read_labels(tmp_path / LABELS_REVIEWED, LabelRules()).images
    assert [(image.path, image.label) for image in again] == [(images[0], "monocyte"), (images[1], "basophil")]


@pytest.fixture
def run(command: Command) -> dict[str, str]:
    """A run of a signed slide of eight cells, all in the folder of monocytes: the calls by image."""
    write_cells(Path("night/A/Signed slides/Monocyte"), 8)
    assert command("classify", "night", "--out", "run", "--quiet").code == 0
    with Path("run/cells.csv").open(newline="") as file:
        return {row["image"]: row["cell_type"] for row in csv.DictReader(file)}


def test_a_run_against_its_class_folders_shows_its_disagreements_and_takes_their_review(
    command: Command, run: dict[str, str]
) -> None:
    first = command("report", "run", "--truth", "reported", "--out", "e")
    assert first.code == 0, first.err
    differing = [image for image, called in run.items() if called not in ("", "monocyte")]
    assert f"{len(differing)} disagreements, as pictures: e/{DISAGREEMENTS}" in first.out
    link = f'<a href="{DISAGREEMENTS}">{len(differing)} disagreements, as pictures</a>'
    assert link in Path("e/evaluation.html").read_text(encoding="utf-8")
    page = Path("e", DISAGREEMENTS).read_text(encoding="utf-8")
    assert page.count('<img class="cell"') == len(differing) > 2
    assert "as_reviewed" not in metrics("e")
    file = written(*(f"A,{image},{run[image]},Ada" for image in differing))
    second = command("report", "run", "--truth", "reported", "--out", "e", "--corrections", file)
    assert second.code == 0, second.err
    found = metrics("e")
    assert found["as_reviewed"]["call_upheld"] == len(differing)
    assert found["as_reviewed"]["models"][0]["accuracy"] == 1.0
    assert found["models"][0]["accuracy"] < 1.0
    for text in (second.out, Path("e/evaluation.html").read_text(), Path("e/summary.md").read_text()):
        assert f"Labels reviewed: {len(differing)} cells, {len(differing)} labels changed." in " ".join(text.split())
    assert not Path("run/reviews.csv").exists()
    assert command("report", "run", "--corrections", file).code == 0  # stored with the run, they count too
    assert command("report", "run", "--truth", "reported", "--out", "f").code == 0
    assert metrics("f")["as_reviewed"] == found["as_reviewed"]


def test_a_signature_changes_no_label(command: Command, run: dict[str, str]) -> None:
    assert command("report", "run", "--corrections", written("A,,,Ada")).code == 0
    assert command("report", "run", "--truth", "reported", "--out", "e").code == 0
    assert "as_reviewed" not in metrics("e")
    assert len(run) == 8


@pytest.mark.parametrize("kind", ["folder", "table", "predictions"])
def test_labelled_images_of_no_run_are_reviewed_the_same_way(kind: str, command: Command) -> None:
    images = write_cells(Path("data/monocyte"), 3) + write_cells(Path("data/basophil"), 3, first_seed=20)
    Path("labels.csv").write_text(
        "file,label,slide\n" + "".join(f"{path},{path.parent.name},S {path.parent.name}\n" for path in images)
    )
    source = {"folder": "data", "table": "labels.csv", "predictions": "e/predictions.csv"}[kind]
    assert command("report", "data" if kind == "folder" else "labels.csv", "--out", "e").code == 0
    with Path("e/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Path("e", DISAGREEMENTS).exists()
    chosen = rows[:2]
    file = written(*(f"{row['slide']},{row['image']},neutrophil,Ada" for row in chosen))
    outcome = command("report", source, "--out", "again", "--corrections", file)
    assert outcome.code == 0, outcome.err
    found = metrics("again")["as_reviewed"]
    assert found["cells"] == 2
    assert {(each["label"], each["reviewed"]) for each in found["changes"]} == {
        (row["truth"], "neutrophil") for row in chosen
    }
    support = {row["name"]: row["support"] for row in found["models"][0]["types"]}
    assert support["neutrophil"] == sum(row["cell_type"] != "" for row in chosen)
    assert command("report", source, "--out", "refused", "--corrections", written(",no.jpg,monocyte,Ada")).code == 2
    assert not Path("refused").exists()


def test_a_corrected_label_table_is_written_to_train_on(command: Command) -> None:
    images = write_cells(Path("data"), 6)
    splits = ["test", "train"] * 3
    rows = (f"{path},monocyte,S{n},{split}\n" for n, (path, split) in enumerate(zip(images, splits, strict=True)))
    Path("labels.csv").write_text("file,label,slide,split\n" + "".join(rows) + "data/none.jpg,plasma cell,S9,train\n")
    write_cells(Path("other"), 1)[0].rename("data/none.jpg")
    file = written(
        f"S0,{images[0]},basophil,Ada", f"S1,{images[1]},NRBC,Ada", f"S2,{images[2]},unidentified,Ada", "S3,,,Ada"
    )
    arguments = ("report", "labels.csv", "--split", "test", "--leave-out", "plasma cell", "--out", "e")
    outcome = command(*arguments, "--corrections", file)
    assert outcome.code == 0, outcome.err
    found = read_labels(Path("e/labels_reviewed.csv"), LabelRules(frozenset({"plasma cell"})))
    assert [(image.slide, image.split, image.label) for image in found.images] == [
        ("S0", "test", "basophil"),
        ("S1", "train", "erythroblast"),
        ("S3", "train", "monocyte"),
        ("S4", "test", "monocyte"),
        ("S5", "train", "monocyte"),
    ]
    assert all(image.path.is_file() for image in found.images)
    assert len(found.left_out) == 1
    assert command("report", "e/labels_reviewed.csv", "--leave-out", "plasma cell", "--out", "f").code == 0
    assert command(*arguments).code == 0  # the corrections are no longer given
    assert not Path("e/labels_reviewed.csv").exists()


def test_corrections_of_another_split_are_passed_over(command: Command) -> None:
    images = write_cells(Path("data"), 4)
    rows = (f"{path},monocyte,{split}\n" for path, split in zip(images, ["test", "train"] * 2, strict=True))
    Path("labels.csv").write_text("file,label,split\n" + "".join(rows))
    file = written(f",{images[0]},basophil,Ada", f",{images[1]},basophil,Ada")
    outcome = command("report", "labels.csv", "--split", "test", "--out", "e", "--corrections", file)
    assert outcome.code == 0, outcome.err
    assert metrics("e")["as_reviewed"]["cells"] == 1


def test_reviewers_who_differ_are_told_before_anything_is_written(command: Command, run: dict[str, str]) -> None:
    image = next(iter(run))
    one = written(f"A,{image},basophil,Ada", name="ada.csv")
    other = written(f"A,{image},monocyte,Bob", name="bob.csv")
    for source in (("run", "--truth", "reported"), ("night/A/Signed slides",)):
        outcome = command("report", *source, "--out", "e", "--corrections", one, "--corrections", other)
        assert outcome.code == 2
        assert "let them agree first" in outcome.err
    assert not Path("e").exists()
