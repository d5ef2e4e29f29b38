"""How far real cells differ from pictures without a cell, by the measures of `slidescreen.no_cell`. Prints Markdown.

python -m benchmarks.no_cell cells.csv labs.csv --folder slides
"""

import csv
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.drawn_pictures import pictures
from slidescreen.data.images import SUFFIXES, decode, read_bytes
from slidescreen.data.no_cell import measure, why_no_cell
from slidescreen.errors import UnreadableImageError

Row = tuple[float, float, float, float, bool]


def main(
    data: Annotated[list[Path], typer.Argument(help="CSV files of cell images, with the columns file and source.")],
    folder: Annotated[list[Path], typer.Option(help="Folders of cell images besides.")] = [],  # noqa: B006
    workers: int = 1,
) -> None:
    """The measures of every real cell, by source, and of drawn pictures; and which are refused."""
    sources: dict[str, list[Path]] = {}
    for table in data:
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                sources.setdefault(row["source"], []).append(table.parent / row["file"])
    for place in folder:
        found = (path for path in sorted(place.rglob("*")) if path.suffix.lower() in SUFFIXES)
        sources[place.name] = list(found)
    print("| cells of | images | least contrast | most roughness | straight edges | rough on paper | refused |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    every: list[NDArray[np.float64]] = []
    with ProcessPoolExecutor(workers) as pool:
        for name, paths in sorted(sources.items()):
            rows = np.asarray([row for row in pool.map(_of_file, paths, chunksize=100) if row is not None])
            _print(name, rows)
            every.append(rows)
    _print("all", np.concatenate(every))
    print("\n| picture | contrast | roughness | straight edges | paper | refused for |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    generator = np.random.default_rng(0)
    chosen = generator.choice(np.asarray([str(path) for paths in sources.values() for path in paths]), 144)
    for name, picture in pictures([decode(read_bytes(Path(path))) for path in chosen]).items():
        found_in = measure(picture)
        print(
            f"| {name} | {found_in.contrast:.0f} | {found_in.roughness:.2f} | {found_in.straight_edges} "
            f"| {found_in.paper:.2f} | {why_no_cell(picture) or 'nothing'} |"
        )


def _of_file(path: Path) -> Row | None:
    try:
        image = decode(read_bytes(path))
    except UnreadableImageError:
        return None
    found = measure(image)
    return found.contrast, found.roughness, found.straight_edges, found.paper, bool(why_no_cell(image))


def _print(name: str, rows: NDArray[np.float64]) -> None:
    contrast, roughness, edges, paper, refused = rows.T
    on_paper = roughness[paper > 0.55]
    print(
        f"| {name} | {len(rows)} | {contrast.min():.0f} | {roughness.max():.2f} | {edges.max():.0f} "
        f"| {_greatest(on_paper)} | {refused.sum():.0f} |"
    )


def _greatest(values: Iterable[float]) -> str:
    return f"{max(values, default=float('nan')):.2f}".replace("nan", "–")


if __name__ == "__main__":
    typer.run(main)
