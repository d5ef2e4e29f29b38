"""An ensemble is made of the checkpoints as they were when its measuring began."""

from pathlib import Path

import pytest
from conftest import write_cells

from slidescreen.building import copies
from slidescreen.building.build import build_ensemble
from slidescreen.building.options import EnsembleOptions
from slidescreen.engine.options import Device
from slidescreen.ensembles import storage
from slidescreen.errors import InputError
from slidescreen.files.writing import sha256_of
from slidescreen.models.checkpoints import Checkpoint, load_weights, read_checkpoint, save_checkpoint
from slidescreen.models.member import member_of
from slidescreen.models.trained_on import record


def save(path: Path, source: Path, checkpoint: Checkpoint | None = None, bias: float = 0.0) -> Path:
    """A copy of a checkpoint, with another last layer."""
    weights = load_weights(source)
    weights["classifier.bias"] = weights["classifier.bias"] + bias
    save_checkpoint(path, weights, checkpoint or read_checkpoint(source), half=True)
    return path


@pytest.mark.parametrize("place", [".", "made"])
def test_an_epoch_that_ends_while_the_ensemble_is_measured_changes_nothing(
    place: str, tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    (tmp_path / "made").mkdir()
    path = save(tmp_path / place / "running.safetensors", checkpoints[0])
    began = sha256_of(path)
    images = write_cells(tmp_path, 8, suffix=".png")
    rows = [f"{image.name},neutrophil,{'train' if at % 2 else 'validation'}" for at, image in enumerate(images)]
    (tmp_path / "cells.csv").write_text("\n".join(["file,label,split", *rows]))
    steps: list[str] = []

    def progress(what: str, _done: int, _of: int) -> None:
        if what.startswith("measuring") and what not in steps:
            save(path, checkpoints[0], bias=1.0 + len(steps))
            steps.append(what)

    options = EnsembleOptions(
        (path,), tmp_path / "made", tmp_path / "cells.csv", allow_few_cells=True, device=Device.CPU
    )
    build_ensemble(options, progress)
    assert steps
    (member,) = storage.load(tmp_path / "made").members
    assert began == member.sha256 == sha256_of(member.path) != sha256_of(path)
    assert not [found for found in (tmp_path / "made").iterdir() if found.is_dir()]


def test_a_checkpoint_that_another_training_replaced_meanwhile_is_refused(
    tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    path = save(tmp_path / "a.safetensors", checkpoints[0])
    member = member_of(path, 1.0)
    known = read_checkpoint(path)
    other = Checkpoint(known.backbone, known.cell_types, known.preprocessing, record(["0" * 64]))
    save(path, checkpoints[0], other)
    (tmp_path / "copies").mkdir()
    with pytest.raises(InputError, match="by the checkpoint of another training"):
        copies.made([member], tmp_path / "copies")


def test_a_checkpoint_that_lies_in_the_ensembles_folder_stays_the_only_one(
    tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    path = save(tmp_path / "mine.safetensors", checkpoints[0])
    (tmp_path / "copies").mkdir()
    copied = copies.made([member_of(path, 1.0)], tmp_path / "copies")
    options = EnsembleOptions((path,), tmp_path, tmp_path / "cells.csv")
    assert [member.path for member in copies.in_place(copied, options)] == [path]
    elsewhere = EnsembleOptions((path,), tmp_path / "other", tmp_path / "cells.csv")
    assert copies.in_place(copied, elsewhere) == copied
