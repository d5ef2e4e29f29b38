"""Networks in 8-bit integers: made, kept, found again and used."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, draw_cell, write_cells
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.data.images import prepare
from slidescreen.engine import graph_files, quantisation
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles import storage
from slidescreen.ensembles.cascade import Cascade
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.errors import InputError
from slidescreen.files.writing import sha256_of
from slidescreen.models.member import Quantised

pytest.importorskip("nncf")
HARMLESS = PrecisionAgreement(2000, 0.1, 0.001, 0.0, 0.5)


def prepared(ensemble: Ensemble, seeds: Sequence[int]) -> NDArray[np.uint8]:
    preprocessing = ensemble.members[1].checkpoint.preprocessing
    return np.stack([prepare(draw_cell(seed), preprocessing) for seed in seeds])


@pytest.fixture(scope="module")
def quantised_folder(ensemble_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small ensemble with its second member in 8-bit integers too, which may be asked for and may decide alone."""
    scratch, folder = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("quantised")
    ensemble = storage.load(ensemble_folder)
    path = scratch / "any.safetensors"
    first, second = ensemble.members
    graph_files.save_graph(path, quantisation.quantised(second.path, prepared(ensemble, range(12))))
    members = first, replace(second, int8=Quantised(path, sha256_of(path)))
    precisions = {"fp32+int8": HARMLESS}
    validation = replace(ensemble.validation, precisions=precisions, cascade=Cascade(1, 0.01, 0.5, HARMLESS))
    storage.save(folder, replace(ensemble, members=members, validation=validation))
    return folder


def test_it_comes_back_as_it_was_kept_smaller_and_nearly_as_exact(quantised_folder: Path) -> None:
    ensemble = storage.load(quantised_folder)
    member = ensemble.members[1]
    assert member.int8 is not None
    assert member.int8.path == quantised_folder / "efficientnetv2_b2.int8.safetensors"
    assert ensemble.members[0].int8 is None
    assert ensemble.validation.cascade == Cascade(1, 0.01, 0.5, HARMLESS)
    assert ensemble.validation.precisions == {"fp32+int8": HARMLESS}
    assert member.int8.path.stat().st_size < 0.6 * 2 * member.path.stat().st_size  # which is in half precision
    pixels = prepared(ensemble, range(100, 110))
    exact, coarse = (
        load_engines([member], EngineConfiguration("openvino", "cpu", precision)).members[0].probabilities(pixels)
        for precision in ("fp32", "int8")
    )
    assert not np.array_equal(exact, coarse)
    assert np.abs(exact - coarse).max() < 0.05
    assert np.corrcoef(exact.ravel(), coarse.ravel())[0, 1] > 0.95


def test_it_is_written_without_a_word_and_bears_no_path(
    quantised_folder: Path, ensemble_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ensemble = storage.load(ensemble_folder)
    quantisation.quantised(ensemble.members[0].path, prepared(ensemble, range(3)))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    content = (quantised_folder / "efficientnetv2_b2.int8.safetensors").read_bytes()
    assert str(Path.home()).encode() not in content
    assert b"/tmp/" not in content


READING = """
import sys
from pathlib import Path
from slidescreen.engine.graph_files import load_graph
load_graph(Path(sys.argv[1]))
print("torch" in sys.modules, "nncf" in sys.modules)
"""


def test_it_is_read_without_what_it_was_made_with(quantised_folder: Path) -> None:
    command = [sys.executable, "-c", READING, str(quantised_folder / "efficientnetv2_b2.int8.safetensors")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "False False"


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_file_that_is_not_the_measured_one_is_refused(damage: str, quantised_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(quantised_folder, tmp_path / "copy"))
    path = copy / "efficientnetv2_b2.int8.safetensors"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"efficientnetv2_b2.int8.safetensors is (missing|not the file)"):
        storage.load(copy)


@pytest.mark.parametrize(
    "changes",
    [{"first": 2}, {"first": -1}, {"gate": 0.0}, {"gate": float("nan")}, {"decided": 1.1}, {"agreement": {}}],
)
def test_a_damaged_cascade_is_one_clear_error(
    changes: dict[str, object], quantised_folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(quantised_folder, tmp_path / "copy"))
    content = json.loads((copy / "ensemble.json").read_text())
    content["validation"]["cascade"].update(changes)
    (copy / "ensemble.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="damaged"):
        storage.load(copy)


def test_a_checkpoint_is_no_8_bit_network(checkpoints: tuple[Path, Path], tmp_path: Path) -> None:
    for path in (checkpoints[0], tmp_path / "absent", Path(__file__)):
        with pytest.raises(InputError, match="holds no 8-bit network"):
            graph_files.load_graph(path)


def test_fast_and_int8_say_what_they_did(command: Command, quantised_folder: Path) -> None:
    write_cells(Path("S"), 6)
    runs = {}
    for name, options in {"exact": [], "fast": ["--fast"], "coarse": ["--precision", "fp32+int8"]}.items():
        found = command("classify", "S", "--ensemble", quantised_folder, "--precision", "fp32", "-o", name, *options)
        assert found.code == 0, found.err
        runs[name] = json.loads(Path(name, "run.json").read_text())
    assert runs["exact"]["cascade"] is None
    assert runs["fast"]["cascade"]["file"] == "efficientnetv2_b2.safetensors"
    assert runs["fast"]["cascade"]["agreement"]["calls_changed"] == 0.001
    assert runs["fast"]["engine"].endswith("fp32, first efficientnetv2_b2 in int8")
    assert runs["coarse"]["precision"]["chosen"] == "fp32+int8"
    probabilities = [Path(name, "cells.csv").read_text() for name in runs]
    assert len(set(probabilities)) == 3


def test_cells_called_in_another_way_are_classified_again(command: Command, quantised_folder: Path) -> None:
    write_cells(Path("S"), 3)
    for options in ([], ["--fast"]):
        found = command("classify", "S", "--ensemble", quantised_folder, "-o", "out", *options)
        assert "unchanged since an earlier run" not in found.err
    assert (
        "unchanged since an earlier run"
        in command("classify", "S", "--ensemble", quantised_folder, "-o", "out", "--fast").err
    )


def labelled(folder: Path, splits: Sequence[str]) -> Path:
    rows = ["file,label,split"]
    for place, split in enumerate(splits):
        for number, path in enumerate(write_cells(folder / split, 8, 8 * place, suffix=".png")):
            rows.append(f"{path.relative_to(folder)},{cells.CELL_TYPES[number % 4]},{split}")
    table = folder / "cells.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def test_the_ensemble_command_makes_measures_and_shows_them(
    command: Command, checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    data = labelled(tmp_path / "data", ["train", "validation"])
    found = command("ensemble", *checkpoints, "--data", data, "--out", "made", "--int8", "--allow-few-cells")
    assert found.code == 0, found.err
    assert "in int8" in found.out
    made = storage.load(Path("made"))
    assert made.validation.precisions["int8"].images == 8
    found = [agreed for name, agreed in made.validation.precisions.items() if "int8" in name]
    useful = made.validation.cascade is not None or any(agreed.tolerable for agreed in found)
    assert [member.int8 is not None for member in made.members] == [useful] * 2


@pytest.mark.parametrize(
    ("splits", "options", "message"),
    [
        (["validation", "test"], [], "--int8 is calibrated on the training split"),
        (["train", "validation"], ["--without-nncf"], "--int8 needs the package nncf"),
    ],
)
def test_what_8_bit_networks_need_is_said_before_anything_is_measured(
    splits: list[str],
    options: list[str],
    message: str,
    command: Command,
    checkpoints: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if options:
        monkeypatch.setattr(quantisation, "find_spec", lambda _: None)
    data = labelled(tmp_path / "d", splits)
    found = command("ensemble", *checkpoints, "--data", data, "--out", "made", "--int8", "--allow-few-cells")
    assert found.code == 2
    assert message in found.err
    assert not Path("made").exists()
