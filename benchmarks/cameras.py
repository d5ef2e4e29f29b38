"""Does the ensemble recognise a type by its camera? Prints Markdown.

The shipped ensemble learnt lymphoblasts only from the cameras of one collection. A network that recognises the camera
instead of the cell also calls healthy cells of those cameras lymphoblasts:

    slidescreen report cells.csv --split test --out test
    slidescreen report cells.csv --split validation --drop-duplicates --out validation
    python benchmarks/cameras.py test/predictions.csv validation/predictions.csv
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from slidescreen.statistics.intervals import wilson


def cameras(
    predictions: Annotated[list[Path], typer.Argument(help="predictions.csv of evaluations.")],
    source: str = "allidb",
    cell_type: str = "lymphoblast",
) -> None:
    """The share of other cells from the cameras of a type that are called that type."""
    cells = pd.concat([pd.read_csv(path, keep_default_na=False) for path in predictions])
    chances = cells.filter(regex="^p_")
    cells["forced"] = chances.idxmax(axis=1).astype(str).str.removeprefix("p_")
    print(f"| cells | called {cell_type} | every cell called |")
    print("| --- | ---: | ---: |")
    others = cells[cells.truth != cell_type]
    for title, chosen in (
        (f"`{source}`, {cell_type}", cells[(cells.source == source) & (cells.truth == cell_type)]),
        (f"`{source}`, other cells", others[others.source == source]),
        ("other sources", others[others.source != source]),
    ):
        figures = (_share(int((chosen[column] == cell_type).sum()), len(chosen)) for column in ("cell_type", "forced"))
        print(f"| {title} | {' | '.join(figures)} |")


def _share(count: int, total: int) -> str:
    limits = wilson(count, total)
    return f"{count} of {total} ({100 * limits.low:.1f}–{100 * limits.high:.1f}%)"


if __name__ == "__main__":
    typer.run(cameras)
