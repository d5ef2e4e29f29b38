"""How long commands without classification take: whole processes, from start to end. Prints Markdown.

python -m benchmarks.startup
"""

import os
import statistics
import subprocess
import sys
import time
from typing import Annotated

import typer

COMMANDS = {
    "Python alone": ["-c", "pass"],
    "`import slidescreen`": ["-c", "import slidescreen"],
    "`slidescreen --version`": ["-m", "slidescreen", "--version"],
    "`slidescreen --help`": ["-m", "slidescreen", "--help"],
    "`slidescreen info`": ["-m", "slidescreen", "info"],
    "`slidescreen classify sample_data --list`": ["-m", "slidescreen", "classify", "sample_data", "--list"],
}


def seconds(arguments: list[str]) -> tuple[float, float]:
    """How long one process takes, and how long it computes."""
    started, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    computing = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, computing


def main(repeats: Annotated[int, typer.Option(help="Processes of each kind, in turn.")] = 20) -> None:
    """Print each command's shortest and median time, and the median of what it computes, which others disturb less."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(repeats + 1):
        for name, arguments in COMMANDS.items():
            found[name].append(seconds(arguments))
    print("| process | shortest, s | median, s | computing time, s |\n| --- | ---: | ---: | ---: |")
    for name, pairs in found.items():
        whole, computing = zip(*pairs[1:], strict=True)  # the first of each fills the system's cache of files
        print(f"| {name} | {min(whole):.2f} | {statistics.median(whole):.2f} | {statistics.median(computing):.2f} |")


if __name__ == "__main__":
    typer.run(main)
