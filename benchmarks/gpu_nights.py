"""How fast `slidescreen classify` is on a GPU, from files to tables, and what limits it. Prints Markdown.

    python -m benchmarks.gpu_nights

The slides are made from the images of a folder; an image is on many slides, but once on each. Every timing covers a
whole process. The last night is profiled: the table tells where the main thread spends its time.
"""

import json
import os
import pstats
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.gpu_agreement import contents
from slidescreen.engine.devices import usable_threads

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    slides: Annotated[Path, typer.Argument(help="Folder of slide folders.")] = Path("sample_data"),
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    numbers: Annotated[str, typer.Option(help="Numbers of slides, joined by commas.")] = "40,150",
    cells: Annotated[int, typer.Option(help="Images of a slide.")] = 100,
) -> None:
    """Time nights."""
    cores, files = usable_threads(), list(contents(slides, 10_000))
    counts = sorted(map(int, numbers.split(",")))
    print(f"{cells} images a slide, {cores} threads\n")
    print("| workers | slides | seconds | images/s | seconds of processors |")
    print("| ---: | ---: | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folders = {count: night(Path(name) / f"night{count}", files, count, cells) for count in counts}
        few, many = folders[counts[0]], folders[counts[-1]]
        for folder, workers in ((few, None), (many, None), (many, max(1, cores // 2)), (many, cores)):
            seconds, processors, engine = classified(folder, device, workers)
            count = len(list(folder.iterdir()))
            print(
                f"| {workers or 'default'} | {count} | {seconds:.1f} | {count * cells / seconds:.0f} "
                f"| {processors:.0f} |",
                flush=True,
            )
        print(f"\n{engine}\n\nThe main thread, {cores} workers:\n", flush=True)
        profiled(many, device, cores)


def night(folder: Path, files: Sequence[bytes], slides: int, cells: int) -> Path:
    """A folder of slide folders. Equal files share their place on the disk."""
    store = folder.parent / "store"
    if not store.exists():
        store.mkdir()
        for number, content in enumerate(files):
            (store / f"{number}.jpg").write_bytes(content)
    generator = random.Random(0)
    for slide in range(slides):
        place = folder / f"S{slide:04d}"
        place.mkdir(parents=True)
        for number in generator.sample(range(len(files)), min(cells, len(files))):
            os.link(store / f"{number}.jpg", place / f"{number:05d}.jpg")
    return folder


def command(folder: Path, out: Path, device: str, workers: int | None) -> list[str]:
    options = ["--device", device, "--quiet", "--out", str(out), "--slide-depth", "1"]
    return ["classify", str(folder), *options, *(["--workers", str(workers)] if workers else [])]


def classified(folder: Path, device: str, workers: int | None) -> tuple[float, float, str]:
    """The seconds of a night on the clock and of processors, and its engine in words."""
    with tempfile.TemporaryDirectory() as out:
        given = [sys.executable, "-m", "slidescreen", *command(folder, Path(out) / "run", device, workers)]
        before, started = os.times(), time.perf_counter()
        done = subprocess.run(given, capture_output=True, text=True)
        seconds, after = time.perf_counter() - started, os.times()
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-2000:]}")
        record = json.loads((Path(out) / "run" / "run.json").read_text())
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, spent, str(record["engine"])


def profiled(folder: Path, device: str, workers: int) -> None:
    """Print the functions in which the main thread spends most time."""
    with tempfile.TemporaryDirectory() as out:
        found = Path(out) / "profile"
        given = command(folder, Path(out) / "run", device, workers)
        subprocess.run([sys.executable, "-m", "cProfile", "-o", str(found), "-m", "slidescreen", *given], check=True)
        seen = pstats.Stats(str(found)).stats  # type: ignore[attr-defined]
    print("| seconds | calls | function |\n| ---: | ---: | --- |")
    for (file, line, name), (_, calls, own, _, _) in sorted(seen.items(), key=lambda each: -each[1][2])[:16]:
        print(f"| {own:.2f} | {calls} | `{Path(file).name}:{line} {name}` |")
    print(flush=True)


if __name__ == "__main__":
    app()
