"""Random changes to a batch of training images. The same generator state gives the same changes."""

import math

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from slidescreen.training.options import Augmentation
from slidescreen.training.stain import exchange_stain, optical_density
from slidescreen.training.surroundings import exchange_surroundings

_STAIN_SPREAD = 0.08


def augment(batch: Tensor, options: Augmentation, generator: torch.Generator) -> Tensor:
    """Randomly exchange surroundings and stains in a batch, then turn, flip, scale, recolour and refocus each image.

    Args:
        batch: (N, 3, H, W), 0–1.
        options: the strengths of the changes.
        generator: a CPU generator, even if the batch is on another device.

    Returns:
        (N, 3, H, W), 0–1.
    """
    if options.surroundings > 0:
        batch = exchange_surroundings(batch, options.surroundings, generator)
    if options.stain_exchange > 0:
        batch = exchange_stain(batch, options.stain_exchange, generator)
    batch = _move(batch, options, generator)
    if options.colour > 0:
        batch = _restain(batch, options.colour, generator)
    if options.focus > 0:
        batch = _refocus(batch, options.focus, generator)
    return batch


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _move(batch: Tensor, options: Augmentation, generator: torch.Generator) -> Tensor:
    """Turn, flip and scale each image in one resampling. Reflections fill the corners."""
    count = len(batch)
    if options.rotation == 0 and not options.flips and options.scale == 1:
        return batch
    angle = _uniform(count, -options.rotation, options.rotation, generator) * (math.pi / 180)
    # The sum of two draws favours small changes. Large ones imitate another microscope.
    zoom = torch.exp(
        (_uniform(count, -0.5, 0.5, generator) + _uniform(count, -0.5, 0.5, generator)) * math.log(options.scale)
    )
    flip = torch.ones(2, count)
    if options.flips:
        flip = torch.randint(0, 2, (2, count), generator=generator) * 2.0 - 1.0
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = torch.cos(angle) * flip[0] / zoom
    matrix[:, 0, 1] = -torch.sin(angle) * flip[1] / zoom
    matrix[:, 1, 0] = torch.sin(angle) * flip[0] / zoom
    matrix[:, 1, 1] = torch.cos(angle) * flip[1] / zoom
    grid = functional.affine_grid(matrix.to(batch.device), list(batch.shape), align_corners=False)
    return functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)


def _restain(batch: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Mix and shift the optical densities of the channels, as another stain, lamp or camera would."""
    spread = _STAIN_SPREAD * strength
    count = len(batch)
    mix = torch.eye(3) + spread * torch.randn(count, 3, 3, generator=generator)
    depth = torch.exp(2 * spread * torch.randn(count, 1, 1, generator=generator))
    shift = spread * torch.randn(count, 3, 1, generator=generator)
    density = optical_density(batch)
    density = (depth * mix).to(batch.device) @ density + shift.to(batch.device)
    return torch.exp(-density).clamp(0, 1).view_as(batch)


def _refocus(batch: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Move each image towards its Gaussian blur (out of focus) or away from it (sharpened)."""
    share = _uniform(len(batch), -1, 1, generator).view(-1, 1, 1, 1).to(batch.device)
    sigma = strength * batch.shape[-2] / 128
    side = 2 * max(1, math.ceil(2 * sigma)) + 1
    return torch.lerp(batch, gaussian_blur(batch, [side, side], [sigma, sigma]), share).clamp(0, 1)
