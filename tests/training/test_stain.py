"""What the exchange of stains does to a batch."""

import numpy as np
import pytest
import torch
from scipy import linalg

from slidescreen.training.augmentation import augment
from slidescreen.training.options import Augmentation
from slidescreen.training.stain import _transport, exchange_stain, optical_density


def batch(count: int = 6) -> torch.Tensor:
    """Images with densities of different means and covariances, none of them near black."""
    generator = torch.Generator().manual_seed(3)
    mix = torch.eye(3) * 0.1 + 0.03 * torch.randn(count, 3, 3, generator=generator)
    middle = 0.8 + 0.2 * torch.rand(count, 3, 1, generator=generator)
    density = mix @ torch.randn(count, 3, 32 * 32, generator=generator).clamp(-2, 2) + middle
    return torch.exp(-density).view(count, 3, 32, 32)


def stains(images: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(d.mean(1), np.cov(d, bias=True)) for d in optical_density(images).double().numpy()]


def test_a_share_of_zero_changes_nothing() -> None:
    assert torch.allclose(exchange_stain(batch(), 0.0, torch.Generator().manual_seed(0)), batch(), atol=1e-5)


def test_the_stain_moves_between_the_image_and_the_other_one() -> None:
    before = batch(2)
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        other = torch.randperm(2, generator=torch.Generator().manual_seed(seed))
        after = stains(exchange_stain(before, 1.0, generator))
        for place, (mean, _) in enumerate(after):
            own, its = stains(before)[place][0], stains(before)[other[place]][0]
            part = (mean - own) @ (its - own) / max((its - own) @ (its - own), 1e-12)
            assert -0.01 <= part <= 1.01
            assert np.allclose(mean, own + part * (its - own), atol=0.02)


def test_a_whole_exchange_gives_the_covariance_of_the_other_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = batch()
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.ones(*size) - 1e-7)
    generator = torch.Generator().manual_seed(5)
    other = torch.randperm(len(before), generator=torch.Generator().manual_seed(5))
    after = stains(exchange_stain(before, 1.0, generator))
    for place, (mean, covariance) in enumerate(after):
        wanted_mean, wanted = stains(before)[other[place]]
        assert np.allclose(mean, wanted_mean, atol=0.01)
        assert np.allclose(covariance, wanted, rtol=0.05, atol=0.0005)


def test_the_map_is_the_optimal_transport_of_scipy() -> None:
    (_, first), (_, second) = stains(batch(2))
    root = linalg.sqrtm(first)
    expected = linalg.inv(root) @ linalg.sqrtm(root @ second @ root) @ linalg.inv(root)
    found = _transport(torch.from_numpy(first)[None], torch.from_numpy(second)[None])[0]
    assert np.allclose(found, expected.real, atol=1e-6)


def test_images_of_one_colour_stay_finite() -> None:
    plain = torch.cat([torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32), batch(2)])
    for seed in range(5):
        after = exchange_stain(plain, 1.0, torch.Generator().manual_seed(seed))
        assert bool(after.isfinite().all())
        assert 0 <= float(after.min()) <= float(after.max()) <= 1


def test_the_exchange_alone_keeps_every_image_in_its_place() -> None:
    alone = Augmentation(rotation=0, flips=False, scale=1, colour=0, focus=0, stain_exchange=1)
    for before, after in zip(batch(), augment(batch(), alone, torch.Generator().manual_seed(2)), strict=True):
        pair = torch.stack([before.mean(0).flatten(), after.mean(0).flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.8
