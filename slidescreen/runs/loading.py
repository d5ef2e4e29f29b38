"""Load an ensemble's networks and start the decoding processes, while a night recalls its finished slides."""

from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from types import TracebackType

from slidescreen.engine.configuration import load_engines
from slidescreen.engine.devices import usable_threads
from slidescreen.engine.interface import EngineConfiguration, MemberEngines
from slidescreen.engine.options import Device, EngineKind
from slidescreen.engine.readers import Readers
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.pipeline import start_reading
from slidescreen.interruptible import alongside
from slidescreen.runs.options import ClassifyOptions

_MOST_BESIDE_NETWORKS = 8


def decoding_processes(configuration: EngineConfiguration, threads: int) -> int:
    """How many processes decode images if the user chose no number.

    Beside a GPU one for each thread: it waits for them. Networks that run on the same threads need no more than eight.
    """
    return threads if configuration.device is Device.CUDA else min(_MOST_BESIDE_NETWORKS, threads)


class Loading:
    """What classifies images on this machine. As a context it ends the decoding processes at the end."""

    def __init__(
        self,
        ensemble: Ensemble,
        configuration: EngineConfiguration,
        options: ClassifyOptions,
        note: Callable[[str], None],
    ) -> None:
        """Set up; nothing is loaded yet.

        Args:
            ensemble, configuration: the ensemble, and its engine here.
            options: the user's options.
            note: receives a message if loading takes long, maybe in another thread.
        """
        self._ensemble, self._configuration, self._options, self._note = ensemble, configuration, options, note
        self.workers = options.workers or decoding_processes(configuration, usable_threads())
        self._loaded: Future[tuple[MemberEngines, Readers]] | None = None

    def __enter__(self) -> "Loading":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # OpenVINO must not be at work while the process ends, so this waits.
        if self._loaded is not None and self._loaded.exception() is None:
            self._loaded.result()[1].close()

    def begin(self) -> None:
        """Begin in a thread of its own. PyTorch does not: some of its settings hold for one thread only."""
        if self._loaded is None and self._configuration.kind is EngineKind.OPENVINO:
            self._loaded = alongside(self._load)

    def result(self) -> tuple[MemberEngines, Readers]:
        """The networks, and the processes that decode images.

        Raises:
            InputError: a network cannot be loaded.
        """
        if self._loaded is None:
            loaded = self._load()
            self._loaded = Future()
            self._loaded.set_result(loaded)
        return self._loaded.result()

    def _load(self) -> tuple[MemberEngines, Readers]:
        readers = start_reading(self._ensemble, self.workers, self._options.time_limit)
        try:
            # If memory is short once the networks are loaded, SciPy's linear algebra never returns from being loaded.
            import_module("scipy.special")
            threads, batch = self._options.engine.threads, self._options.batch_size
            return load_engines(self._ensemble.members, self._configuration, threads, self._note, batch), readers
        except BaseException:
            readers.close()
            raise
