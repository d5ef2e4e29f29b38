"""Weights that a training starts from: of the same backbone, whole, the last layer cell type by cell type."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_training import OPTIONS, Silent, labelled, request
from torch import nn

from slidescreen import cells
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import InputError
from slidescreen.models.checkpoints import Checkpoint, build, load_weights, save_checkpoint
from slidescreen.training.initial_weights import InitialWeights, read_initial_weights
from slidescreen.training.session import run_training

B1, B2 = "efficientnet_b1", "efficientnetv2_b2"


def checkpoint_of(path: Path, backbone: str, cell_types: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Write a checkpoint with random weights, and give them."""
    torch.manual_seed(3)
    network = build(backbone, len(cell_types))
    save_checkpoint(path, network.state_dict(), Checkpoint(backbone, cell_types, Preprocessing(64)), half=False)
    return load_weights(path)


def initialise(
    network: nn.Module, backbone: str, cell_types: Sequence[str], path: Path, partial: bool = False
) -> InitialWeights:
    initial = read_initial_weights(path, backbone, cell_types, partial)
    initial.put_into(network)
    return initial


def test_the_last_layer_is_taken_cell_type_by_cell_type(tmp_path: Path) -> None:
    """Of as many types in another order, of more and of fewer: each output has the weights of its own type."""
    known = ("monocyte", "basophil", "artefact", "neutrophil")
    weights = checkpoint_of(tmp_path / "c", B1, known)
    for asked in (tuple(reversed(known)), cells.CELL_TYPES, ("basophil", "eosinophil")):
        torch.manual_seed(4)
        network = build(B1, len(asked))
        random = network.get_parameter("classifier.weight").detach().clone()
        taken = initialise(network, B1, asked, tmp_path / "c")
        assert taken.taken == taken.of
        assert {asked[row] for row in taken.rows} == set(asked) & set(known)
        for place, name in enumerate(asked):
            row = network.get_parameter("classifier.weight")[place]
            assert torch.equal(row, weights["classifier.weight"][known.index(name)] if name in known else random[place])
        assert torch.equal(network.get_buffer("bn2.running_var"), weights["bn2.running_var"])


def test_types_that_are_all_new_start_at_random(tmp_path: Path) -> None:
    checkpoint_of(tmp_path / "c", B1, ("monocyte", "basophil"))
    network = build(B1, 2)
    before = network.get_parameter("classifier.weight").detach().clone()
    taken = initialise(network, B1, ("eosinophil", "artefact"), tmp_path / "c")
    assert (taken.of - taken.taken, len(taken.rows)) == (2, 0)
    assert torch.equal(network.get_parameter("classifier.weight"), before)


def test_a_last_layer_whose_types_are_unknown_is_not_taken(tmp_path: Path) -> None:
    """Bare weights with as many outputs: nothing says which is which."""
    torch.manual_seed(3)
    save_file(build(B1, 4).state_dict(), tmp_path / "bare")
    network = build(B1, 4)
    before = network.get_parameter("classifier.weight").detach().clone()
    taken = initialise(network, B1, cells.CELL_TYPES[:4], tmp_path / "bare")
    assert taken.of - taken.taken == 2
    assert torch.equal(network.get_parameter("classifier.weight"), before)


def test_bare_weights_need_no_counters_and_no_last_layer(tmp_path: Path) -> None:
    state = {k: v for k, v in build(B1, 1000).state_dict().items() if "num_batches" not in k and "classifier" not in k}
    save_file(state, tmp_path / "bare")
    taken = initialise(build(B1, 4), B1, cells.CELL_TYPES[:4], tmp_path / "bare")
    assert taken.taken == len(state)


@pytest.mark.parametrize(("backbone", "other"), [(B1, B2), (B2, B1)])
def test_another_backbone_is_refused_and_taken_in_part_by_name_alone(tmp_path: Path, backbone: str, other: str) -> None:
    weights = checkpoint_of(tmp_path / "c", other, cells.CELL_TYPES)
    network = build(backbone, 16)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(InputError, match=r"c is a checkpoint of EfficientNet-.*, not of EfficientNet-.*--init-partial"):
        initialise(network, backbone, cells.CELL_TYPES, tmp_path / "c")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    taken = initialise(network, backbone, cells.CELL_TYPES, tmp_path / "c", partial=True)
    own = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    fitting = [name for name, tensor in own.items() if name in weights and weights[name].shape == tensor.shape]
    assert (taken.taken, taken.of) == (len(fitting) - ("classifier.bias" in fitting), len(own))
    assert all(torch.equal(own[name], weights[name]) for name in taken.body)
    assert all(torch.equal(own[name], before[name]) for name in own if name not in taken.body)


def test_bare_weights_of_another_network_are_refused_too(tmp_path: Path) -> None:
    save_file(build(B2, 4).state_dict(), tmp_path / "bare")
    with pytest.raises(
        InputError, match=r"bare belongs to another network than EfficientNet-V1 B1: \d+ of \d+ tensors fit"
    ):
        initialise(build(B1, 4), B1, cells.CELL_TYPES[:4], tmp_path / "bare")


def test_weights_that_fit_nothing_are_refused_even_in_part(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w")
    with pytest.raises(InputError, match=r"nothing in .*w fits EfficientNet-V1 B1"):
        initialise(build(B1, 12), B1, cells.LEUKOCYTES, tmp_path / "w", partial=True)


def test_a_training_says_how_much_was_taken(tmp_path: Path, checkpoints: tuple[Path, Path]) -> None:
    data, options, display = labelled(tmp_path / "cells"), replace(OPTIONS, epochs=1), Silent()
    out = tmp_path / "out"
    with pytest.raises(InputError, match="is a checkpoint of EfficientNet-V2 B2, not of EfficientNet-V1 B1"):
        run_training(request(data, out, options, init=checkpoints[1]), display)
    assert not out.exists()
    run_training(request(data, out, options, init=checkpoints[1], init_partial=True), display)
    (note,) = [note for note in display.notes if "tensors taken from" in note]
    count = int(note.split()[0])
    assert note.endswith("its last layer serves 0 of 3 cell types")
    assert 0 < count < 100
