"""Checkpoints."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from slidescreen import cells
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import InputError
from slidescreen.models.backbones import BACKBONES
from slidescreen.models.checkpoints import (
    Checkpoint,
    build,
    load_network,
    load_weights,
    read_checkpoint,
    save_checkpoint,
)


def test_a_checkpoint_says_how_it_is_to_be_used(tmp_path: Path) -> None:
    written = Checkpoint("efficientnet_b1", cells.LEUKOCYTES, Preprocessing(355, std=(0.2, 0.3, 0.4)), {"seed": 3})
    save_checkpoint(tmp_path / "a.safetensors", {"x": torch.zeros(2)}, written, half=False)
    assert read_checkpoint(tmp_path / "a.safetensors") == written


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_network_comes_back_and_half_precision_changes_little(tmp_path: Path, backbone: str) -> None:
    torch.manual_seed(1)
    network = build(backbone, 16).eval()
    path = tmp_path / "n.safetensors"
    save_checkpoint(path, network.state_dict(), Checkpoint(backbone, cells.CELL_TYPES, Preprocessing(64)), half=True)
    _, loaded = load_network(path)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(network(images).softmax(1), loaded(images).softmax(1), atol=2e-3)
    assert path.stat().st_size < 22e6


@pytest.mark.parametrize(
    ("size", "backbone"), [(256, "efficientnet_b1"), (355, "efficientnetv2_b2"), (33, "efficientnet_b1")]
)
def test_any_image_size_works(size: int, backbone: str) -> None:
    with torch.inference_mode():
        assert build(backbone, 12).eval()(torch.rand(1, 3, size, size)).shape == (1, 12)


def test_the_backbones_are_the_studys() -> None:
    count = {name: sum(p.numel() for p in build(name, 1000).parameters()) / 1e6 for name in BACKBONES}
    assert count["efficientnet_b1"] == pytest.approx(7.79, abs=0.01)  # Tan and Le 2019: 7.8 million
    assert count["efficientnetv2_b2"] == pytest.approx(
        10.10, abs=0.01
    )  # Keras applications: 10.2 million with statistics


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, b"\xff" * 64, b"\x08\x00\x00\x00\x00\x00\x00\x00not json"])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(tmp_path / "w")


def test_weights_without_a_description_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="has weights without a description"):
        read_checkpoint(tmp_path / "w.safetensors")


def test_a_description_of_foreign_cell_types_is_refused(tmp_path: Path) -> None:
    text = Checkpoint("efficientnet_b1", cells.LEUKOCYTES, Preprocessing(64)).to_json().replace("monocyte", "monozyt")
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", metadata={"slidescreen": text})
    with pytest.raises(InputError, match="unknown cell types: monozyt"):
        read_checkpoint(tmp_path / "w.safetensors")


def with_header(path: Path, header: object) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    return path


@pytest.mark.parametrize(
    "header", [{"__metadata__": None}, {"__metadata__": ["a"]}, {"__metadata__": {"slidescreen": 1}}, [], b"[" * 10**5]
)
def test_a_header_that_holds_no_texts_is_one_clear_error(tmp_path: Path, header: object) -> None:
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(with_header(tmp_path / "w", header))


@pytest.mark.parametrize(
    "changes",
    [
        {"provenance": None},
        {"provenance": ["a"]},
        *({"provenance": {"seed": seed}} for seed in ("abc", -1, 2**32, [1], 1.5, True, None)),
        {"preprocessing": {**vars(Preprocessing(64)), "image_size": float("inf")}},
        {"preprocessing": {**vars(Preprocessing(64)), "image_size": float("nan")}},
        {"preprocessing": {**vars(Preprocessing(64)), "mean": "abc"}},
        {"preprocessing": {**vars(Preprocessing(64)), "interpolation": ["x"]}},
        {"preprocessing": None},
        {"cell_types": [["monocyte"], 3]},
        {"cell_types": None},
        {"backbone": ["x"]},
        "[" * 10**5,
        "[]",
        "3",
    ],
)
def test_a_description_that_cannot_be_is_one_clear_error(tmp_path: Path, changes: dict[str, object] | str) -> None:
    text = changes
    if isinstance(changes, dict):
        text = json.dumps(
            {**json.loads(Checkpoint("efficientnet_b1", cells.CELL_TYPES, Preprocessing(64)).to_json()), **changes}
        )
    with pytest.raises(InputError, match="is not a usable checkpoint"):
        read_checkpoint(with_header(tmp_path / "w", {"__metadata__": {"slidescreen": text}}))


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    checkpoint = Checkpoint("efficientnet_b1", cells.CELL_TYPES, Preprocessing(64))
    save_checkpoint(tmp_path / "w", build("efficientnetv2_b2", 16).state_dict(), checkpoint, half=True)
    with pytest.raises(InputError, match="does not fit efficientnet_b1"):
        load_network(tmp_path / "w")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs a list of what is mapped")
def test_nothing_of_a_file_stays_mapped(checkpoints: tuple[Path, Path]) -> None:
    """Windows lets nobody replace a mapped file, and one on a share that goes away would end the process."""
    weights = load_weights(checkpoints[0])
    assert weights
    assert str(checkpoints[0]) not in Path("/proc/self/maps").read_text()
