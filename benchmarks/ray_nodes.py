"""How many images per second one machine classifies without Ray, with Ray, and with two nodes. Prints Markdown.

    python -m benchmarks.ray_nodes SLIDES

Every node has one processor, so two nodes are two processes on one machine. The result shows the cost of Ray, not the
speed of several machines. Each timing covers the whole command. The commands take turns. SLIDES is a folder of slide
folders.
"""

import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.throughput import machine

_STORE = 100 * 2**20  # bytes
_RUNS = {
    "without Ray, 1 thread": (0, 1),
    "without Ray, 2 threads": (0, 2),
    "1 node, 1 thread": (1, 1),
    "2 nodes, 1 thread each": (2, 1),
}
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    slides: Annotated[Path, typer.Argument(help="Folder of slide folders.")],
    turns: Annotated[int, typer.Option(help="Turns of each.")] = 2,
) -> None:
    """Time the command with and without Ray."""
    # Ray reads these when it is imported.
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in _RUNS}
    for _ in range(turns + 1):
        for name, (nodes, threads) in _RUNS.items():
            with cluster(nodes) as address:
                found[name].append(timed(slides, address, threads))
    print(machine(), "\n")
    print("| | images/s while it classifies | seconds, whole command |\n| --- | ---: | ---: |")
    for name, results in found.items():
        rates, seconds = (sorted(values) for values in zip(*results[1:], strict=True))  # the first turn warms
        middles = statistics.median(rates), statistics.median(seconds)
        print(f"| {name} | {middles[0]:.1f} ({rates[0]:.1f}–{rates[-1]:.1f}) | {middles[1]:.1f} |")


@contextmanager
def cluster(nodes: int) -> Iterator[str | None]:
    """A cluster of so many nodes of one processor on this machine; its address."""
    if not nodes:
        yield None
        return
    from ray.cluster_utils import Cluster

    options: dict[str, Any] = {"num_cpus": 1, "object_store_memory": _STORE}
    started: Any = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
    for _ in range(nodes - 1):
        started.add_node(**options)
    try:
        yield started.address
    finally:
        started.shutdown()


def timed(slides: Path, address: str | None, threads: int) -> tuple[float, float]:
    """Images a second by the record of the run, and seconds of the whole command."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "slidescreen", "classify", str(slides), "--out", out, "--quiet"]
        started = time.perf_counter()
        ray = ["--ray", address] if address else []
        code = subprocess.run([*command, "--threads", str(threads), *ray], check=False).returncode
        seconds = time.perf_counter() - started
        if code not in (0, 3):
            raise typer.Exit(code)
        return json.loads(Path(out, "run.json").read_text())["images_per_second"], seconds


if __name__ == "__main__":
    app()
