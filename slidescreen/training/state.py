"""The state of an unfinished training, in one safetensors file: no pickle, written whole."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from slidescreen.errors import InputError
from slidescreen.files import printable, write_whole
from slidescreen.networks import read_metadata

_KEY = "training"


def save_state(
    path: Path, networks: dict[str, nn.Module], optimizer: torch.optim.Optimizer, notes: dict[str, Any]
) -> None:
    """Write the networks' tensors, the optimizer's, and `notes` (plain values) to `path`."""
    tensors = {f"{name}/{key}": value for name, net in networks.items() for key, value in net.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            tensors[f"optimizer/{index}/{key}"] = torch.as_tensor(value)
    packed = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    metadata = {_KEY: json.dumps(notes)}
    write_whole(path, lambda temporary: save_file(packed, temporary, metadata=metadata))


def read_notes(path: Path) -> dict[str, Any]:
    """The plain values of a saved state.

    Raises:
        InputError: the file is no state of an unfinished training.
    """
    metadata = read_metadata(path)
    if _KEY not in metadata:
        raise InputError(f"{printable(path)} is no state of an unfinished training")
    notes: dict[str, Any] = json.loads(metadata[_KEY])
    return notes


def restore_state(path: Path, networks: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> None:
    """Put a saved state's tensors back into the networks and the optimizer, as they were."""
    tensors = load_file(path)
    for name, network in networks.items():
        network.load_state_dict(_below(tensors, f"{name}/"))
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _below(tensors, "optimizer/").items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
