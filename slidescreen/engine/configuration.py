"""Choose the engine for this machine: PyTorch on a GPU if there is one, else OpenVINO on the processor."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from slidescreen.engine.devices import choose_device, gpu_present, has_bfloat16, usable_threads
from slidescreen.engine.interface import EngineConfiguration, Measured, MemberEngines
from slidescreen.engine.options import Device, EngineKind, EngineOptions, Precision
from slidescreen.errors import InputError
from slidescreen.models.member import Member


def configure(options: EngineOptions, measured: Measured | None = None) -> EngineConfiguration:
    """Resolve `auto` for this machine. Imports torch only if a GPU seems present or the user chose PyTorch.

    Args:
        options: the user's options.
        measured: the ensemble's measurements in other precisions. Without them the processor computes in float32.

    Raises:
        InputError: this machine cannot do what the options ask, or the options exclude each other.
    """
    if options.device == Device.CUDA or (options.device == Device.AUTO and gpu_present()):
        device = Device(choose_device(options.device).type)
    else:
        device = Device.CPU
    if options.kind == EngineKind.OPENVINO and options.device == Device.CUDA:
        raise InputError("OpenVINO runs on the CPU: use --engine openvino or --device cuda, not both")
    by_openvino = options.kind == EngineKind.AUTO and device == Device.CPU and find_spec("openvino")
    if options.kind == EngineKind.OPENVINO or by_openvino:
        from slidescreen.engine import openvino

        cascade = measured.cascade if measured and options.fast else None
        if options.fast:
            if cascade is None:
                raise InputError("--fast: this ensemble has no fast mode; make one with slidescreen ensemble --int8")
            openvino.require_8_bit("--fast")
        precision = openvino.choose_precision(options.precision, measured.precisions if measured else {})
        return EngineConfiguration(EngineKind.OPENVINO, Device.CPU, precision, cascade)
    if options.fast:
        raise InputError("--fast needs OpenVINO, which runs on the CPU: use --engine openvino")
    from slidescreen.engine import pytorch

    precision = pytorch.choose_precision(options.precision, device, measured.precisions if measured else {})
    return EngineConfiguration(EngineKind.PYTORCH, device, precision)


def half_precisions(configuration: EngineConfiguration) -> tuple[str, ...]:
    """The half precisions that the engine computes on this machine, not merely rounds to."""
    if configuration.kind == EngineKind.OPENVINO:
        return (Precision.BF16,) if has_bfloat16() else ()
    if configuration.device == Device.CPU:
        return ()
    from slidescreen.engine import pytorch

    return pytorch.half_precisions()


def load_engines(
    members: Sequence[Member],
    configuration: EngineConfiguration,
    threads: int | None = None,
    note: Callable[[str], None] = lambda _: None,
    batch: int | None = None,
) -> MemberEngines:
    """Load an ensemble's networks.

    Args:
        members: the ensemble's members.
        configuration: the result of `configure`.
        threads: processor threads to use; None for all that this process may use.
        note: receives a message if loading takes long.
        batch: images of a batch, if the user chose it. A GPU then prepares for it.

    Raises:
        InputError: a file is no checkpoint, or its weights do not fit.
    """
    threads = threads or usable_threads()
    if configuration.kind == EngineKind.OPENVINO:
        from slidescreen.engine import openvino

        return openvino.load(members, configuration, threads, note)
    from slidescreen.engine import pytorch

    return pytorch.load(members, configuration.device, configuration.precision, threads, batch)
