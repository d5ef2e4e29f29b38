"""A network's features of an image: the responses of its first layers, and its last features.

The first layers respond to colour, contrast and sharpness, whatever the cell. The classifier tells cell types apart by
the last features.
"""

from typing import Any

import torch
from torch import Tensor

from slidescreen.models.backbones import LEAST_SPREAD


def classify_with_features(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """The logits (N, K) and features (N, F) of images.

    Args:
        network: a network that `checkpoints.build` made.
        images: (N, 3, S, S), prepared and normalised.
    """
    found = network.bn1(network.conv_stem(images))
    early = _response(found)
    for position, block in enumerate(network.blocks):
        found = block(found)
        if position == 0:
            early += _response(found)
    last = network.forward_head(network.bn2(network.conv_head(found)), pre_logits=True)
    logits: Tensor = network.get_classifier()(last)
    return logits, torch.cat([*early, last.float()], dim=1)


def _response(maps: Tensor) -> list[Tensor]:
    """The mean of each channel over an image, and the logarithm of its standard deviation."""
    exact = maps.float()
    spread = exact.std(dim=(2, 3), correction=0)
    return [exact.mean(dim=(2, 3)), torch.log(spread + LEAST_SPREAD)]
