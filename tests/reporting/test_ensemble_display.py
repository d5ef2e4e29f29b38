"""What the terminal shows of a new ensemble."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slidescreen import cells
from slidescreen.building.validation import compare
from slidescreen.data.labels import LabelledImage
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.ensembles.cascade import Cascade
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.ensembles.member_predictions import MemberPredictions
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.reporting.ensemble_display import show_comparison

TYPES = cells.CELL_TYPES


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def shown(capsys: pytest.CaptureFixture[str], *backbones: str) -> tuple[list[str], str]:
    """The first two words or more of each row of the comparison, and what is told of `--fast`."""
    checkpoints = [Checkpoint(backbone, TYPES, Preprocessing(64)) for backbone in backbones]
    members = tuple(Member(Path(str(n)), 0.5, str(n), checkpoint) for n, checkpoint in enumerate(checkpoints))
    truth = np.arange(len(TYPES))
    predictions = np.eye(len(TYPES)) * 0.5 + 0.5 / len(TYPES)
    images = tuple(LabelledImage(Path(name), name) for name in TYPES)
    ensemble = Ensemble(members)
    measured = compare(ensemble, MemberPredictions(images, truth, (predictions,) * len(members)))
    result = ValidationResult(
        offsets=(0.0,) * len(TYPES),
        measured={"models": measured, "images": len(TYPES), "unidentified": 0},
        cascade=Cascade(1, 0.9, 0.8, PrecisionAgreement(100, 0.0, 0.0, 0.0, 0.0)),
    )
    show_comparison(replace(ensemble, validation=result), Path("out"))
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("  ")[0] for line in lines[1 : len(members) + 2]]
    return rows, next(line for line in lines if line.startswith("with --fast"))


def test_each_row_names_its_member_and_the_last_the_vote(capsys: pytest.CaptureFixture[str]) -> None:
    rows, fast = shown(capsys, "efficientnet_b1", "efficientnetv2_b2")
    assert rows == ["EfficientNet-V1 B1", "EfficientNet-V2 B2", "ensemble (soft)"]
    assert "EfficientNet-V2 B2 alone decides" in fast


def test_members_of_one_backbone_are_told_apart_by_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    rows, fast = shown(capsys, "efficientnet_b1", "efficientnet_b1")
    assert rows == ["EfficientNet-V1 B1 (1)", "EfficientNet-V1 B1 (2)", "ensemble (soft)"]
    assert "EfficientNet-V1 B1 (2) alone decides" in fast
