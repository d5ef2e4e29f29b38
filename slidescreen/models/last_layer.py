"""The last layer of a network: its weights, its inputs, and checkpoints with a new last layer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidescreen.data.images import Pixels
from slidescreen.models.checkpoints import load_network, load_weights, read_checkpoint, save_checkpoint

if TYPE_CHECKING:
    import torch

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


class FeatureReader:
    """A network up to its last layer."""

    def __init__(self, path: Path, device: "torch.device") -> None:
        """Load a checkpoint onto a device."""
        import torch

        checkpoint, network = load_network(path)
        self._network = network.to(device)
        self._device = device
        prepared = checkpoint.preprocessing
        self._mean = 255 * torch.tensor(prepared.mean, device=device).view(1, 3, 1, 1)
        self._std = 255 * torch.tensor(prepared.std, device=device).view(1, 3, 1, 1)

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """The pooled features (N, F) of prepared pixels (N, S, S, 3)."""
        import torch

        network: Any = self._network
        with torch.inference_mode():
            images = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device).permute(0, 3, 1, 2).float()
            found = network.forward_features((images - self._mean) / self._std)
            result: NDArray[np.float32] = network.forward_head(found, pre_logits=True).float().cpu().numpy()
        return result
