"""Ways for two networks to vote in a laboratory that they never saw, and at home. Prints Markdown.

    python -m benchmarks.ways_to_vote cells.csv labs.csv --networks left-out

`benchmarks.left_out_laboratories` makes the folder `left-out`, for both backbones. For each laboratory, the networks
trained without it call all its cells, and the validation images of cells.csv. Every cell is called. A second call takes
seconds, because the networks' probabilities are kept in the folder `--kept`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks.left_out_laboratories import LABORATORIES, SHARES, figures
from benchmarks.left_out_votes import Cells, Floats, Place, places
from slidescreen import cells
from slidescreen.engine.exactness import macro_f1
from slidescreen.statistics.scaling import apply_offsets, apply_temperature, favoured, fit_offsets, fit_temperature

_BLAST = np.isin(cells.CELL_TYPES, cells.BLASTS)
_BLASTS = cells.indices(cells.CELL_TYPES, cells.BLASTS)
_MOST_CELLS, _PSEUDO_CELLS, _ROUNDS, _PARTS = 250, 3, 100, 8
Way = Callable[[Cells, Place], Floats]


def _vote(seen: Cells, _: Place, views: Sequence[int] = (1, 1), weights: Sequence[float] = ()) -> Floats:
    """The soft vote. `views` is how many views of a cell each network sees."""
    parts = zip(weights or SHARES.values(), seen.found, views, strict=True)
    return np.asarray(sum(share * found[:count].mean(0) for share, found, count in parts))


def _geometric(seen: Cells, _: Place) -> Floats:
    parts = zip(SHARES.values(), seen.found, strict=True)
    mean = np.exp(sum(share * np.log(np.maximum(found[0], 1e-30)) for share, found in parts))
    return np.asarray(mean / mean.sum(1, keepdims=True))


def _tempered(seen: Cells, place: Place, at_home: bool, way: Way = _vote) -> Floats:
    """A temperature for each network, learnt at home or on some cells of each other laboratory left out."""
    taught = [place.home] if at_home else place.others
    rows = [np.random.default_rng(0).permutation(len(t.table))[: None if at_home else _MOST_CELLS] for t in taught]
    truth = np.concatenate([part.truth[some] for part, some in zip(taught, rows, strict=True)])
    scaled = []
    for number, found in enumerate(seen.found):
        learnt = np.concatenate([part.found[number, 0, some] for part, some in zip(taught, rows, strict=True)])
        scaled.append(apply_temperature(found[0], fit_temperature(learnt[truth >= 0], truth[truth >= 0])))
    return way(Cells(seen.table, np.stack(scaled)[:, None]), place)


def _by_shares(seen: Cells, place: Place, power: float) -> Floats:
    """The vote by the shares of types on each slide, or in each laboratory. Calls of blasts stay, and none is new."""
    voted, slides = _vote(seen, place), seen.slides
    moved = np.where(_BLAST[voted.argmax(1)][:, None], voted, 0)
    for name in np.unique(slides):
        here = (slides == name) & ~_BLAST[voted.argmax(1)]
        moved[np.ix_(here, ~_BLAST)] = _estimated(voted[slides == name][:, ~_BLAST], power)[here[slides == name]]
    return moved


def _estimated(rest: Floats, power: float) -> Floats:
    """Probabilities times a power of the shares that expectation maximisation finds, from equal shares on."""
    shares, after = np.full(rest.shape[1], 1.0), rest
    for _ in range(_ROUNDS):
        after = rest * shares**power
        after = after * (rest.sum(1) / after.sum(1))[:, None]
        shares = (after.sum(0) + _PSEUDO_CELLS) / (after.sum() + _PSEUDO_CELLS * rest.shape[1])
    return after


def _with_offsets(seen: Cells, place: Place, spared: bool, vote: Way = _vote) -> Floats:
    """The vote with offsets learnt at home (there on other slides). `spared`: they take nothing from blasts."""
    taught, moved = vote(place.home, place), vote(seen, place)
    names = np.where(place.home.table.slide == "", place.home.table.file, place.home.table.slide)
    _, slide = np.unique(names, return_inverse=True)
    part = np.random.default_rng(0).permutation(slide.max() + 1)[slide] % _PARTS
    at_home = seen is place.home
    for number in range(_PARTS if at_home else 1):
        here = part == number if at_home else np.ones(len(moved), dtype=bool)
        learnt = part != number if at_home else np.ones(len(taught), dtype=bool)
        offsets = fit_offsets(taught[learnt], place.home.truth[learnt])
        moved[here] = apply_offsets(moved[here], offsets, _BLASTS if spared else ())
    return moved


def _of_one_temperature(seen: Cells, place: Place) -> Floats:
    """The vote, by a temperature learnt at home."""
    return apply_temperature(_vote(seen, place), fit_temperature(_vote(place.home, place), place.home.truth))


def _as_ensembles(seen: Cells, place: Place, factor: float) -> Floats:
    """As an ensemble votes; abroad it spares blasts, and multiplies their odds by the factor."""
    abroad = seen is not place.home
    moved = _with_offsets(seen, place, abroad, _of_one_temperature)
    return favoured(moved, _BLASTS, factor) if abroad else moved


def _blasts_by(seen: Cells, place: Place, least: int) -> Floats:
    """The vote, where a cell is called a blast if at least so many of the networks call it one."""
    blasts = _BLAST[seen.found[:, 0].argmax(2)].sum(0) >= least
    return np.where(blasts[:, None] == _BLAST, _vote(seen, place), 0)


_WAYS: dict[str, Way] = {
    "vote 0.4 / 0.6": _vote,
    "B1 alone": partial(_vote, weights=(1, 0)),
    "V2-B2 alone": partial(_vote, weights=(0, 1)),
    "a temperature each, learnt at home": partial(_tempered, at_home=True),
    "… learnt in the other laboratories left out": partial(_tempered, at_home=False),
    "geometric mean": _geometric,
    "… with temperatures learnt in the other laboratories": partial(_tempered, at_home=False, way=_geometric),
    "shares of types estimated": partial(_by_shares, power=1),
    "… their square roots": partial(_by_shares, power=0.5),
    "offsets learnt at home": partial(_with_offsets, spared=False),
    "… that take nothing from blasts": partial(_with_offsets, spared=True),
    "as an ensemble does, but blasts are not favoured abroad": partial(_as_ensembles, factor=1),
    "… the odds of blasts abroad times 1.5": partial(_as_ensembles, factor=1.5),
    "… times 2": partial(_as_ensembles, factor=2),
    "… times 3": partial(_as_ensembles, factor=3),
    "two views for V2-B2": partial(_vote, views=(1, 2)),
    "two views for both": partial(_vote, views=(2, 2)),
    "four views for V2-B2": partial(_vote, views=(1, 4)),
    "four views for both": partial(_vote, views=(4, 4)),
    "blasts if both networks say so": partial(_blasts_by, least=2),
    "blasts if one network says so": partial(_blasts_by, least=1),
}


def main(
    data: Annotated[Path, typer.Argument(help="CSV of the home laboratories' labelled images, with their split.")],
    others: Annotated[Path, typer.Argument(help="CSV of the other laboratories' labelled images, with source.")],
    networks: Annotated[Path, typer.Option(help="Folder of the networks trained without each laboratory.")],
    kept: Annotated[Path, typer.Option(help="Folder for the networks' probabilities.")] = Path("votes"),
    views: Annotated[int, typer.Option(help="With fewer than four, ways that need more are left out.")] = 4,
) -> None:
    """Print accuracy, blasts found and other cells called blasts, for each way to vote."""
    seen = places(data, others, networks, kept, views)
    labs = ", ".join(LABORATORIES)
    print(f"| way | 16 types: {labs} | mean | normal types | normal called blasts: {labs} ", end="")
    print("| blasts found: rvpbs, taleqani | home: accuracy | macro F1 | `deepapl` | `pbc` | blasts found |")
    print("| --- |" + " ---: |" * 10)
    for name, way in _WAYS.items():
        if views >= 4 or ("four" not in name and (views >= 2 or "two views" not in name)):
            print(f"| {name} | " + " | ".join(_row(seen, way)) + " |", flush=True)


def _row(seen: Sequence[Place], way: Way) -> list[str]:
    abroad = pd.DataFrame([figures(place.here.table, way(place.here, place)) for place in seen], LABORATORIES)
    at_home = [(place.home, way(place.home, place)) for place in seen]
    rows = []
    for home, found in at_home:
        right = pd.Series(found.argmax(1) == home.truth)
        by_source = right.groupby(home.table.source).mean()
        blasts = _BLAST[found.argmax(1)][_BLAST[home.truth]].mean()
        rows.append([right.mean(), macro_f1(home.truth, found), by_source["deepapl"], by_source["pbc"], blasts])
    number = "{:.3f}".format
    return [
        ", ".join(map(number, abroad["all types"])),
        number(abroad["all types"].mean()),
        number(abroad["normal types"].mean()),
        ", ".join(map(number, abroad["normal cells called blasts"])),
        ", ".join(map(number, abroad["blasts found"][["rvpbs", "taleqani"]])),
        *map(number, np.mean(rows, axis=0)),
    ]


if __name__ == "__main__":
    typer.run(main)
