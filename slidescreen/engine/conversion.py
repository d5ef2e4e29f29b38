"""Convert a checkpoint to a graph that OpenVINO can compile."""

import warnings
from pathlib import Path

import openvino
import torch
from torch import Tensor, nn

from slidescreen.models.checkpoints import load_network


class _FromPixels(nn.Module):
    """A network that takes prepared pixels and normalises them itself, so that the graph contains every step."""

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.mean = 255 * torch.tensor(mean).view(1, 3, 1, 1)
        self.std = 255 * torch.tensor(std).view(1, 3, 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return logits


def to_openvino(checkpoint: Path, batch: int = 1) -> openvino.Model:
    """The graph from 8-bit pixels (B, S, S, 3) to logits (B, K), for one batch size and the checkpoint's image size.

    Raises:
        InputError: the file is no checkpoint, or its weights do not fit.
    """
    description, network = load_network(checkpoint)
    prepared = description.preprocessing
    side = prepared.image_size
    pixels = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    wrapped = _FromPixels(network, prepared.mean, prepared.std).eval()
    # NNPACK is not needed here. On processors too old for it, it prints a warning for each layer.
    with warnings.catch_warnings(), torch.no_grad(), torch.backends.nnpack.flags(enabled=False):
        warnings.simplefilter("ignore")  # tracing is deprecated, but OpenVINO reads traced networks fastest
        traced = torch.jit.trace(wrapped, pixels, check_trace=False)  # type: ignore[no-untyped-call]
        graph = openvino.convert_model(traced, example_input=pixels, input=[1, side, side, 3])
    graph.reshape([batch, side, side, 3])
    return graph
