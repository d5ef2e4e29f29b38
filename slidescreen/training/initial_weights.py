"""Weights to start a training from, taken from a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from slidescreen.errors import InputError
from slidescreen.files.writing import printable
from slidescreen.models.backbones import BACKBONES
from slidescreen.models.checkpoints import Checkpoint, build, describes_itself, load_weights, read_checkpoint

_HEAD = ("classifier.weight", "classifier.bias")
_COUNTERS = "num_batches_tracked"  # counts batches, is not learnt


@dataclass(frozen=True)
class InitialWeights:
    """The weights that a network takes from a file.

    `body` are whole tensors by name. `head` are the tensors of the last layer. Their rows become the rows `rows` of the
    network's last layer. `of` is the number of tensors in the network.
    """

    body: Mapping[str, Tensor]
    head: Mapping[str, Tensor]
    rows: Sequence[int]
    of: int

    @property
    def taken(self) -> int:
        """How many of the network's tensors come from the file, in whole or in part."""
        return len(self.body) + len(self.head)

    def put_into(self, network: nn.Module) -> None:
        """Copy the weights into a network. All other weights stay unchanged."""
        own = network.state_dict()
        with torch.no_grad():
            for name, tensor in self.body.items():
                own[name].copy_(tensor)
            for name, tensor in self.head.items():
                own[name][list(self.rows)] = tensor.to(own[name].device)


def read_initial_weights(path: Path, backbone: str, cell_types: Sequence[str], partial: bool) -> InitialWeights:
    """Read the tensors that fit a network from a safetensors file: the backbone by name, the last layer by cell type.

    Args:
        path: a checkpoint, or bare weights. Bare weights do not name the last layer's rows, so it cannot be used.
        backbone: a key of `BACKBONES`.
        cell_types: in the order of the network's outputs.
        partial: accept a file if only some of its tensors fit.

    Raises:
        InputError: it is not a safetensors file, no tensor fits, or it is of another network without `partial`.
    """
    weights = load_weights(path)
    checkpoint = read_checkpoint(path) if describes_itself(path) else None
    with torch.device("meta"):
        own = {k: v for k, v in build(backbone, len(cell_types)).state_dict().items() if _COUNTERS not in k}
    body = [name for name in own if name not in _HEAD]
    fitting = {name: weights[name] for name in body if name in weights and weights[name].shape == own[name].shape}
    if not fitting:
        raise InputError(f"nothing in {printable(path)} fits {BACKBONES[backbone]}")
    if not partial:
        _check_whole(path, backbone, checkpoint, len(fitting), len(body))
    shared = [name for name in cell_types if checkpoint and name in checkpoint.cell_types]
    head: dict[str, Tensor] = {}
    if checkpoint and shared and all(_fits(weights.get(k), own[k], len(checkpoint.cell_types)) for k in _HEAD):
        head = {name: weights[name][[checkpoint.cell_types.index(k) for k in shared]] for name in _HEAD}
    rows = [list(cell_types).index(name) for name in shared] if head else []
    return InitialWeights(fitting, head, rows, len(own))


def _check_whole(path: Path, backbone: str, checkpoint: Checkpoint | None, fitting: int, needed: int) -> None:
    if checkpoint is not None and checkpoint.backbone != backbone:
        what = f"is a checkpoint of {BACKBONES[checkpoint.backbone]}, not of {BACKBONES[backbone]}"
    elif fitting < needed:
        what = f"belongs to another network than {BACKBONES[backbone]}"
    else:
        return
    raise InputError(
        f"{printable(path)} {what}: {fitting} of {needed} tensors fit; "
        "choose another --init or --backbone, or use --init-partial to take those that fit"
    )


def _fits(layer: Tensor | None, own: Tensor, rows: int) -> bool:
    return layer is not None and layer.shape == (rows, *own.shape[1:])
