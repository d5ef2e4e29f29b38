"""Kill a long run at random moments and restart it until it finishes. Then compare it with an undisturbed run.

    python -m benchmarks.soak SLIDES --copies 150 --minutes 60

SLIDES is a folder of slide folders with real images; each copy is a slide of its own. Prints Markdown.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

FILES = ("cells.csv", "differential.csv")


def main(
    slides: Annotated[Path, typer.Argument(help="Folder of slide folders.")],
    copies: Annotated[int, typer.Option(help="Copies of each slide.")] = 10,
    minutes: Annotated[float, typer.Option(help="Kill for about so long, then let it finish.")] = 5.0,
    longest: Annotated[float, typer.Option(help="Seconds that a part may take.")] = 120.0,
    ensemble: Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")] = None,
    threads: int = 1,
    seed: int = 0,
) -> None:
    """Kill, start again, compare."""
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        night = folder / "night"
        for copy in range(copies):
            shutil.copytree(slides, night / f"{copy:03d}", copy_function=_link)
        options = ["--quiet", "--slide-depth", "2", "--threads", str(threads)]
        options += ["--ensemble", str(ensemble.resolve())] if ensemble else []
        command = [sys.executable, "-m", "slidescreen", "classify", str(night), *options]
        deadline = time.monotonic() + 60 * minutes
        parts = {signal.SIGKILL: 0, signal.SIGTERM: 0}
        code = None
        while time.monotonic() < deadline and code is None:
            child = subprocess.Popen([*command, "--out", str(folder / "parts")])
            try:
                code = child.wait(min(generator.uniform(1, longest), max(1.0, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                sent = generator.choice(list(parts))
                child.send_signal(sent)
                parts[sent] += 1
                child.wait(30)
        started = time.monotonic()
        code = subprocess.run([*command, "--out", str(folder / "parts")]).returncode
        rest = time.monotonic() - started
        whole = subprocess.run([*command, "--out", str(folder / "whole")]).returncode
        same = all((folder / "parts" / file).read_bytes() == (folder / "whole" / file).read_bytes() for file in FILES)
        images = (folder / "whole" / "cells.csv").read_text().count("\n") - 1
        print("| images | minutes | killed (SIGKILL) | stopped (SIGTERM) | last part, s | exit codes | files |")
        print("| ---: | ---: | ---: | ---: | ---: | --- | --- |")
        print(
            f"| {images} | {minutes:g} | {parts[signal.SIGKILL]} | {parts[signal.SIGTERM]} "
            f"| {rest:.0f} | {code}, {whole} | {'identical, byte for byte' if same else 'NOT identical'} |"
        )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


if __name__ == "__main__":
    typer.run(main)
