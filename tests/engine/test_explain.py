"""Heat maps: where a network found the type it called."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SIDE, draw_cell

from slidescreen.data.images import prepare
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine.explain import Explainer
from slidescreen.models.checkpoints import load_network


@pytest.fixture
def pixels() -> np.ndarray:
    return np.stack([prepare(draw_cell(seed), Preprocessing(SIDE)) for seed in range(3)])


def test_a_map_is_a_sixteenth_of_the_image_and_lies_between_0_and_1(
    checkpoints: tuple[Path, Path], pixels: np.ndarray
) -> None:
    for path in checkpoints:
        heat = Explainer(path, torch.device("cpu")).heat(pixels, np.asarray([0, 5, 9]))
        assert heat.shape == (3, SIDE // 16, SIDE // 16)
        assert heat.min() >= 0
        assert set(heat.max(axis=(1, 2)).round(5).tolist()) <= {0.0, 1.0}


def test_a_map_is_of_its_own_image_and_type_alone(checkpoints: tuple[Path, Path], pixels: np.ndarray) -> None:
    explainer = Explainer(checkpoints[0], torch.device("cpu"))
    together = explainer.heat(pixels, np.asarray([0, 5, 9]))
    alone = explainer.heat(pixels[1:2], np.asarray([5]))
    assert np.allclose(together[1], alone[0], atol=1e-3)
    assert not np.allclose(alone, explainer.heat(pixels[1:2], np.asarray([6])), atol=1e-2)


def test_it_is_the_activation_times_its_gradient_where_both_speak_for_the_type(
    checkpoints: tuple[Path, Path],
) -> None:
    """The gradient by finite differences: a small push of one activation moves the type's logit by it."""
    pixels = prepare(draw_cell(0), Preprocessing(32))[None]
    description, network = load_network(checkpoints[0])
    network = network.double()
    mean, std = (torch.tensor(v).double().view(1, 3, 1, 1) for v in (
        description.preprocessing.mean, description.preprocessing.std))  # fmt: skip
    images = (torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).double() / 255 - mean) / std
    with torch.no_grad():
        at_stage = network.blocks[:5](network.bn1(network.conv_stem(images)))
        pushes = torch.eye(at_stage.numel()).double().view(-1, *at_stage.shape[1:]) * 1e-5
        later = network.bn2(network.conv_head(network.blocks[5:](torch.cat([at_stage, at_stage + pushes]))))
        logits = network.forward_head(later)[:, 4]
    gradient = ((logits[1:] - logits[0]) / 1e-5).view(at_stage.shape[1:])
    spoken = (gradient.clamp_min(0) * at_stage[0]).sum(dim=0).clamp_min(0)
    found = Explainer(checkpoints[0], torch.device("cpu")).heat(pixels, np.asarray([4]))[0]
    assert np.allclose(found, (spoken / spoken.max()).numpy(), atol=1e-2)
