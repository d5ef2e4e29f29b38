"""Inference with OpenVINO, on the CPU. Imports no torch where a network's compiled form is in the cache.

Images go through one by one, each thread of the processor working on an image of its own: measured faster than
batches, whose activations do not fit the processor's caches.
"""

import io
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino
from numpy.typing import NDArray

from slidescreen.engine import cache
from slidescreen.engine.interface import Engines
from slidescreen.ensemble import Member
from slidescreen.errors import InputError
from slidescreen.images import Pixels

_HINTS = {"fp32": "f32", "bf16": "bf16"}
_GRAPH = 1  # to be raised when the graph made from a checkpoint changes
_BATCH = 16


class OpenVinoEngine:
    """One checkpoint's network, ready to classify batches of prepared pixels."""

    def __init__(self, compiled: openvino.CompiledModel, pool: ThreadPoolExecutor) -> None:
        """Set up.

        Args:
            compiled: from pixels (1, S, S, 3) to logits (1, K).
            pool: whose threads compute; members of an ensemble share one.
        """
        self._compiled = compiled
        self._pool = pool
        self._own = threading.local()
        # A first inference on two threads at once hung in some processes (OpenVINO 2026.4): this one is alone.
        self._logits(np.zeros(tuple(compiled.input(0).shape)[1:], np.uint8))

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Classify a batch.

        Args:
            pixels: (N, S, S, 3), prepared as the checkpoint asks.

        Returns:
            (N, K), rows adding up to 1.
        """
        logits = np.stack(list(self._pool.map(self._logits, pixels))).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def _logits(self, image: Pixels) -> NDArray[np.float32]:
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        result: NDArray[np.float32] = request.infer([image[None]], share_inputs=True)[0][0]
        return result


def choose_precision(asked: str) -> str:
    """The arithmetic that `auto` means here: bfloat16 where the processor multiplies it, else float32.

    Raises:
        InputError: asked for one that OpenVINO has not on a CPU.
    """
    if asked == "auto":
        return "bf16" if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"
    if asked not in _HINTS:
        raise InputError(f"--precision {asked} needs a GPU; on the CPU there are {' and '.join(_HINTS)}")
    return asked


def load(members: Sequence[Member], precision: str, threads: int, note: Callable[[str], None]) -> Engines:
    """An engine for each member of an ensemble.

    Raises:
        InputError: a file is no checkpoint, or its weights do not fit.
    """
    core = openvino.Core()
    pool = ThreadPoolExecutor(threads, "inference")
    engines = [OpenVinoEngine(_compiled(core, member, precision, threads, note), pool) for member in members]
    processor = core.get_property("CPU", "FULL_DEVICE_NAME").strip()
    counted = "1 thread" if threads == 1 else f"{threads} threads"
    description = f"{processor}, {counted}, OpenVINO {_version()}, {precision}"
    # Two batches at once, so that no thread idles while the last images of one are being classified.
    return Engines(engines, description, batch_size=_BATCH, at_once=2)


def _compiled(
    core: openvino.Core, member: Member, precision: str, threads: int, note: Callable[[str], None]
) -> openvino.CompiledModel:
    """A network compiled for this processor, from the cache if it is there, else from its checkpoint."""
    options = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    processor = core.get_property("CPU", "FULL_DEVICE_NAME"), *core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    key = cache.key_of(member.sha256, _GRAPH, openvino.get_version(), processor, sorted(options.items()))
    kept = cache.recall(key)
    if kept is not None:
        return core.import_model(kept, "CPU", options)
    note(f"preparing {member.path.name} for this processor, once")
    from slidescreen.engine.conversion import to_openvino

    compiled = core.compile_model(to_openvino(member.path), "CPU", options)
    exported = io.BytesIO()
    compiled.export_model(exported)
    cache.keep(key, exported.getvalue())
    return compiled


def _version() -> str:
    return str(openvino.get_version()).split("-")[0]
