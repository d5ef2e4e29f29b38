"""Make a network in 8-bit integers from a checkpoint. Only this module needs NNCF."""

import contextlib
import io
import logging
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import openvino

from slidescreen.data.images import Pixels
from slidescreen.engine.conversion import to_openvino
from slidescreen.errors import InputError

CALIBRATION_CELLS = 640

Layers = Callable[[openvino.Model], list[str]]


def require_nncf() -> None:
    """Raises:
    InputError: NNCF is not installed.
    """
    if find_spec("nncf") is None:
        raise InputError("--int8 needs the package nncf, which is not installed: pip install nncf")


def gates(graph: openvino.Model) -> list[str]:
    """The layers of squeeze and excitation, and their multiplications. These keep their names in the graph."""
    return [name for op in graph.get_ordered_ops() if re.search(r"\.se[./]", name := op.get_friendly_name())]


def ends(graph: openvino.Model) -> list[str]:
    """The first convolution and the classifier."""
    first = next(op for op in graph.get_ordered_ops() if op.get_type_name() == "Convolution")
    last = [op for op in graph.get_ordered_ops() if op.get_type_name() == "MatMul"][-1]
    return [first.get_friendly_name(), last.get_friendly_name()]


def depthwise(graph: openvino.Model) -> list[str]:
    """The depthwise convolutions: each filter sees one channel."""
    return [op.get_friendly_name() for op in graph.get_ordered_ops() if op.get_type_name() == "GroupConvolution"]


LEFT_ALONE = (gates, ends, depthwise)
"""Layers that lose accuracy in 8 bits and gain little speed, as measured by benchmarks.int8."""


def quantised(checkpoint: Path, pixels: Pixels, left_alone: Sequence[Layers] = LEFT_ALONE) -> openvino.Model:
    """The graph of `to_openvino` for batches of one image, with 8-bit integers in most layers.

    Args:
        checkpoint: the checkpoint's file.
        pixels: (N, S, S, 3), prepared training images. They give the range of values in each layer.
        left_alone: kinds of layers that are not quantised.

    Raises:
        InputError: the file is no checkpoint, or NNCF is not installed.
    """
    require_nncf()
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws its own progress bars
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # no compiler is needed
        import nncf

        nncf.set_log_level(logging.ERROR)
        graph = to_openvino(checkpoint)
        names = [name for kind in left_alone for name in kind(graph)]
        return nncf.quantize(
            graph,
            nncf.Dataset([image[None] for image in pixels]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pixels),
            ignored_scope=nncf.IgnoredScope(names=names, validate=False),
        )
