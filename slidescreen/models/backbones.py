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
"""The backbones' display names."""

EARLY_FEATURES = 96
"""The number of features (see `features`) of a network's first layers, in both backbones: the means, then the spreads,
of the stem's 32 channels, and the same of the first block's 16. All further features are the last ones."""

LEAST_SPREAD = 1e-4
"""Added to a channel's standard deviation before taking the logarithm."""
