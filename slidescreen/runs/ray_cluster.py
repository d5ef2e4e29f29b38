"""A Ray cluster as the workplace of a run. Only this module imports Ray."""

import contextlib
import importlib
import logging
import os
import pickle
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from slidescreen.data.slides import Slide
from slidescreen.engine.devices import usable_threads
from slidescreen.errors import InputError
from slidescreen.interruptible import interruptibly
from slidescreen.runs.distribution import Lost, Node
from slidescreen.runs.ray_worker import Job, SlideCalls, Unfit

LOCAL, ANY = "local", "auto"
_ADDRESS = re.compile(r"[\w.\-]+:\d+|\[[0-9a-fA-F:]+\]:\d+")
_STORE = 100 * 2**20  # bytes; the calls of a few slides are small
_LONGEST_WAIT = 120.0  # seconds; a local cluster starts slowly on a loaded machine
_LONGEST_FOLDER = 30  # characters; it holds sockets, and the length of their paths is limited
_LOST = {
    "OutOfMemoryError": "its machine ran out of memory",
    "WorkerCrashedError": "its process ended",
    "NodeDiedError": "its machine was lost",
}
_NOT_BEGUN = ("TaskUnschedulableError", "RuntimeEnvSetupError")


def check_address(address: str) -> str:
    """Return a valid address of a Ray cluster.

    Raises:
        InputError: the address is not valid, or Ray is not installed.
    """
    if address not in (LOCAL, ANY) and not _ADDRESS.fullmatch(address):
        raise InputError(f"--ray must be {ANY}, {LOCAL} or HOST:PORT, not {address!r}")
    if find_spec("ray") is None:
        raise InputError("--ray needs the package ray, which is not installed: pip install ray")
    return address


class RayCluster:
    """The machines of a cluster that this process has joined.

    Attributes:
        address: the address from the user.
        threads: the processor threads for one task.
    """

    def __init__(self, address: str, threads: int | None, uses_gpu: bool) -> None:
        """Set up.

        Args:
            address: the address from the user.
            threads: the threads of a task; None for those of the smallest machine, but at most those of this one.
            uses_gpu: whether a task needs a GPU.
        """
        self.address, self._uses_gpu = address, uses_gpu
        counts = [int(node["Resources"].get("CPU", 0)) for node in _alive()]
        self.threads = threads or min([usable_threads(), *(count for count in counts if count)])
        self._task: Any = None
        self._job: Any = None

    def employ(self, job: Job) -> None:
        """Set the job of all following tasks."""
        # Ray would repeat a task for ever if its machine runs out of memory. So Ray repeats no task; `Distribution`
        # counts the tries.
        options = {"max_retries": 0, "num_cpus": self.threads, "num_gpus": 1 if self._uses_gpu else 0}
        self._task = _ray().remote(**options)(_door())
        self._job = _ray().put(pickle.dumps(job))

    def nodes(self) -> Sequence[Node]:
        """The present machines that can do at least one task."""
        found = (
            Node(node["NodeID"], f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", self._slots(node))
            for node in _alive()
        )
        return [node for node in found if node.slots]

    def _slots(self, node: dict[str, Any]) -> int:
        slots = int(node["Resources"].get("CPU", 0) // self.threads)
        return min(slots, int(node["Resources"].get("GPU", 0))) if self._uses_gpu else slots

    def begin(self, node: Node, slides: Sequence[Slide]) -> Any:
        """Begin a task on a machine, and return its ticket."""
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        there = strategies.NodeAffinitySchedulingStrategy(node.identity, soft=False)
        content = pickle.dumps([_with_absolute_paths(slide) for slide in slides])
        return self._task.options(scheduling_strategy=there).remote(self._job, content)

    def finished(self, tickets: Sequence[Any], seconds: float) -> Any | None:
        """The ticket of an ended task; None if no task ends within `seconds`."""
        ended, _ = _ray().wait(list(tickets), num_returns=1, timeout=seconds)
        return ended[0] if ended else None

    def answer(self, ticket: Any) -> SlideCalls | Unfit | Lost:
        """The outcome of an ended task. A worker's unexpected error is raised here."""
        ray = _ray()
        try:
            kind, content = ray.get(ticket)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            name = type(error).__name__
            return Lost(_LOST.get(name, f"its result was lost ({name})"), name not in _NOT_BEGUN)
        if kind == "unfit":
            return Unfit(content)
        answer: SlideCalls | Unfit = pickle.loads(content)
        return answer


@contextlib.contextmanager
def joined_cluster(address: str | None, threads: int | None, uses_gpu: bool) -> Iterator[RayCluster | None]:
    """Join the cluster at an address within the context; give None without an address.

    Raises:
        InputError: no cluster answers at the address.
    """
    if address is None:
        yield None
        return
    check_address(address)
    with contextlib.ExitStack() as held:
        _join(address, held)
        yield RayCluster(address, threads, uses_gpu)


def _join(address: str, held: contextlib.ExitStack) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it once, at its first import
    if address not in (LOCAL, ANY):
        _require_listener(address)
    options = _local(held) if address == LOCAL else {"address": address}
    ray = _ray()

    def join() -> None:
        ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)

    try:
        with _nothing_said(), _own_signals():
            if address == LOCAL:
                join()  # in this thread: Ray's processes end with the thread that starts them
            else:
                interruptibly(join, _LONGEST_WAIT)
    except TimeoutError as error:
        raise InputError(f"--ray {address}: no Ray cluster answers there within {_LONGEST_WAIT:g} s") from error
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"--ray {address}: no cluster could be joined: {reason}{_token_hint()}") from error
    held.callback(ray.shutdown)


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Restore the signal handlers. On SIGTERM, Ray's own end the process at once, and abort it below Python."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _token_hint() -> str:
    asked = os.environ.get("RAY_AUTH_MODE") == "token"
    return " (is its token another one?)" if asked else " (if it asks for a token, set RAY_AUTH_MODE and its token)"


def _require_listener(address: str) -> None:
    """Check that something listens at the address. Ray itself would try for ever."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--ray {address}: nothing answers there: {error}") from error


def _local(held: contextlib.ExitStack) -> dict[str, Any]:
    """The options of a private cluster of this machine. It leaves no files behind."""
    if "ray" not in sys.modules and "RAY_AUTH_TOKEN" not in os.environ:  # else Ray stores a token in ~
        os.environ.update(RAY_AUTH_TOKEN=secrets.token_hex(32), RAY_AUTH_MODE="token")
    folder = tempfile.mkdtemp(prefix="ray-")
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    options: dict[str, Any] = {
        "address": "local",
        "num_cpus": usable_threads(),
        "include_dashboard": False,
        "object_store_memory": _STORE,
    }
    return options if len(folder) > _LONGEST_FOLDER else {**options, "_temp_dir": folder}


@contextlib.contextmanager
def _nothing_said() -> Iterator[None]:
    """Hide a library's output on standard error. Its exceptions say enough."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _alive() -> list[dict[str, Any]]:
    return [node for node in _ray().nodes() if node["Alive"]]


def _ray() -> Any:
    """The library Ray. It is imported only if a cluster is used."""
    return importlib.import_module("ray")


def _door() -> Callable[[bytes, bytes], tuple[str, Any]]:
    """A worker's function, sent by value. So machines with another slidescreen, or none, can still answer."""
    from slidescreen import __version__

    version = __version__

    def enter(job: bytes, slides: bytes) -> tuple[str, Any]:
        try:
            import slidescreen
        except ImportError as error:
            return "unfit", f"slidescreen cannot be imported there: {error}"
        if slidescreen.__version__ != version:
            return "unfit", f"its slidescreen is {slidescreen.__version__}, not {version}"
        from slidescreen.runs.ray_worker import serve

        return "served", serve(job, slides)

    return enter


def _with_absolute_paths(slide: Slide) -> Slide:
    """The slide with absolute paths, for processes in other working folders."""
    images = tuple(replace(image, path=Path(os.path.abspath(image.path))) for image in slide.images)  # noqa: PTH100
    return replace(slide, folder=Path(os.path.abspath(slide.folder)), images=images)  # noqa: PTH100
