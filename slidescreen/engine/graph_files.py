"""Graphs stored in files: written once, and read without torch."""

from pathlib import Path

import numpy as np
import openvino
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from slidescreen.engine.openvino_core import core
from slidescreen.errors import InputError
from slidescreen.files.writing import printable, scratch_folder, write_whole

_GRAPH, _WEIGHTS = "slidescreen.openvino", "weights"


def save_graph(path: Path, graph: openvino.Model) -> None:
    """Write a graph as one safetensors file: the description as metadata, the weights as bytes."""
    with scratch_folder(path.parent) as folder:
        description = folder / "graph.xml"
        openvino.save_model(graph, description)  # the remaining float32 weights are stored as float16
        tensors = {_WEIGHTS: np.fromfile(description.with_suffix(".bin"), np.uint8)}
        metadata = {_GRAPH: description.read_text(encoding="utf-8")}
    content = save(tensors, metadata)  # the library's file writer leaves temporary files if it is killed
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def load_graph(path: Path) -> openvino.Model:
    """Read a graph that `save_graph` wrote.

    Raises:
        InputError: the file cannot be read, or holds no graph.
    """
    try:
        with safe_open(path, "numpy") as file:
            description, weights = file.metadata()[_GRAPH], file.get_tensor(_WEIGHTS)
        return core().read_model(description.encode(), openvino.Tensor(weights))
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{printable(path)} holds no 8-bit network: {error}") from error
