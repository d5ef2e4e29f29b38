"""Make views of a cell image: the cell turned, mirrored, scaled and recoloured a little.

Networks learn more from few signed cells with views.
"""

import numpy as np

from slidescreen.data.images import Pixels
from slidescreen.training.options import Augmentation

_CHANGES = Augmentation(rotation=180, flips=True, scale=1.1, colour=0.5, focus=0)


def turned(pixels: Pixels, views: int, name: str) -> Pixels:
    """An image (S, S, 3) and its views, together (1 + V, S, S, 3). The same name gives the same views.

    Args:
        pixels: the image, prepared for a network.
        views: the number of views, V.
        name: hexadecimal digits. They decide how the image is changed.
    """
    if not views:
        return pixels[None]
    import torch

    from slidescreen.training.augmentation import augment

    generator = torch.Generator().manual_seed(int(name[:15], 16))
    batch = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float().div(255).expand(views, -1, -1, -1)
    changed = augment(batch, _CHANGES, generator).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    return np.concatenate([pixels[None], changed])


def alone() -> None:
    """Make PyTorch use one thread. Threads that share one image wait for each other."""
    import torch

    torch.set_num_threads(1)
