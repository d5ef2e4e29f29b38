"""Give training images the stain of other images of their batch."""

import torch
from torch import Tensor

DARKEST = 1 / 255
"""The smallest intensity whose optical density is taken."""
_LEAST_VARIANCE = 1e-5


def optical_density(images: Tensor) -> Tensor:
    """Optical densities (N, 3, H·W) of images (N, 3, H, W), 0–1."""
    return -torch.log(images.clamp_min(DARKEST)).flatten(2)


def exchange_stain(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Move some images towards the stain of another image of the batch.

    An image's stain is the mean and the covariance of its optical densities. The image moves by a random part of the
    way to the other's. The linear map between the two is the one that changes densities least on the average (optimal
    transport between normal distributions).

    Args:
        images: (N, 3, H, W), 0–1.
        share: the share of images that are changed, 0–1.
        generator: a CPU generator, even if the images are on another device.

    Returns:
        (N, 3, H, W), 0–1.
    """
    count, device = len(images), images.device
    other = torch.randperm(count, generator=generator)
    part = torch.rand(count, 1, 1, generator=generator) * (torch.rand(count, 1, 1, generator=generator) < share)
    density = optical_density(images)
    middle = density.mean(2, keepdim=True)
    spread = density - middle
    covariance = (spread @ spread.transpose(1, 2) / spread.shape[2]).double().cpu()
    covariance += _LEAST_VARIANCE * torch.eye(3, dtype=torch.float64)
    change = torch.lerp(torch.eye(3).expand(count, 3, 3), _transport(covariance, covariance[other]).float(), part)
    middle = torch.lerp(middle, middle[other.to(device)], part.to(device))
    return torch.exp(-(change.to(device) @ spread + middle)).clamp(0, 1).view_as(images)


def _transport(source: Tensor, target: Tensor) -> Tensor:
    """The maps (N, 3, 3) that give samples with covariances `source` (N, 3, 3) the covariances `target`."""
    root, inverse = _power(source, 0.5), _power(source, -0.5)
    return inverse @ _power(root @ target @ root, 0.5) @ inverse


def _power(matrices: Tensor, exponent: float) -> Tensor:
    """Powers of symmetric positive definite matrices (N, K, K)."""
    values, vectors = torch.linalg.eigh(matrices)
    powers: Tensor = (vectors * values.clamp_min(1e-12).pow(exponent).unsqueeze(-2)) @ vectors.transpose(-1, -2)
    return powers
