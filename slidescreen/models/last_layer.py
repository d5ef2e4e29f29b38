"""The last layer of a network: its weights, its inputs, and checkpoints with a new last layer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidescreen.models.checkpoints import load_weights, read_checkpoint, save_checkpoint

_WEIGHT, _BIAS = "classifier.weight", "classifier.bias"  # in both backbones


@dataclass(frozen=True)
class LastLayer:
    """The layer from pooled features (N, F) to logits (N, K): `weight` (K, F), `bias` (K,)."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """The logits (N, K) of pooled features (N, F)."""
        return np.asarray(features.astype(np.float64) @ self.weight.T + self.bias)


def last_layer(path: Path) -> LastLayer:
    """The last layer of a checkpoint."""
    weights = load_weights(path)
    return LastLayer(weights[_WEIGHT].double().numpy(), weights[_BIAS].double().numpy())


def with_last_layer(source: Path, target: Path, layer: LastLayer, provenance: Mapping[str, Any]) -> None:
    """Write a copy of a checkpoint with a new last layer.

    Args:
        source: the checkpoint to copy.
        target: the new checkpoint's path.
        layer: the new last layer.
        provenance: added to the copied checkpoint's account of its origin.
    """
    import torch

    weights = load_weights(source)
    weights[_WEIGHT] = torch.from_numpy(layer.weight).float()
    weights[_BIAS] = torch.from_numpy(layer.bias).float()
    checkpoint = read_checkpoint(source)
    described = replace(checkpoint, provenance={**checkpoint.provenance, **provenance})
    save_checkpoint(target, weights, described, half=True)
