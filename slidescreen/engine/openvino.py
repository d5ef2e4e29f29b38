"""Inference with OpenVINO on the CPU. Torch is not imported if the compiled network is in the cache.

Each thread classifies its own images: several small ones at once, or a single large one. The activations of more
images would not fit the processor's caches.
"""

import functools
import io
import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino
from numpy.typing import NDArray
from scipy import special

from slidescreen.data.images import Pixels
from slidescreen.engine import cache, devices
from slidescreen.engine.devices import has_8_bit_products, threads_in_words
from slidescreen.engine.exactness import PrecisionAgreement, harmless_with
from slidescreen.engine.feature_outputs import with_features
from slidescreen.engine.interface import EngineConfiguration, MemberEngines, NetworkOutputs
from slidescreen.engine.openvino_core import core
from slidescreen.engine.options import Precision, for_each, parts_of
from slidescreen.errors import InputError, memory_ran_out
from slidescreen.files.writing import printable, sha256_of
from slidescreen.models.member import Member, Quantised

# Layers that are not in 8-bit integers stay in float32.
_HINTS: dict[str, str] = {Precision.FP32: "f32", Precision.BF16: "bf16", Precision.INT8: "f32"}
_GRAPH = 3  # raise this if the graph made from a checkpoint changes
# Images that a thread takes at once, up to an image size. Measured for powers of two at 96 to 355 pixels: at 96 and 128
# pixels this is 1.3 to 1.7 times faster than single images, from 224 pixels on it is slower.
_TOGETHER = ((128, 8), (199, 4))
_LEAST_BATCH = 16
_NO_8_BIT = "has no instructions for 8-bit networks (VNNI)"
_FIRST_BATCH = 64  # larger if one network decides first, so that the undecided cells still fill all threads


class OpenVinoEngine:
    """One checkpoint's network, ready to classify batches of prepared pixels."""

    def __init__(self, compiled: openvino.CompiledModel, pool: ThreadPoolExecutor, threads: int) -> None:
        """Set up.

        Args:
            compiled: the network from pixels (B, S, S, 3) to features (B, F) and logits (B, K).
            pool: the threads that compute. The members of an ensemble share one pool.
            threads: the number of threads that compute at once. Fewer are used if memory does not suffice.

        Raises:
            MemoryError: memory does not suffice for one thread.
        """
        self._pool = pool
        self.together, *self._shape = tuple(compiled.input(0).shape)
        self._requests: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for request in _requests(compiled, threads):
            self._requests.put(request)
        # One thread runs the first inference alone: on two threads it sometimes hung (OpenVINO 2026.4).
        self._infer(np.zeros((self.together, *self._shape), np.uint8))

    def probabilities(self, pixels: Pixels) -> NDArray[np.float64]:
        """Classify a batch.

        Args:
            pixels: (N, S, S, 3), prepared by the checkpoint's preprocessing.

        Returns:
            Probabilities (N, K). Each row adds up to 1.
        """
        return self.outputs(pixels).probabilities

    def outputs(self, pixels: Pixels) -> NetworkOutputs:
        """The probabilities (N, K) and the features (N, F) of a batch."""
        parts = [pixels[start : start + self.together] for start in range(0, len(pixels), self.together)]
        features, logits = zip(*self._pool.map(self._infer, parts), strict=True)
        probabilities = special.softmax(np.concatenate(logits).astype(np.float64), axis=1)
        return NetworkOutputs(np.asarray(probabilities), np.concatenate(features))

    def _infer(self, part: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        whole = part
        if len(part) < self.together:  # the graph takes exactly this many
            whole = np.zeros((self.together, *self._shape), np.uint8)
            whole[: len(part)] = part
        request = self._requests.get()
        try:
            result = request.infer([whole], share_inputs=True)
            features, logits = (result[place][: len(part)] for place in (0, 1))
        finally:
            self._requests.put(request)
        return features, logits


def _requests(compiled: openvino.CompiledModel, wanted: int) -> list[openvino.InferRequest]:
    """As many requests as memory allows. Each allocates memory for its activations here."""
    requests: list[openvino.InferRequest] = []
    for _ in range(wanted):
        try:
            requests.append(compiled.create_infer_request())
        except (RuntimeError, MemoryError) as error:
            if not memory_ran_out(error):
                raise
            if not requests:
                raise MemoryError("not even one image fits into memory") from error
            break
    return requests


def choose_precision(asked: str, measured: Mapping[str, PrecisionAgreement]) -> str:
    """The precision that `auto` means here: bfloat16 if the processor has it and it was measured to be harmless.

    `auto` never means 8-bit integers. Their ranges come from labelled cells, and other cells may exceed them.

    Args:
        asked: the user's choice.
        measured: the ensemble's agreement in other precisions, of all members or of some. A precision that was not
            measured is not chosen.

    Raises:
        InputError: OpenVINO on a CPU, this ensemble or this processor does not support the user's choice.
    """
    if asked == Precision.AUTO:
        harmless = harmless_with(Precision.BF16, measured)
        return harmless if harmless != Precision.FP32 and _has_bf16() else Precision.FP32
    for each in parts_of(asked):
        if each not in _HINTS:
            raise InputError(f"--precision {each} needs a GPU; on the CPU use one of {', '.join(_HINTS)}")
    if Precision.INT8 in parts_of(asked):
        found = measured.get(asked, measured.get(Precision.INT8))
        if found is None:
            raise InputError(
                f"--precision {asked}: this ensemble has no 8-bit networks; make them with slidescreen ensemble --int8"
            )
        if not found.tolerable:
            raise InputError(
                f"--precision {asked} is refused: it changes {found.calls_changed:.1%} of this ensemble's calls, "
                f"and its macro F1 by {found.macro_f1_change:+.4f}"
            )
        require_8_bit(f"--precision {asked}")
    told = devices.held_back()
    if Precision.BF16 in parts_of(asked) and told and not devices.has_bfloat16():
        raise InputError(f"--precision {asked}: {told} keeps the processor from bfloat16: leave one of them out")
    return asked


def require_8_bit(option: str) -> None:
    """Raises:
    InputError: this processor cannot multiply 8-bit integers exactly and fast.
    """
    if not has_8_bit_products():
        told = devices.held_back()
        lacks = f"is kept from its instructions for 8-bit networks (VNNI) by {told}" if told else _NO_8_BIT
        raise InputError(f"{option}: this processor {lacks}: leave it out")


def _has_bf16() -> bool:
    """Whether the processor may multiply bfloat16 natively. Otherwise OpenVINO emulates it slowly, or crashes.

    OpenVINO lists all instructions of the processor, even barred ones.
    """
    has_it = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return has_it and devices.has_bfloat16_products()


def load(
    members: Sequence[Member], configuration: EngineConfiguration, threads: int, note: Callable[[str], None]
) -> MemberEngines:
    """Load an engine for each member of an ensemble, and one for the member that classifies first.

    Raises:
        InputError: a file is no checkpoint, or its weights do not fit.
    """
    pool = ThreadPoolExecutor(threads, "inference")

    def engine(member: Member, precision: str) -> OpenVinoEngine:
        return _engine(member, precision, pool, threads, note)

    note = functools.cache(note)  # each message appears once, even if it concerns several networks
    cascade = configuration.cascade
    first = None if cascade is None else engine(members[cascade.first], Precision.INT8)
    precisions = for_each(configuration.precision, len(members))
    engines = [engine(member, precision) for member, precision in zip(members, precisions, strict=True)]
    processor = core().get_property("CPU", "FULL_DEVICE_NAME").strip()
    description = f"{processor}, {threads_in_words(threads)}, OpenVINO {_version()}, {configuration.precision}"
    if cascade is not None:
        description += f", first {members[cascade.first].checkpoint.backbone} in int8"
    if told := devices.held_back():
        description += f", {told}"
    # Two batches at once, so that no thread is idle while the last images of one batch are classified.
    batch = max(_LEAST_BATCH if first is None else _FIRST_BATCH, threads * max(each.together for each in engines))
    return MemberEngines(engines, description, batch, at_once=2, first=first, arithmetics=precisions)


def _engine(
    member: Member,
    precision: str,
    pool: ThreadPoolExecutor,
    threads: int,
    note: Callable[[str], None],
) -> OpenVinoEngine:
    """A network compiled for this processor: from the cache if it has one that runs, else from the checkpoint."""
    options = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    processor = core().get_property("CPU", "FULL_DEVICE_NAME"), *core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    side = member.checkpoint.preprocessing.image_size
    together = next((count for largest, count in _TOGETHER if side <= largest), 1)
    path, sha256 = member.path, member.sha256
    if precision == Precision.INT8:
        path, sha256 = _int8_of(member).path, _int8_of(member).sha256
    what, where = (sha256, _GRAPH, together), (openvino.get_version(), processor, devices.instructions())
    key = cache.key_of(*what, *where, sorted(options.items()))
    try:
        kept = _recalled(key, options)
        if kept is not None:
            return OpenVinoEngine(kept, pool, threads)
    except Exception as error:  # of any kind, for instance with a file of another OpenVINO build
        if memory_ran_out(error):
            raise
    note(f"preparing {member.path.name} for this processor, once")
    graph = _graph(member, precision, together)
    if sha256_of(path) != sha256:  # otherwise the cache would keep this network under the name of another
        raise InputError(f"{printable(path)} was replaced while it was read: start again")
    compiled = core().compile_model(graph, "CPU", options)
    exported = io.BytesIO()
    compiled.export_model(exported)
    if not cache.keep(key, exported.getvalue()):
        note("it could not be cached for the next run: set SLIDESCREEN_CACHE to a writable folder")
    return OpenVinoEngine(compiled, pool, threads)


def _recalled(key: str, options: Mapping[str, object]) -> openvino.CompiledModel | None:
    """A network from the cache, None if the cache has none."""
    kept = cache.recall(key)
    return None if kept is None else core().import_model(kept, "CPU", options)


def _graph(member: Member, precision: str, together: int) -> openvino.Model:
    if precision == Precision.INT8:
        from slidescreen.engine.graph_files import load_graph

        graph = load_graph(_int8_of(member).path)
        graph.reshape([together, *tuple(graph.input(0).shape)[1:]])
        return with_features(graph)
    from slidescreen.engine.conversion import to_openvino

    return with_features(to_openvino(member.path, together))


def _int8_of(member: Member) -> Quantised:
    if member.int8 is None:
        raise InputError(f"{printable(member.path)} has no 8-bit network; make one with slidescreen ensemble --int8")
    return member.int8


def _version() -> str:
    return str(openvino.get_version()).split("-")[0]
