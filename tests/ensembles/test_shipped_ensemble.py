"""The ensemble that ships, on the sample slides that ship."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from PIL import Image
from safetensors import safe_open

import slidescreen
from slidescreen import cells
from slidescreen.data.label_options import LabelOptions
from slidescreen.engine.devices import has_8_bit_products
from slidescreen.engine.options import Device
from slidescreen.ensembles import storage
from slidescreen.evaluation.truth import of_images
from slidescreen.reporting.tables import read_calls

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "weights" / "default"


def test_it_is_both_backbones_in_half_precision_and_small() -> None:
    shipped = storage.load(DEFAULT)
    assert [m.checkpoint.backbone for m in shipped.members] == ["efficientnet_b1", "efficientnetv2_b2"]
    assert shipped.cell_types == cells.CELL_TYPES
    assert sum(m.path.stat().st_size for m in shipped.members) <= 40e6
    for member in shipped.members:
        with safe_open(member.path, "numpy") as file:
            assert file.get_tensor("conv_stem.weight").dtype == "float16"


def test_its_8_bit_networks_are_offered_and_small_and_one_may_decide_alone() -> None:
    shipped = storage.load(DEFAULT)
    validation = shipped.validation
    assert validation.precisions["int8"].tolerable
    assert validation.cascade is not None
    assert validation.cascade.agreement.harmless
    assert validation.cascade.agreement.calls_changed * validation.cascade.agreement.images <= 2
    assert validation.cascade.agreement.blasts_change < 3  # one cell on a slide of 34
    assert validation.cascade.gate > validation.rejection_threshold
    assert sum(member.int8.path.stat().st_size for member in shipped.members if member.int8) <= 30e6


def test_it_knows_its_own_errors() -> None:
    validation = storage.load(DEFAULT).validation
    assert validation.confusion_matrix is not None
    assert validation.confusion_matrix.sum() > 2000
    assert set(validation.false_calls) == set(cells.TESTED_GROUPS)
    assert 0 < validation.rejection_threshold < 1


def test_it_reads_the_sample_slides_sensibly(command: Command) -> None:
    outcome = command("classify", ROOT / "sample_data", "--ensemble", DEFAULT, "--format", "json", "--out", "run")
    assert outcome.code == 3, outcome.err  # two files are broken on purpose
    found = {slide["slide"]: slide for slide in json.loads(outcome.out)["worklist"]}
    assert found["blasts_01"]["verdict"] == "urgent"
    assert "blasts_20" in found["blasts_01"]["flags"]
    assert found["normal_01"]["verdict"] == "clear"
    assert "blasts" not in found["left_shift_01"]["flags"]
    with Path("run/cells.csv").open(newline="", encoding="utf-8") as file:
        listed = {f"{row['slide']}/{row['image']}" for row in csv.DictReader(file)}
    assert listed == {
        path.relative_to(ROOT / "sample_data").as_posix() for path in (ROOT / "sample_data").rglob("*.jpg")
    }


Judged = tuple[dict[str, tuple[str, list[str]]], list[dict[str, str]]]


def judged(command: Command, out: str, options: Sequence[str]) -> Judged:
    """Verdicts and flags by slide, and the rows of the cells."""
    outcome = command("classify", ROOT / "sample_data", "--ensemble", DEFAULT, "-f", "json", "-o", out, *options)
    assert outcome.code == 3, outcome.err  # two files are broken on purpose
    slides = json.loads(outcome.out)["worklist"]
    with Path(out, "cells.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {slide["slide"]: (slide["verdict"], slide["flags"]) for slide in slides}, rows


@pytest.mark.skipif(not has_8_bit_products(), reason="this processor has no instructions for 8-bit networks")
def test_8_bit_networks_judge_the_sample_slides_as_float32_does(command: Command) -> None:
    exact = judged(command, "exact", ["--precision", "fp32"])
    for options, most_changed in (["--fast"], 5), (["--precision", "int8"], 6):
        coarse = judged(command, options[-1].strip("-"), options)
        assert coarse[0] == exact[0]
        pairs = list(zip(exact[1], coarse[1], strict=True))
        assert sum(a["cell_type"] != b["cell_type"] for a, b in pairs) <= most_changed
        assert any(a["probability"] != b["probability"] for a, b in pairs)


def test_report_gives_unfamiliar_cells_the_same_probabilities_as_classify(tmp_path: Path) -> None:
    """Offsets work otherwise in such cells."""
    drawn = sorted((ROOT / "sample_data" / "normal_01").glob("*.jpg"))[:12]
    rows = ["file,label"]
    for path in drawn:
        picture = np.asarray(Image.open(path).convert("RGB")) * (0.5, 0.9, 0.4)
        (tmp_path / "in" / "S").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "in" / "S" / f"{path.stem}.png")
        rows.append(f"in/S/{path.stem}.png,lymphocyte")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    slidescreen.classify(tmp_path / "in", tmp_path / "run", ensemble=DEFAULT, precision="fp32")
    calls = read_calls(tmp_path / "run" / "cells.csv")[0]["S"]
    assert any(call.unfamiliar for call in calls)
    evaluated = of_images(
        tmp_path / "labels.csv", storage.load(DEFAULT), LabelOptions(), Device.CPU, tmp_path / "e", lambda *_: None
    )[0]
    by_image = dict(zip((Path(image).name for image in evaluated.images), evaluated.probabilities, strict=True))
    for call in calls:
        assert call.probabilities == pytest.approx(by_image[call.image].tolist(), abs=1e-5)
