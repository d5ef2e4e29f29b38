"""Heat maps that show which parts of an image led to a network's call."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slidescreen.data.images import Pixels
from slidescreen.models.checkpoints import load_network

_LAYER = 4  # position in `blocks` of the deepest stage at 1/16 of the image's side, in both backbones


class Explainer:
    """A checkpoint's network with heat maps for its calls. It works on the CPU or a GPU, in float32."""

    def __init__(self, checkpoint: Path, device: torch.device) -> None:
        """Load a checkpoint.

        Raises:
            InputError: the file is no checkpoint.
        """
        description, network = load_network(checkpoint)
        self._device = device
        self._network = network.to(device)
        prepared = description.preprocessing
        self._mean = torch.tensor(prepared.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(prepared.std, device=device).view(1, 3, 1, 1)

    def heat(self, pixels: Pixels, types: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much each place of an image supports a type.

        Args:
            pixels: (N, S, S, 3), prepared by the checkpoint's preprocessing.
            types: (N,) indices of the types to explain.

        Returns:
            (N, h, w), 0–1, with 1 at the place of strongest support; all 0 if no place supports the type.

        Source: LayerCAM, Jiang et al., IEEE Transactions on Image Processing 2021; 30: 5875-5888.
        """
        images = torch.from_numpy(np.array(pixels)).to(self._device).permute(0, 3, 1, 2).float() / 255
        kept: list[Tensor] = []

        def keep(*passed: Any) -> None:
            kept.append(passed[-1])  # module, inputs, output

        handle = self._network.get_submodule(f"blocks.{_LAYER}").register_forward_hook(keep)
        try:
            with torch.enable_grad():
                logits = self._network((images - self._mean) / self._std)
                chosen = logits.gather(1, torch.as_tensor(types, device=self._device)[:, None]).sum()
                (gradient,) = torch.autograd.grad(chosen, kept[0])
        finally:
            handle.remove()
        spoken = (gradient.clamp_min(0) * kept[0]).sum(dim=1).clamp_min(0).detach()
        loudest = spoken.flatten(1).amax(dim=1).clamp_min(1e-12).view(-1, 1, 1)
        result: NDArray[np.float32] = (spoken / loudest).cpu().numpy()
        return result
