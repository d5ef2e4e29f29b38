"""Nights on a real Ray cluster of two nodes on one machine: whatever ends, the tables are the same, byte for byte."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, write_cells

from slidescreen.runs import ray_cluster

if find_spec("ray") is None or sys.platform == "win32":
    pytest.skip("needs Ray, and a system that can kill", allow_module_level=True)

SLIDES = 10
_HEALTH = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
_STORE = 80 * 2**20


@dataclass
class TwoNodes:
    """A cluster with one processor on each of two nodes; the second can be removed."""

    cluster: Any
    second: Any
    address: str = field(init=False)

    def __post_init__(self) -> None:
        self.address = self.cluster.address

    def add(self, **environment: str) -> None:
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        self.second = self.cluster.add_node(num_cpus=1, object_store_memory=_STORE)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    def remove(self) -> None:
        self.cluster.remove_node(self.second, allow_graceful=False)
        self.second = None


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    # Ray reads these once, when it is imported.
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": _STORE, "_system_config": _HEALTH}
    found = TwoNodes(Cluster(initialize_head=True, head_node_args=head), None)
    yield found
    found.cluster.shutdown()


@pytest.fixture
def slides(command: Command) -> Path:
    """Ten slides of three cells, with the tables that one machine makes of them in `alone`."""
    for number in range(SLIDES):
        write_cells(Path(f"night/S{number}"), 3, first_seed=10 * number)
    assert command("classify", "night", "--out", "alone", "--threads", "1").code == 0
    return Path("night")


def tables(out: str) -> list[bytes]:
    return [Path(out, name).read_bytes() for name in ("cells.csv", "differential.csv")]


def told_by(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(out, "run.json").read_text())
    return found


def watched(place: Path, kills: str = "") -> Callable[[], Callable[[bytes, bytes], tuple[str, Any]]]:
    """A worker's door that is slow and tells which process has which slides in hand; the slide `kills` kills it."""
    sound = ray_cluster._door

    def door() -> Callable[[bytes, bytes], tuple[str, Any]]:
        enter, folder = sound(), str(place.absolute())

        def slowly(job: bytes, content: bytes) -> tuple[str, Any]:
            import os
            import pathlib
            import pickle
            import signal
            import time

            import ray

            names = [slide.name for slide in pickle.loads(content)]
            node = ray.get_runtime_context().get_node_id()
            for name in names:
                told = pathlib.Path(folder, f"{name}-{time.monotonic_ns()}")
                told.write_text(f"{os.getpid()} {node}")
            if kills in names:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.3)
            return enter(job, content)

        return slowly

    return door


@dataclass
class Tasks:
    """What the doors of `watched` told."""

    place: Path

    def wait(self, count: int, node: str = "") -> int:
        """The process of the task that came as the count-th, on a node."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            told = [path.read_text().split() for path in sorted(self.place.iterdir(), key=lambda p: p.stat().st_mtime)]
            here = [int(words[0]) for words in told if len(words) == 2 and words[1].startswith(node)]
            if len(here) >= count:
                return here[count - 1]
            time.sleep(0.02)
        raise TimeoutError

    def of(self, slide: str) -> int:
        return len(list(self.place.glob(f"{slide}-*")))


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    (tmp_path / "tasks").mkdir()
    return Tasks(tmp_path / "tasks")


def meanwhile(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_a_killed_worker_a_lost_node_and_a_slide_that_kills_change_no_table(
    command: Command, slides: Path, nodes: TwoNodes, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.add()
    write_cells(slides / "S5x", 3, first_seed=77)  # kills each process that takes it in hand
    monkeypatch.setattr(ray_cluster, "_door", watched(tasks.place, kills="S5x"))
    second = nodes.second.node_id

    def disturb() -> None:
        os.kill(tasks.wait(2), signal.SIGKILL)
        tasks.wait(2, second)
        nodes.remove()

    thread = meanwhile(disturb)
    outcome = command("classify", slides, "--out", "run", "--ray", nodes.address, "--threads", "1", "--quiet")
    thread.join(10)
    assert not thread.is_alive()
    assert outcome.code == 3, outcome.err
    assert tasks.of("S5x") == 4
    ours = [line for line in tables("run")[0].splitlines() if not line.startswith(b"S5x,")]
    assert ours == tables("alone")[0].splitlines()
    lost = [line for line in tables("run")[0].decode().splitlines() if line.startswith("S5x,")]
    assert [line.split(",")[2] for line in lost] == ["unreadable"] * 3
    record = told_by("run")
    (processor,) = record["cluster"]["processors"]
    assert processor["slides"] == [f"S{number}" for number in range(SLIDES)]
    assert record["engine"] == processor["engine"]


@pytest.mark.soak
def test_two_nodes_give_the_tables_of_one_machine(command: Command, slides: Path, nodes: TwoNodes) -> None:
    nodes.add()
    outcome = command("classify", slides, "--out", "run", "--ray", nodes.address)
    nodes.remove()
    assert outcome.code == 0, outcome.err
    assert tables("run") == tables("alone")
    assert told_by("run")["cluster"]["address"] == nodes.address


@pytest.mark.soak
def test_a_killed_driver_is_resumed_and_no_slide_counts_twice(
    command: Command, slides: Path, nodes: TwoNodes, ensemble_folder: Path
) -> None:
    arguments = [slides, "--out", "run", "--ray", nodes.address, "--threads", "1", "--batch-size", "1"]
    environment = {**os.environ, "SLIDESCREEN_ENSEMBLE": str(ensemble_folder)}
    for number in range(SLIDES, 60):
        write_cells(slides / f"S{number}", 3, first_seed=10 * number)
    driver = subprocess.Popen([sys.executable, "-m", "slidescreen", "classify", *map(str, arguments)], env=environment)
    until = time.monotonic() + 60
    while len(list(Path("run").glob(".finished/*"))) < 5 and time.monotonic() < until and driver.poll() is None:
        time.sleep(0.02)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL
    outcome = command("classify", *arguments)
    assert outcome.code == 0, outcome.err
    assert "unchanged since an earlier run" in outcome.err
    assert command("classify", slides, "--out", "again", "--threads", "1").code == 0
    assert tables("run") == tables("again")


@pytest.mark.soak
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_writes_what_was_finished(
    slides: Path, nodes: TwoNodes, ensemble_folder: Path, number: signal.Signals, code: int
) -> None:
    for more in range(SLIDES, 60):
        write_cells(slides / f"S{more}", 3, first_seed=10 * more)
    arguments = [slides, "--out", "run", "--ray", nodes.address, "--threads", "1", "--batch-size", "1"]
    environment = {**os.environ, "SLIDESCREEN_ENSEMBLE": str(ensemble_folder)}
    driver = subprocess.Popen([sys.executable, "-m", "slidescreen", "classify", *map(str, arguments)], env=environment)
    until = time.monotonic() + 60
    while len(list(Path("run").glob(".finished/*.json"))) < 5 and time.monotonic() < until and driver.poll() is None:
        time.sleep(0.02)
    driver.send_signal(number)
    assert driver.wait(60) == code
    record = told_by("run")
    assert record["unfinished_slides"]
    assert len(tables("run")[1].splitlines()) - 1 == 60 - len(record["unfinished_slides"]) >= 5


@pytest.mark.soak
def test_a_processor_of_another_type_is_told_apart_and_measured(
    command: Command, slides: Path, nodes: TwoNodes, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.add(ONEDNN_MAX_CPU_ISA="AVX2")
    monkeypatch.setattr(ray_cluster, "_door", watched(tasks.place))
    outcome = command(
        "classify", slides, "--out", "run", "--ray", nodes.address, "--threads", "1", "--precision", "fp32"
    )
    nodes.remove()
    assert outcome.code == 0, outcome.err
    found = told_by("run")["cluster"]
    assert len(found["processors"]) == 2
    assert sorted(name for each in found["processors"] for name in each["slides"]) == [f"S{n}" for n in range(SLIDES)]
    (difference,) = found["differences"]
    assert difference["images"] == 3
    assert difference["largest_difference"] < 0.01


@pytest.mark.soak
def test_a_machine_with_another_program_does_not_take_part(
    command: Command, slides: Path, nodes: TwoNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slidescreen.runs import classification

    sound = classification.code_digest()
    monkeypatch.setattr(classification, "code_digest", lambda: sound.replace(sound[0], "x"))
    outcome = command("classify", slides, "--out", "run", "--ray", nodes.address)
    assert outcome.code == 2
    assert "no machine of the cluster can classify" in outcome.err
    assert "is another one" in outcome.err


def test_where_no_cluster_answers_one_line_says_so(command: Command, slides: Path) -> None:
    outcome = command("classify", slides, "--out", "other", "--ray", "nobody")
    assert (outcome.code, outcome.err) == (2, "error: --ray must be auto, local or HOST:PORT, not 'nobody'\n")
    assert not Path("other").exists()
