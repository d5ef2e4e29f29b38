"""Corrections of a run, and a reviewed run's folder, as labelled cells for `ensemble`."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, write_cells

from slidescreen import cells
from slidescreen.building import adaptation, replay
from slidescreen.building.signed_cells import read_signed
from slidescreen.data.label_options import LabelRules
from slidescreen.ensembles import storage

TYPES = cells.CELL_TYPES


@pytest.fixture
def corrections(command: Command) -> Path:
    """A night of four slides of twelve cells; a reviewer calls each cell a lymphocyte or a monocyte, by turns."""
    lines = ["slide,image,cell_type,reviewer"]
    for slide in range(4):
        images = write_cells(Path(f"night/S{slide}"), 12, first_seed=100 * slide)
        lines += [f"S{slide},{path.name},{('lymphocyte', 'monocyte')[n % 2]},Ada" for n, path in enumerate(images)]
    lines += ["S0,,,Ada"]
    assert command("classify", "night", "--out", "run", "--quiet").code == 0
    Path("run/corrections.csv").write_text("\n".join(lines) + "\n")
    return Path("run/corrections.csv")


def test_the_adaptation_reads_corrections_and_the_run_that_keeps_them(command: Command, corrections: Path) -> None:
    found = read_signed(corrections, LabelRules(), False, lambda _: None)
    assert {(image.slide, image.path.name, image.label) for image in found} == {
        (f"S{slide}", f"cell_{n:03d}.jpg", ("lymphocyte", "monocyte")[n % 2]) for slide in range(4) for n in range(12)
    }
    assert all(image.path.is_file() for image in found)
    assert command("report", "run", "--corrections", corrections).code == 0
    stored = read_signed(Path("run"), LabelRules(), False, lambda _: None)
    assert {(image.slide, image.path, image.label) for image in stored} == {
        (image.slide, image.path, image.label) for image in found
    }


def test_a_run_that_nobody_reviewed_cannot_be_adapted_to(command: Command, corrections: Path, tmp_path: Path) -> None:
    assert corrections.is_file()
    outcome = command("ensemble", "--adapt", "default", "--data", "run", "--out", tmp_path / "new")
    assert outcome.code == 2
    assert not (tmp_path / "new").exists()


def test_an_ensemble_is_adapted_to_corrections(
    command: Command, corrections: Path, ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptation, "half_precisions", lambda _: ())  # measuring in it takes seconds
    source = Path("source")
    shutil.copytree(ensemble_folder, source)
    features = [np.random.default_rng(0).normal(0, 1, (192, width)).astype(np.float32) for width in (1280, 1408)]
    kept = replay.summarise(features, np.repeat(np.arange(len(TYPES)), 12), len(TYPES))
    (source / "replay.safetensors").write_bytes(replay.packed(storage.load(source), kept))
    done = command("ensemble", "--adapt", source, "--data", corrections, "--out", "new")
    assert done.code == 0, done.err
    assert "48 signed cells of 4 slides: 24 lymphocyte, 24 monocyte" in done.out


def test_an_ensemble_is_measured_on_corrections(
    command: Command, corrections: Path, checkpoints: tuple[Path, Path]
) -> None:
    done = command("ensemble", *checkpoints, "--data", corrections, "--out", "new", "--allow-few-cells")
    assert done.code == 0, done.err
    counts = storage.load(Path("new")).validation.confusion_matrix.sum(axis=1)
    measured = {TYPES[place]: int(count) for place, count in enumerate(counts) if count}
    assert set(measured) == {"lymphocyte", "monocyte"}
    assert sum(measured.values()) % 12 == 0  # slides stay whole
