"""What adapting to a laboratory brings, and what it costs the types that it did not sign. Prints Markdown.

    python -m benchmarks.adaptation labs.csv

For each laboratory of the table (column `source`) and each k, k cells of each type, at most half of them, are adapted
to, and the others are tested, in several draws; then with each type left out in turn. Every cell is called.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.verdict import EnsembleOption
from slidescreen import cells
from slidescreen.building import crossfit, pooled, replay
from slidescreen.building.adaptation import signed_cells
from slidescreen.building.new_layer import KnownMember, known_member, learn
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import read_labelled
from slidescreen.engine.options import Device
from slidescreen.ensembles import storage
from slidescreen.ensembles.location import default_ensemble
from slidescreen.models.last_layer import last_layer

_LEAST = 15  # cells of a type, or it is not tested
_TESTED = 150  # cells of a type at most
_FOREIGN = ("plasma_cell", "normal_unspecified")
NORMAL = ("neutrophil", "eosinophil", "basophil", "monocyte", "lymphocyte")


@dataclass(frozen=True)
class Laboratory:
    """All labelled cells of one source, and the old calls of them."""

    cells: crossfit.SignedCells
    old: NDArray[np.int64]
    known: tuple[KnownMember, ...]

    def types(self) -> list[int]:
        """Those with cells enough, groups left aside."""
        single = self.cells.allowed.sum(axis=1) == 1
        counts = np.bincount(self.cells.kinds[single], minlength=len(self.cells.cell_types))
        return np.flatnonzero(counts >= _LEAST).tolist()

    def drawn(self, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of so many cells of each type, and of the others."""
        generator = np.random.default_rng([seed, count])
        single = self.cells.allowed.sum(axis=1) == 1
        taught, asked = [], []
        for kind in self.types():
            own = generator.permutation(np.flatnonzero(single & (self.cells.kinds == kind)))
            some = min(count, len(own) // 2)
            taught.append(own[:some])
            asked.append(own[some:][:_TESTED])
        return np.concatenate(taught), np.concatenate(asked)

    def called(self, taught: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
        """Types of some cells after adapting to others, as the command does it."""
        signed = self.cells.where(taught)
        guard, _ = crossfit.choose_guard(self.known, signed, lambda *_: None)
        held = crossfit.guards(signed.cell_types, guard)
        found = []
        for member, own, seen in zip(self.known, signed.seen, self.cells.seen, strict=True):
            layer, _ = learn(member, own, signed.allowed, held)
            found.append(scipy.special.softmax(layer.logits(seen.features[asked]), axis=1))
        return signed.voted(found).argmax(axis=1)


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images of several sources.")],
    ensemble: EnsembleOption = None,
    sources: Annotated[str, typer.Option(help="Joined by commas.")] = "raabin,rvpbs,bcisc,bm_pathbites",
    counts: Annotated[str, typer.Option(help="Cells of each type, joined by commas.")] = "5,10,20,50",
    draws: int = 5,
) -> None:
    """Accuracy by number of signed cells, types left out in turn, and blasts after adapting to normal types alone."""
    folder = ensemble or default_ensemble()
    names, sizes = sources.split(","), [int(count) for count in counts.split(",")]
    with threadpool_limits(1):
        laboratories = {name: _laboratory(folder, data, name) for name in names}
        _print_accuracy(laboratories, sizes, draws)
        _print_left_out(laboratories, draws)
        _print_blasts(laboratories)


def _laboratory(folder: Path, data: Path, source: str) -> Laboratory:
    old, rules = storage.load(folder), LabelRules(frozenset(_FOREIGN), group_kept=True)
    images = [image for image in read_labelled(data, rules) if image.source == source]
    with tempfile.TemporaryDirectory() as scratch:
        looked = pooled.look_at(
            old.members, images, Device.AUTO, Path(scratch), lambda *_: None, lambda line: print(line, flush=True)
        )
    stored = replay.read(folder, old)
    known = tuple(
        known_member(last_layer(member.path), means, features, stored.truth)
        for member, means, features in zip(old.members, stored.means, stored.features, strict=True)
    )
    signed = signed_cells(old, known, looked.features, looked.images)
    was = old.combine([scipy.special.softmax(each.logits, axis=1) for each in signed.seen])
    return Laboratory(signed, was.argmax(axis=1), known)


def _print_accuracy(laboratories: dict[str, Laboratory], sizes: Sequence[int], draws: int) -> None:
    print("| laboratory | types | as shipped |" + "".join(f" {size} a type |" for size in sizes))
    print("| --- | ---: | ---: |" + " ---: |" * len(sizes))
    for name, laboratory in laboratories.items():
        row, before = [], []
        for size in sizes:
            right = []
            for seed in range(draws):
                taught, asked = laboratory.drawn(size, seed)
                truth = laboratory.cells.kinds[asked]
                right.append((laboratory.called(taught, asked) == truth).mean())
                before.append((laboratory.old[asked] == truth).mean())
            row.append(f"{np.mean(right):.2f} |")
        print(f"| {name} | {len(laboratory.types())} | {np.mean(before):.2f} | {' '.join(row)}", flush=True)


def _print_left_out(laboratories: dict[str, Laboratory], draws: int) -> None:
    print("\n| laboratory | recall of the type left out, as shipped | adapted to the others | accuracy on all |")
    print("| --- | ---: | ---: | ---: |")
    for name, laboratory in laboratories.items():
        before, after, right = [], [], []
        for seed in range(draws):
            taught, asked = laboratory.drawn(20, seed)
            kinds = laboratory.cells.kinds
            for kind in laboratory.types():
                called = laboratory.called(taught[kinds[taught] != kind], asked)
                own = kinds[asked] == kind
                before.append((laboratory.old[asked][own] == kind).mean())
                after.append((called[own] == kind).mean())
                right.append((called == kinds[asked]).mean())
        print(f"| {name} | {np.mean(before):.2f} | {np.mean(after):.2f} | {np.mean(right):.2f} |", flush=True)


def _print_blasts(laboratories: dict[str, Laboratory]) -> None:
    print("\n| laboratory | blasts that were called blasts | still, after 20 of each normal type alone |", end="")
    print(" normal cells called blasts, as shipped | after |\n| --- | ---: | ---: | ---: | ---: |")
    for name, laboratory in laboratories.items():
        types = laboratory.cells.cell_types
        blasts, normal = cells.indices(types, cells.BLASTS), cells.indices(types, NORMAL)
        taught, asked = laboratory.drawn(20, 0)
        kinds, allowed = laboratory.cells.kinds, laboratory.cells.allowed
        taught = taught[np.isin(kinds[taught], normal)]
        asked = asked[np.isin(kinds[asked], normal)]
        were = np.flatnonzero(allowed[:, blasts].any(axis=1) & np.isin(laboratory.old, blasts))
        called = np.isin(laboratory.called(taught, np.concatenate([were, asked])), blasts)
        still = f"{called[: len(were)].mean():.3f}" if len(were) else ""
        false = np.isin(laboratory.old[asked], blasts).mean()
        print(f"| {name} | {len(were)} | {still} | {false:.3f} | {called[len(were) :].mean():.3f} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
