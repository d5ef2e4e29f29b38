"""Put the cells of training images into the surroundings of other images of their batch."""

import torch
from torch import Tensor

_LEAST_RADIUS, _MOST_RADIUS = 0.28, 0.42
"""Radii of the disc that stays, as shares of the side. An analyser's image is some 36 µm wide, a blast up to 20 µm."""
_EDGE = 0.03
"""Width of the transition at the disc's edge, as a share of the side."""


def exchange_surroundings(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Replace what surrounds the central cell of some images by what surrounds another image's cell.

    The label is of the central cell. A network that sees it in other laboratories' surroundings cannot tell a type by
    the camera or by the neighbours that come with it.

    Args:
        images: (N, 3, S, S), 0–1.
        share: the share of images that are changed, 0–1.
        generator: a CPU generator, even if the images are on another device.

    Returns:
        (N, 3, S, S), 0–1.
    """
    count, side, device = len(images), images.shape[-1], images.device
    drawn = torch.rand(count, 1, 1, 1, generator=generator)
    radius = (_LEAST_RADIUS + (_MOST_RADIUS - _LEAST_RADIUS) * drawn).to(device)
    changed = (torch.rand(count, 1, 1, 1, generator=generator) < share).to(device)
    other = torch.randperm(count, generator=generator).to(device)
    line = (torch.arange(side, device=device) + 0.5) / side - 0.5
    distance = torch.hypot(line[:, None], line[None, :])
    kept = ((radius - distance) / _EDGE + 0.5).clamp(0, 1)
    return torch.where(changed, torch.lerp(images[other], images, kept), images)
