"""The state of an unfinished training, in one safetensors file: no pickle, written whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from slidescreen.errors import InputError
from slidescreen.files.writing import printable
from slidescreen.models.checkpoints import read_metadata, write_tensors

FORMAT_VERSION = 2
_KEY = "training"
ANEW = "use --overwrite to start anew"


def save_state(
    path: Path,
    networks: Mapping[str, nn.Module],
    best: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    notes: Mapping[str, Any],
) -> None:
    """Write the networks' tensors, those of the `best` epoch, the optimizer's, and `notes` (plain values) to `path`."""
    tensors = {f"{name}/{key}": value for name, net in networks.items() for key, value in net.state_dict().items()}
    tensors |= {f"best/{key}": value for key, value in best.items()}
    for index, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            tensors[f"optimizer/{index}/{key}"] = torch.as_tensor(value)
    write_tensors(path, tensors, {_KEY: json.dumps({"format_version": FORMAT_VERSION, **notes})})


def read_notes(path: Path) -> dict[str, Any]:
    """The plain values of a saved state.

    Raises:
        InputError: the file is not the state of an unfinished training, or another release wrote it.
    """
    metadata = read_metadata(path)
    if _KEY not in metadata:
        raise InputError(f"{printable(path)} is not the state of an unfinished training")
    try:
        notes: dict[str, Any] = dict(json.loads(metadata[_KEY]))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{printable(path)} is damaged ({error}): {ANEW}") from error
    found = notes.get("format_version", 1)
    if found != FORMAT_VERSION:
        raise InputError(
            f"{printable(path)} was written by another release of slidescreen (its format is {found}, this release "
            f"reads {FORMAT_VERSION}): go on with that release, or {ANEW}"
        )
    return notes


def restore_state(path: Path, networks: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Restore the networks and the optimizer from a saved state. Returns the tensors of the best epoch.

    Raises:
        InputError: the file is damaged, or is of another network.
    """
    try:
        tensors = load(path.read_bytes())  # not memory-mapped: the next state replaces the file
        for name, network in networks.items():
            network.load_state_dict(_below(tensors, f"{name}/"))
        _restore_optimizer(tensors, optimizer)
    except (SafetensorError, OSError, RuntimeError, ValueError, LookupError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{printable(path)} is damaged ({reason}): {ANEW}") from error
    return _below(tensors, "best/")


def _restore_optimizer(tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _below(tensors, "optimizer/").items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = _laid_out_as(parameters[int(index)], value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` in the parameter's memory layout. The same layout gives results equal to the last bit."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
