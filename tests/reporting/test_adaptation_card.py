"""The model card of an adapted ensemble."""

from pathlib import Path

import pytest

from slidescreen import cells
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.laboratory_gain import Adaptation
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.reporting.adaptation_display import write_card

ENSEMBLE = Ensemble((Member(Path("a"), 1.0, "0", Checkpoint("efficientnet_b1", cells.CELL_TYPES, Preprocessing(64))),))
COUNTS = {"neutrophil": 30, "lymphocyte": 30}
FOUND = Adaptation(COUNTS, 4, 0.6, 0.9, 0.1, 0.5, {"10": 0.8, "all": 0.9}, {}, 1.0, ("myeloblast",), True)


def test_the_card_is_the_readme_and_a_newer_one_replaces_it(tmp_path: Path) -> None:
    assert write_card(ENSEMBLE, FOUND, tmp_path).name == "README.md"
    (tmp_path / "README.md").write_text((tmp_path / "README.md").read_text(encoding="utf-8") + "\nours\n")
    assert write_card(ENSEMBLE, FOUND, tmp_path).name == "README.md"
    assert "ours" not in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"# Our notes\n", b"", b"\xff\xfe\x00"])
def test_a_readme_of_somebody_else_stays_and_the_card_lies_beside_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "README.md").write_bytes(content)
    (tmp_path / "model-card.md").mkdir()
    for _ in range(2):
        card = write_card(ENSEMBLE, FOUND, tmp_path)
        assert card.name == "model-card-2.md"
        assert "60 signed cells of 4 slides" in card.read_text(encoding="utf-8")
    assert (tmp_path / "README.md").read_bytes() == content
