"""The features that engines give beside probabilities."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_cells

from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.conversion import to_openvino
from slidescreen.engine.feature_outputs import with_features
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles.storage import load
from slidescreen.models.backbones import EARLY_FEATURES, LEAST_SPREAD
from slidescreen.models.checkpoints import load_network


@pytest.mark.parametrize("kind", ["openvino", "pytorch"])
def test_features_are_how_the_first_layers_respond_and_what_the_classifier_sees(
    kind: str, ensemble_folder: Path, tmp_path: Path
) -> None:
    """Against timm's own layers, one by one."""
    paths = write_cells(tmp_path, 3)
    members = load(ensemble_folder).members
    engines = load_engines(members, EngineConfiguration(kind, "cpu", "fp32")).members
    for member, engine in zip(members, engines, strict=True):
        checkpoint, network = load_network(member.path)
        pixels = np.stack([prepare(decode(read_bytes(path)), checkpoint.preprocessing) for path in paths])
        plain = (pixels / 255 - checkpoint.preprocessing.mean) / checkpoint.preprocessing.std
        images = torch.tensor(plain.transpose(0, 3, 1, 2), dtype=torch.float32)
        with torch.inference_mode():
            stem = network.bn1(network.conv_stem(images))
            block = network.blocks[0](stem)
            last = network.forward_head(network.forward_features(images), pre_logits=True)
        expected = []
        for maps in (stem.numpy(), block.numpy()):
            expected += [maps.mean(axis=(2, 3)), np.log(maps.std(axis=(2, 3)) + LEAST_SPREAD)]
        assert sum(part.shape[1] for part in expected) == EARLY_FEATURES
        found = engine.outputs(pixels)
        assert np.allclose(found.features, np.hstack([*expected, last.numpy()]), atol=1e-3)
        assert np.allclose(found.probabilities, engine.probabilities(pixels))


def test_a_graph_of_another_network_is_refused(ensemble_folder: Path) -> None:
    graph = to_openvino(load(ensemble_folder).members[0].path)
    for node in graph.get_ordered_ops():
        node.set_friendly_name("another")
    with pytest.raises(ValueError, match="other names"):
        with_features(graph)
