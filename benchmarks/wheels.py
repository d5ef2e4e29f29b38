"""Whether every dependency has a wheel on systems not available here. Prints Markdown; installs nothing. Needs uv.

python -m benchmarks.wheels
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import typer

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
SYSTEMS = {
    "Windows, 64 bits": "x86_64-pc-windows-msvc",
    "macOS, Apple's processors": "aarch64-apple-darwin",
    "Linux, ARM": "aarch64-manylinux_2_35",
}


def resolved(system: str, python: str) -> list[str]:
    """`name==version` of each package that pip would install with all wheels alone; none where one has no wheel."""
    command = ["uv", "pip", "compile", str(PROJECT), "--extra", "int8", "--python-platform", system]
    command += ["--python-version", python, "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        print(ended.stderr, file=sys.stderr)
        return []
    return [line for line in ended.stdout.splitlines() if "==" in line]


def main(
    pythons: Annotated[str, typer.Option(help="Versions of Python, joined by commas.")] = "3.11,3.12,3.13",
) -> None:
    """A row for each system and version of Python."""
    wanted = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    print("| system | Python | packages, all as wheels | torch | OpenVINO |\n| --- | --- | ---: | --- | --- |")
    for name, system in SYSTEMS.items():
        for python in pythons.split(","):
            found = dict(line.split("==") for line in resolved(system, python))
            if len(found) < len(wanted):
                print(f"| {name} | {python} | not to be had | | |")
                continue
            print(f"| {name} | {python} | {len(found)} | {found['torch']} | {found['openvino']} |")


if __name__ == "__main__":
    typer.run(main)
