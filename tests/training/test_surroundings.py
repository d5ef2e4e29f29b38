"""What the exchange of surroundings does to a batch."""

import torch

from slidescreen.training.surroundings import exchange_surroundings

SIDE = 50


def plain(count: int = 8) -> torch.Tensor:
    """Images of one grey each, all different."""
    return torch.linspace(0.1, 0.9, count).view(-1, 1, 1, 1).expand(count, 3, SIDE, SIDE).contiguous()


def test_the_central_cell_stays_and_its_surroundings_are_another_image() -> None:
    before = plain()
    after = exchange_surroundings(before, 1.0, torch.Generator().manual_seed(1))
    greys = before[:, 0, 0, 0]
    middle, corner = after[:, :, SIDE // 2, SIDE // 2], after[:, :, 0, 0]
    assert torch.allclose(middle, greys[:, None].expand(-1, 3))
    taken = [int((greys - value).abs().argmin()) for value in corner[:, 0]]
    assert sorted(taken) == list(range(len(greys)))
    assert taken != list(range(len(greys)))


def test_the_disc_that_stays_holds_a_large_blast_and_leaves_the_corners() -> None:
    before = plain(400)
    after = exchange_surroundings(before, 1.0, torch.Generator().manual_seed(2))
    kept = ((after - before).abs().amax(1) < 1e-6).float().mean(0)
    line = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    distance = torch.hypot(line[:, None], line[None, :])
    assert float(kept[distance < 0.26].min()) == 1.0
    assert float(kept[distance > 0.45].max()) < 0.05  # some images are exchanged with themselves
    between = kept[(distance > 0.34) & (distance < 0.36)].mean()
    assert 0.35 < float(between) < 0.65


def test_the_share_of_changed_images_is_as_asked() -> None:
    before = plain(2000)
    after = exchange_surroundings(before, 0.4, torch.Generator().manual_seed(3))
    changed = (after != before).flatten(1).any(1).float().mean()
    assert abs(float(changed) - 0.4) < 0.04
    assert torch.equal(exchange_surroundings(before, 0.0, torch.Generator()), before)
