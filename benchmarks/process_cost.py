"""Shared by other benchmarks: what a process costs."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A process inherits the most memory that its parent held. So a small parent of its own starts it.
_SMALL_PARENT = """
import resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(done.returncode)
"""


@dataclass(frozen=True)
class Cost:
    """Of a process with its children: seconds on the clock, seconds of processors, and the largest one's memory, MB."""

    seconds: float
    processor: float
    megabytes: float


def cost_of(command: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a process in a folder, the current one if none is given; its output is dropped. If it fails, so does this."""
    parent = [sys.executable, "-I", "-S", "-c", _SMALL_PARENT, *command]
    done = subprocess.run(parent, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr}")
    return Cost(*map(float, done.stdout.split()))
