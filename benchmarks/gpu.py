"""Everything that is measured on a GPU, in one run. Prints Markdown.

    python -m benchmarks.gpu --out gpu.md
    python -m benchmarks.gpu --device cpu --small    # only to see that it runs

Each section is a process of its own with a time limit: a section that fails or hangs leaves the others alone.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_CLOSING = 5.0  # seconds that an ended process may take to give back its output


@dataclass(frozen=True)
class Section:
    """A process: its module and options, those for a small trial, and the seconds that it may take."""

    title: str
    command: tuple[str, ...]
    small: tuple[str, ...]
    limit: float


SECTIONS: dict[str, Section] = {
    "agreement": Section("Agreement with the processor", ("gpu_agreement",), ("--images", "4"), 45),
    "rates": Section(
        "Against the plain loop", ("gpu_rates",), ("--sizes", "32", "--images", "64", "--turns", "1"), 150
    ),
    "eager": Section("Ways to run the networks", ("gpu_execution", "eager"), ("--images", "4", "--size", "32"), 50),
    "decoding": Section("Decoding JPEG files", ("gpu_decoding",), ("--images", "16"), 50),
    "nights": Section("From files to tables", ("gpu_nights",), ("--numbers", "1,2", "--cells", "4"), 100),
    "kernels": Section("Kernels", ("gpu_execution", "kernels"), ("--images", "4", "--size", "32"), 25),
    "compiled": Section(
        "Compiled", ("gpu_execution", "compiled", "default"), ("--images", "4", "--size", "32", "--members", "0"), 90
    ),
    "tuned": Section(
        "Compiled, the most tuned",
        ("gpu_execution", "compiled", "max-autotune-no-cudagraphs", "--members", "1"),
        ("--images", "4", "--size", "32"),
        90,
    ),
}


@app.command()
def main(
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    sections: Annotated[str, typer.Option(help="Joined by commas.")] = ",".join(SECTIONS),
    limit: Annotated[float, typer.Option(help="Seconds for all sections. The last ones get what is left.")] = 600.0,
    out: Annotated[Path | None, typer.Option(help="Write what is printed here, too.")] = None,
    small: Annotated[bool, typer.Option("--small", help="A few images only, to try the script.")] = False,
) -> None:
    """Measure on a GPU."""
    end = time.monotonic() + limit
    with (out or Path(os.devnull)).open("w", encoding="utf-8") as copy:
        for name in sections.split(","):
            section = SECTIONS[name]
            given = [*section.command, "--device", device, *(section.small if small else ())]
            _say(f"## {section.title}\n\n", copy)
            started = time.monotonic()
            left = end - started
            outcome = _run(given, min(section.limit, left), copy) if left > _CLOSING else "no time left"
            _say(f"({name}: {outcome}, {time.monotonic() - started:.1f} s)\n\n", copy)


def _run(given: Sequence[str], limit: float, copy: TextIO) -> str:
    """Run a section, show what it prints, and say how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{given[0]}", *given[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "_TYPER_STANDARD_TRACEBACK": "1"},
    )
    ended = ""
    try:
        printed, errors = process.communicate(timeout=limit)
        ended = "done" if process.returncode == 0 else f"exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):  # what it started, too
            os.killpg(process.pid, signal.SIGKILL)
        printed, errors = process.communicate(timeout=_CLOSING)
        ended = "stopped at its time limit"
    _say(printed, copy)
    if ended != "done":
        _say("\n```\n" + "\n".join(line[:200] for line in errors.splitlines()[-14:]) + "\n```\n", copy)
    return ended


def _say(text: str, copy: TextIO) -> None:
    for where in (sys.stdout, copy):
        where.write(text)
        where.flush()


if __name__ == "__main__":
    app()
