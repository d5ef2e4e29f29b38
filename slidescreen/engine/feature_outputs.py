"""Add a network's features (see `models.features`) to its graph as an output.

The layers are found by their names, which a network in 8-bit integers keeps. The added layers do not change the logits,
and take up to 3% of the network's time. OpenVINO computes the first output first: if this is the features, each map is
summed up while it is in the processor's cache, and its memory is free for later layers.
"""

import re
from collections.abc import Sequence

import numpy as np
import openvino
from openvino import opset13 as ops

from slidescreen.models.backbones import LEAST_SPREAD

_STEM = re.compile(r"\.bn1\.act/aten::silu_/Swish$")
_FIRST_BLOCK = re.compile(r"\.blocks\.0\.\d+/aten::add/Add$")


def with_features(graph: openvino.Model) -> openvino.Model:
    """The graph from pixels (B, S, S, 3) to features (B, F) and logits (B, K), in single precision.

    Raises:
        ValueError: `conversion.to_openvino` did not make this graph.
    """
    nodes = graph.get_ordered_ops()
    products = [node for node in nodes if node.get_type_name() == "MatMul"]
    stem, block = _named(nodes, _STEM)[:1], _named(nodes, _FIRST_BLOCK)[-1:]
    if not (products and stem and block):
        raise ValueError("its layers have other names than those of the two backbones")
    parts = [part for node in (*stem, *block) for part in _response(node.output(0))]
    features = ops.concat([*parts, products[-1].input_value(0)], axis=1)
    logits = graph.get_results()[0].input_value(0)
    return openvino.Model([ops.result(features), ops.result(logits)], graph.get_parameters(), "with_features")


def _named(nodes: Sequence[openvino.Node], name: re.Pattern[str]) -> list[openvino.Node]:
    return [node for node in nodes if name.search(node.get_friendly_name())]


def _response(maps: openvino.Output) -> list[openvino.Node]:
    """The mean and the logarithm of the standard deviation of each channel of maps (B, C, H, W): twice (B, C)."""
    where = ops.constant(np.array([2, 3], np.int64))
    height, width = (maps.get_partial_shape()[place].get_length() for place in (2, 3))
    mean = ops.reduce_mean(maps, where, keep_dims=True)
    # The difference of mean square and squared mean would be faster, but useless for channels that hardly respond.
    length = ops.reduce_l2(ops.subtract(maps, mean), where, keep_dims=False)
    spread = ops.multiply(length, np.float32((height * width) ** -0.5))
    return [ops.squeeze(mean, where), ops.log(ops.add(spread, np.float32(LEAST_SPREAD)))]
