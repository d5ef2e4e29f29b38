"""The two backbones, by name. Imports nothing heavy."""

from enum import StrEnum


class Backbone(StrEnum):
    """The networks that can be trained and used."""

    EFFICIENTNET_B1 = "efficientnet_b1"
    EFFICIENTNETV2_B2 = "efficientnetv2_b2"


BACKBONES: dict[str, str] = {
    Backbone.EFFICIENTNET_B1: "EfficientNet-V1 B1",
    Backbone.EFFICIENTNETV2_B2: "EfficientNet-V2 B2",
}
"""What people call them."""

EARLY_FEATURES = 96
"""How many of a network's features (see `features`) are of its first layers, in both backbones: means, then spreads, of
the stem's 32 channels, and the same of the first block's 16. All others are the last features."""

LEAST_SPREAD = 1e-4
"""Added to a channel's standard deviation before its logarithm is taken."""
