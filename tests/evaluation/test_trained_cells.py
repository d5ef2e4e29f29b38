"""Cells that the networks were trained on are never scored unsaid."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Command, write_cells

from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.files.writing import sha256_of
from slidescreen.models.checkpoints import load_weights, read_checkpoint, save_checkpoint
from slidescreen.models.member import member_of
from slidescreen.models.trained_on import record

SAID = "The networks were trained on 4 of these cells: the figures are too good for new cells."


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations without their pictures, which take most of the time and are tried elsewhere."""
    monkeypatch.setattr("slidescreen.reporting.evaluation_files.draw_plots", lambda *_: {})


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Ten cells in the working folder."""
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    return write_cells(Path("cells"), 10)


@pytest.fixture
def trained(images: list[Path], checkpoints: tuple[Path, Path]) -> Path:
    """An ensemble of one network that records the first four cells as those it was trained on."""
    known = read_checkpoint(checkpoints[0])
    path = Path("trained.safetensors")
    described = replace(known, provenance=record(map(sha256_of, images[:4])))
    save_checkpoint(path, load_weights(checkpoints[0]), described, half=True)
    storage.save(Path("e"), Ensemble((member_of(path, 1.0),)))
    return Path("e")


def table(images: Sequence[Path], splits: str = "") -> Path:
    """A table of monocytes, with the first letters of their splits."""
    words = {"t": "train", "v": "validation", "e": "test"}
    rows = [f"{path},monocyte" + (f",{words[splits[at]]}" if splits else "") for at, path in enumerate(images)]
    Path("labels.csv").write_text("\n".join(["file,label" + (",split" if splits else ""), *rows]))
    return Path("labels.csv")


def test_the_figures_of_cells_that_were_trained_on_are_said_to_be_too_good(
    command: Command, images: list[Path], trained: Path
) -> None:
    found = command("report", table(images), "--ensemble", trained, "--out", "out")
    assert found.code == 0, found.err
    for text in (found.out, Path("out/evaluation.html").read_text(), Path("out/summary.md").read_text()):
        assert SAID in " ".join(text.split())
    assert json.loads(Path("out/metrics.json").read_text())["trained_on"] == 4


def test_a_run_of_such_cells_is_told_too(command: Command, images: list[Path], trained: Path) -> None:
    command("classify", "cells", "--ensemble", trained, "--out", "run", "--quiet")
    found = command("report", "run", "--truth", table(images), "--out", "out")
    assert found.code == 0, found.err
    assert SAID in " ".join(found.out.split())
    refused = command("report", "run", "--truth", table(images, "ttttttttvv"[::-1]), "--split", "validation")
    assert refused.code == 2
    assert "was trained on 2 of the 2 images of the validation split (first cells/cell_000.jpg)" in refused.err


def test_new_cells_need_no_such_words(command: Command, images: list[Path], trained: Path) -> None:
    found = command("report", table(images[4:]), "--ensemble", trained, "--out", "out")
    assert found.code == 0, found.err
    assert "too good" not in found.out
    assert json.loads(Path("out/metrics.json").read_text())["trained_on"] == 0


@pytest.mark.parametrize(("split", "splits"), [("validation", "tttvvvvvvv"), ("test", "tttevvvvvv")])
def test_a_split_that_was_trained_on_is_refused(
    split: str, splits: str, command: Command, images: list[Path], trained: Path
) -> None:
    refused = command("report", table(images, splits), "--split", split, "--ensemble", trained, "--out", "out")
    assert refused.code == 2
    count = splits.count({"validation": "v", "test": "e"}[split])
    assert f"was trained on 1 of the {count} images of the {split} split (first cells/cell_003.jpg)" in refused.err
    assert not Path("out").exists()


def test_without_a_split_column_the_validation_split_is_the_cells_that_were_not_trained_on(
    command: Command, images: list[Path], trained: Path
) -> None:
    found = command("report", table(images), "--split", "validation", "--ensemble", trained, "--out", "out")
    assert found.code == 0, found.err
    found = json.loads(Path("out/metrics.json").read_text())
    assert (found["models"][0]["cells"], found["trained_on"]) == (6, 0)
