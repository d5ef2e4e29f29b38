"""Rewrites a network so that it passes over memory less often, with the same results up to rounding."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_normalisation(network: nn.Module) -> nn.Module:
    """Fold each normalisation of a backbone into the convolution before it; what is left of it is its activation.

    Args:
        network: as `checkpoints.build` makes it. It is changed, and can no longer be trained.

    Raises:
        ValueError: a normalisation does not follow a convolution.
    """
    network.eval()
    for parent in list(network.modules()):
        for (_, before), (name, norm) in pairwise(list(parent.named_children())):
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(before, norm)
                setattr(parent, name, getattr(norm, "act", nn.Identity()))
    left = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"no convolution before {', '.join(left)}")
    return network


def multiply_single_pixels(network: nn.Module) -> nn.Module:
    """Compute each convolution of single pixels (1 × 1) as a matrix product, which adds the bias on its way.

    cuDNN's convolutions leave the bias to another pass over memory. This pays where the channels of a pixel lie side by
    side; elsewhere it would copy them.

    Args:
        network: with normalisation folded. It is changed.
    """
    for parent in list(network.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.Conv2d) and _sees_single_pixels(module):
                setattr(parent, name, _PixelProduct(module))
    return network


class _PixelProduct(nn.Module):
    """A convolution of single pixels, maps (N, C, H, W) to maps (N, D, H, W), channels last."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(convolution.weight.detach().flatten(1))
        self.bias = convolution.bias

    def forward(self, maps: Tensor) -> Tensor:
        pixels = maps.permute(0, 2, 3, 1)
        found = functional.linear(pixels.reshape(-1, pixels.shape[3]), self.weight, self.bias)
        return found.view(*pixels.shape[:3], -1).permute(0, 3, 1, 2)


def _sees_single_pixels(convolution: nn.Conv2d) -> bool:
    places = (convolution.kernel_size, convolution.stride)
    return places == ((1, 1), (1, 1)) and convolution.groups == 1 and convolution.padding == (0, 0)


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
