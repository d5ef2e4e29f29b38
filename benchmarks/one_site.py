"""Write the images of each source to a separate table, to train on one laboratory and test on another.

    python benchmarks/one_site.py cells.csv pbc deepapl
    slidescreen train pbc.csv --out trained …
    slidescreen ensemble trained/efficientnet_b1.safetensors --data pbc.csv --out ensemble
    slidescreen report deepapl.csv --split test --ensemble ensemble --out evaluation

Writes SOURCE.csv for each source, with the leukocyte types that all sources have.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from slidescreen import cells


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with their source.")],
    sources: Annotated[list[str], typer.Argument(help="Two sources or more.")],
) -> None:
    """Write a table for each source."""
    table = pd.read_csv(data, keep_default_na=False)
    table["file"] = [str((data.parent / name).absolute()) for name in table["file"]]
    kinds = set(cells.LEUKOCYTES).intersection(*(table.label[table.source == source] for source in sources))
    for source in sources:
        chosen = table[(table.source == source) & table.label.isin(kinds)]
        chosen.to_csv(f"{source}.csv", index=False)
        print(f"{source}.csv: {len(chosen)} images of {', '.join(sorted(kinds))}")


if __name__ == "__main__":
    typer.run(main)
