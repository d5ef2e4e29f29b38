"""Folds a network's normalisation into its convolutions: fewer passes over memory, the same results up to rounding."""

from itertools import pairwise

from torch import nn
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


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
