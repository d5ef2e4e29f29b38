"""Checkpoints of the two backbones: a safetensors file that describes how to use it.

`read_checkpoint` needs no torch; `build` and `load_network` do.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slidescreen.cells import CELL_TYPES
from slidescreen.choices import listed
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import InputError
from slidescreen.files.writing import printable, write_whole
from slidescreen.models.backbones import Backbone

if TYPE_CHECKING:
    import torch
    from torch import nn

_TIMM_NAMES: dict[str, str] = {
    Backbone.EFFICIENTNET_B1: "efficientnet_b1",
    Backbone.EFFICIENTNETV2_B2: "tf_efficientnetv2_b2",
}

FORMAT_VERSION = 1
_KEY = "slidescreen"
_MAX_HEADER = 32 * 1024**2
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Checkpoint:
    """The description in a checkpoint file: everything needed to use its weights correctly."""

    backbone: str
    cell_types: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.backbone not in tuple(Backbone):
            raise ValueError(f"backbone must be one of {listed(Backbone)}, not {self.backbone!r}")
        unknown = [name for name in self.cell_types if name not in CELL_TYPES]
        if unknown:
            raise ValueError(f"unknown cell types: {', '.join(map(str, unknown))}")
        if len(set(self.cell_types)) != len(self.cell_types) or len(self.cell_types) < 2:
            raise ValueError("cell types must be two or more, each named once")
        if not isinstance(self.provenance, Mapping):
            raise TypeError("provenance must be a table of names and values")
        if type(seed := self.provenance.get("seed", 0)) is not int or not 0 <= seed <= _LARGEST_SEED:
            raise ValueError(f"seed must be a whole number from 0 to {_LARGEST_SEED}, not {seed!r}")

    def to_json(self) -> str:
        """The metadata text stored in the file."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Checkpoint":
        """Parse the metadata text.

        Raises:
            ValueError, KeyError, TypeError, OverflowError, RecursionError: `to_json` did not write this text.
        """
        content = json.loads(text)
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {content['format_version']}, this release reads {FORMAT_VERSION}")
        prepared = content["preprocessing"]
        preprocessing = Preprocessing(
            int(prepared["image_size"]),
            tuple(prepared["mean"]),
            tuple(prepared["std"]),
            prepared["interpolation"],
            bool(prepared["white_balance"]),
        )
        return cls(content["backbone"], tuple(content["cell_types"]), preprocessing, content["provenance"])


def build(backbone: str, n_types: int, drop_rate: float = 0.0, drop_path_rate: float = 0.0) -> "nn.Module":
    """A network with `n_types` outputs (logits) and random weights. Nothing is downloaded."""
    import timm

    return timm.create_model(
        _TIMM_NAMES[backbone],
        pretrained=False,
        num_classes=n_types,
        drop_rate=drop_rate,
        drop_path_rate=drop_path_rate,
    )


def read_checkpoint(path: Path) -> Checkpoint:
    """The description inside a checkpoint file, without reading its weights.

    Raises:
        InputError: not a safetensors file, or not a checkpoint of slidescreen.
    """
    metadata = read_metadata(path)
    if _KEY not in metadata:
        raise InputError(
            f"{printable(path)} has weights without a description: it is not a checkpoint of slidescreen train"
        )
    try:
        return Checkpoint.from_json(metadata[_KEY])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{printable(path)} is not a usable checkpoint: {_reason(error)}") from error


def describes_itself(path: Path) -> bool:
    """Whether a safetensors file describes itself as a slidescreen checkpoint.

    Raises:
        InputError: not a safetensors file.
    """
    return _KEY in read_metadata(path)


def save_checkpoint(path: Path, state: Mapping[str, "torch.Tensor"], checkpoint: Checkpoint, half: bool) -> None:
    """Write a checkpoint whole. `half` stores the weights as in `halved`."""
    write_tensors(path, halved(state) if half else state, {_KEY: checkpoint.to_json()})


def halved(state: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    """Copies on the CPU, with the weights as float16. That halves the size and changes no call in practice.

    Tensors that exceed float16's range stay unchanged, and so do the running statistics of normalisation.
    """
    import torch

    tensors = {}
    for name, tensor in state.items():
        kept = tensor.detach().to("cpu", copy=True)
        if kept.is_floating_point() and "running_" not in name:
            narrow = kept.to(torch.float16)
            kept = narrow if narrow.isfinite().all() else kept
        tensors[name] = kept.contiguous()
    return tensors


def write_tensors(path: Path, tensors: Mapping[str, "torch.Tensor"], metadata: dict[str, str]) -> None:
    """Write a safetensors file whole.

    The file is first made in memory. The library's own file writer leaves temporary files if it is killed, and a full
    disk does not make it raise an OSError.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    from safetensors.torch import save

    packed = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = save(packed, metadata)
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def load_weights(path: Path) -> dict[str, "torch.Tensor"]:
    """All tensors of a safetensors file, with floating-point tensors as float32.

    Raises:
        InputError: the file is not a safetensors file, or some weights are not finite.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    read_metadata(path)
    try:
        loaded = load(path.read_bytes())  # a memory-mapped file must not be replaced or cut
    except (SafetensorError, OSError) as error:
        raise InputError(f"{printable(path)} is damaged: {error}") from error
    weights = {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in loaded.items()}
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise InputError(f"{printable(path)} cannot be used: some of its weights are not finite numbers")
    return weights


def load_network(path: Path) -> tuple[Checkpoint, "nn.Module"]:
    """A checkpoint's description and its network, in evaluation mode, float32, on the CPU.

    Raises:
        InputError: the file is no checkpoint, or its weights do not fit its backbone and cell types.
    """
    checkpoint = read_checkpoint(path)
    network = build(checkpoint.backbone, len(checkpoint.cell_types))
    try:
        network.load_state_dict(load_weights(path), strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise InputError(f"{printable(path)} does not fit {checkpoint.backbone}: {first}") from error
    return checkpoint, network.eval()


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, read from its header alone.

    Raises:
        InputError: the file cannot be read or is not a safetensors file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= _MAX_HEADER:
                raise ValueError("no safetensors header")
            metadata = json.loads(file.read(length)).get("__metadata__", {})
            if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
                raise ValueError("its metadata are no texts")
            return metadata
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error.strerror}") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{printable(path)} is not a safetensors file (pickled weights are never loaded)") from error


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
