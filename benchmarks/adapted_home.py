"""Whether adapting helps or harms if the ensemble already knows the laboratory. Prints Markdown.

    python -m benchmarks.adapted_home cells.csv --source deepapl

Patients that the networks did not learn from (splits `validation` and `test`) are dealt into groups of eight. Each
group is signed in turn, and the other patients are tested. The last column says whether the command would adapt.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from threadpoolctl import threadpool_limits

from benchmarks.adaptation import looked_at
from benchmarks.verdict import EnsembleOption
from slidescreen.building.adaptation import judge
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import read_labelled
from slidescreen.ensembles.location import default_ensemble
from slidescreen.statistics.clusters import rate_difference

_FOREIGN = ("plasma_cell", "promonocyte", "normal_unspecified")


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with slides and splits.")],
    ensemble: EnsembleOption = None,
    source: Annotated[str, typer.Option(help="The laboratory.")] = "deepapl",
    patients: Annotated[int, typer.Option(help="Patients that are signed at once.")] = 8,
) -> None:
    """Accuracy on patients who were not signed, before and after adapting to others."""
    images = [
        image
        for image in read_labelled(data, LabelRules(frozenset(_FOREIGN)))
        if image.source == source and image.split in ("validation", "test")
    ]
    laboratory = looked_at(ensemble or default_ensemble(), images, np.arange(len(images)))
    slides = np.asarray([image.slide for image in laboratory.images])
    names = np.random.default_rng(0).permutation(np.unique(slides))
    kinds = laboratory.cells.kinds
    print(f"{len(images)} cells of {len(names)} patients, every cell called\n")
    print("| signed patients | tested cells | as shipped | adapted | difference, 95% limits | adopted |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    with threadpool_limits(1):
        for start in range(0, len(names) - patients // 2, patients):
            here = np.isin(slides, names[start : start + patients])
            signed, asked = np.flatnonzero(here), np.flatnonzero(~here)
            own = tuple(laboratory.images[place] for place in signed.tolist())
            found, _ = judge(laboratory.old, laboratory.known, laboratory.cells.where(signed), own)
            before = laboratory.forced[asked] == kinds[asked]
            after = laboratory.adapted(signed, asked) == kinds[asked]
            gain = rate_difference(after, before, slides[asked])
            limits = f"{gain.difference:+.3f} ({gain.interval.low:+.3f} to {gain.interval.high:+.3f})"
            adopted = "yes" if found.adopted else "no: the old ensemble stays"
            print(
                f"| {len(set(slides[signed]))} | {len(asked)} | {before.mean():.3f} | {after.mean():.3f} | {limits} | "
                f"{adopted} |",
                flush=True,
            )


if __name__ == "__main__":
    typer.run(main)
