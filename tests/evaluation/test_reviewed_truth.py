"""Reviewed cells as the truth: of a run, and as labelled images."""

import csv
import json
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.data.labels import read_labelled, read_labels
from slidescreen.errors import InputError


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations without their pictures, which take most of the time."""
    monkeypatch.setattr("slidescreen.reporting.evaluation_files.draw_plots", lambda *_: {})


@pytest.fixture
def calls(command: Command) -> list[str]:
    """The calls of the first of two slides of four cells, which are classified."""
    for number in range(2):
        write_cells(Path(f"night/S{number}"), 4, first_seed=10 * number)
    assert command("classify", "night", "--out", "run").code == 0
    with Path("run/cells.csv").open(newline="") as file:
        return [row["cell_type"] for row in csv.DictReader(file) if row["slide"] == "S0"]


def corrections(*lines: str, name: str = "run/corrections.csv") -> Path:
    Path(name).write_text("\n".join(("slide,image,cell_type,reviewer", *lines, "")))
    return Path(name)


def other_than(cell_type: str) -> str:
    return "basophil" if cell_type != "basophil" else "monocyte"


def metrics(folder: str) -> dict:
    return json.loads(Path(folder, "metrics.json").read_text(encoding="utf-8"))


def test_a_run_is_measured_against_its_reviewed_cells(command: Command, calls: list[str]) -> None:
    changed = other_than(calls[0])
    file = corrections(f"S0,cell_000.jpg,{changed},Ada", "S0,cell_001.jpg,unidentified,Ada", "S0,,,Ada", "S1,,,Bob")
    assert command("report", "run", "--corrections", file).code == 0
    outcome = command("report", "run", "--truth", "reviewed", "--out", "e")
    assert outcome.code == 0, outcome.err
    found = metrics("e")
    assert found["models"][0]["cells"] == 7
    assert found["models"][0]["accuracy"] == pytest.approx(6 / 7)
    assert found["unscored"] == {"no_type": {"count": 1, "first": ["S0/cell_001.jpg"]}}
    review = found["review"]
    assert {name: review[name] for name in ("slides", "signed", "unchanged", "cells")} == {
        "slides": 2,
        "signed": 2,
        "unchanged": 1,
        "cells": 8,
    }
    assert {(each["called"], each["reviewed"], each["cells"]) for each in review["changes"]} == {
        (calls[0], changed, 1),
        (calls[1], "unidentified", 1),
    }
    assert sum(each["cells"] for each in review["agreement"]) == 8
    assert sum(each["kept"] for each in review["agreement"]) == 6
    said = "Nothing was changed on 1 of them (50%). 2 of 8 reviewed cells were changed."
    for text in (outcome.out, Path("e/evaluation.html").read_text(), Path("e/summary.md").read_text()):
        assert said in " ".join(text.split())


def test_corrections_are_a_truth_without_being_stored(command: Command, calls: list[str]) -> None:
    file = corrections(f"S0,cell_000.jpg,{other_than(calls[0])},Ada", f"S0,cell_002.jpg,{calls[2]},Ada", name="c.csv")
    outcome = command("report", "run", "--truth", file, "--out", "e")
    assert outcome.code == 0, outcome.err
    assert (metrics("e")["models"][0]["cells"], metrics("e")["models"][0]["accuracy"]) == (2, 0.5)
    assert not Path("run/reviews.csv").exists()
    bad = command("report", "run", "--truth", corrections("S0,cell_009.jpg,basophil,Ada", name="c.csv"), "--out", "f")
    assert bad.code == 2
    assert "c.csv, line 2: the slide 'S0' has no image 'cell_009.jpg'" in bad.err
    assert not Path("f").exists()


def test_a_run_that_nobody_reviewed_has_no_reviewed_truth(command: Command, calls: list[str]) -> None:
    assert len(calls) == 4
    outcome = command("report", "run", "--truth", "reviewed")
    assert outcome.code == 2
    assert "nobody has reviewed a cell of this run" in outcome.err
    with pytest.raises(InputError, match="nobody has reviewed the run"):
        read_labels(Path("run"))


def test_corrections_in_their_runs_folder_are_labelled_images(command: Command, calls: list[str]) -> None:
    file = corrections(
        f"S0,cell_000.jpg,{other_than(calls[0])},Ada", "S0,cell_001.jpg,unidentified,Ada", "S0,,,Ada",
        "S1,cell_003.jpg,NRBC,Ada",
    )  # fmt: skip
    expected = {
        ("S0", "cell_000.jpg", other_than(calls[0])),
        ("S0", "cell_002.jpg", calls[2]),
        ("S0", "cell_003.jpg", calls[3]),
        ("S1", "cell_003.jpg", "erythroblast"),
    }
    found = read_labelled(file)
    assert {(image.slide, image.path.name, image.label) for image in found} == expected
    assert all(image.path.is_file() for image in found)
    assert command("report", "run", "--corrections", file).code == 0
    assert {(image.slide, image.path.name, image.label) for image in read_labelled(Path("run"))} == expected
    outcome = command("report", file, "--out", "e")  # classified anew
    assert outcome.code == 0, outcome.err
    assert metrics("e")["models"][0]["cells"] == 4


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("S0,cell_009.jpg,basophil,Ada", "line 2: the slide 'S0' has no image 'cell_009.jpg'"),
        ("S9,cell_000.jpg,basophil,Ada", "line 2: the run has no slide 'S9'"),
        ("S0,cell_000.jpg,basophile,Ada", "line 2: unknown cell type 'basophile'"),
    ],
)
def test_labels_that_cannot_be_used_are_named(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"run": "", "slides": [{"slide": "S0", "folder": "/nowhere"}]}')
    (tmp_path / "cells.csv").write_text("slide,image,status,cell_type\nS0,cell_000.jpg,classified,monocyte\n")
    with pytest.raises(InputError, match=said):
        read_labels(corrections(line, name=str(tmp_path / "corrections.csv")))


def test_corrections_elsewhere_say_where_they_belong(tmp_path: Path) -> None:
    file = corrections("S0,cell_000.jpg,basophil,Ada", name=str(tmp_path / "corrections.csv"))
    with pytest.raises(InputError, match="put the file into the run's folder"):
        read_labels(file)
