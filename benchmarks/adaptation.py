"""The gain from adapting to a laboratory, and the loss for types that it did not sign. Prints Markdown.

    python -m benchmarks.adaptation labs.csv

For each laboratory of the table (column `source`) and each k, the ensemble adapts to k cells of each type, at most half
of them. The other cells are tested. Several draws repeat this. Separate runs leave out each type in turn, use normal
types alone, or have one wrong label in ten. Every cell is called, unless the output says that unidentified ones count.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from slidescreen.building.options import RejectionTargets
from slidescreen.building.validation import calibrate
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.engine.configuration import configure
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineOptions
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble
from slidescreen.ensembles.member_predictions import MemberPredictions
from slidescreen.models.last_layer import last_layer

LEAST = 15  # cells of a type, or it is not tested
_TESTED = 100  # cells of a type at most
RULES = LabelRules(frozenset({"plasma_cell", "normal_unspecified"}), groups=frozenset({cells.UNSPECIFIED_BLAST}))
NORMAL = ("neutrophil", "eosinophil", "basophil", "monocyte", "lymphocyte")
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Laboratory:
    """Labelled cells of one source, and what the old ensemble calls them.

    Attributes:
        images: N of them.
        cells: as the members see them.
        forced, called: (N,) the old calls: of every cell, and with -1 where it is unidentified.
        known: the old members.
        old: the old ensemble.
    """

    images: tuple[LabelledImage, ...]
    cells: crossfit.SignedCells
    forced: Places
    called: Places
    known: tuple[KnownMember, ...]
    old: Ensemble

    def adapted(self, taught: Places, asked: Places, wrong: float = 0.0) -> Places:
        """Types of some cells after adapting to others, as the command does it; every cell is called."""
        signed = self._taught(taught, wrong)
        guard, _ = crossfit.choose_guard(self.known, signed, lambda *_: None)
        return np.asarray(self._voted(signed, guard, asked).argmax(axis=1))

    def adapted_or_unidentified(self, taught: Places, asked: Places) -> Places:
        """Likewise, with temperature and rejection measured on the signed cells; -1 where unidentified."""
        signed = self._taught(taught)
        guard, _ = crossfit.choose_guard(self.known, signed, lambda *_: None)
        members = crossfit.out_of_fold(self.known, signed, guard)
        images = tuple(self.images[place] for place in taught.tolist())
        predictions = MemberPredictions(images, signed.kinds, members)
        measured = calibrate(self.old, predictions, RejectionTargets(), with_offsets=False)
        return measured.called(measured.alone(self._voted(signed, guard, asked)))

    def _taught(self, taught: Places, wrong: float = 0.0) -> crossfit.SignedCells:
        signed = self.cells.where(taught)
        if not wrong:
            return signed
        generator = np.random.default_rng(len(taught))
        spoilt = np.flatnonzero(generator.random(len(taught)) < wrong)
        allowed = signed.allowed.copy()
        others = [generator.choice(np.setdiff1d(signed.kinds, signed.kinds[place])) for place in spoilt]
        allowed[spoilt] = np.eye(allowed.shape[1], dtype=np.bool_)[others]
        return replace(signed, allowed=allowed)

    def _voted(self, signed: crossfit.SignedCells, guard: float, asked: Places) -> NDArray[np.float64]:
        held = crossfit.guards(signed.cell_types, guard)
        found = []
        for member, own, seen in zip(self.known, signed.seen, self.cells.seen, strict=True):
            layer, _ = learn(member, own, signed.allowed, held)
            found.append(scipy.special.softmax(layer.logits(seen.features[asked]), axis=1))
        return signed.voted(found)


@dataclass(frozen=True)
class Draw:
    """Positions of the cells that are adapted to, and of those that are tested."""

    taught: Places
    asked: Places


def drawn(kinds: Places, types: Sequence[int], count: int, seed: int) -> Draw:
    """So many cells of each type, at most half of them, and so many others at most."""
    generator = np.random.default_rng([seed, count])
    taught, asked = [], []
    for kind in types:
        own = generator.permutation(np.flatnonzero(kinds == kind))
        some = min(count, len(own) // 2)
        taught.append(own[:some])
        asked.append(own[some:][:_TESTED])
    return Draw(np.concatenate(taught), np.concatenate(asked))


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images of several sources.")],
    ensemble: EnsembleOption = None,
    sources: Annotated[str, typer.Option(help="Joined by commas.")] = "raabin,rvpbs,bcisc,bm_pathbites",
    counts: Annotated[str, typer.Option(help="Cells of each type, joined by commas.")] = "5,10,20,50",
    draws: int = 5,
) -> None:
    """Accuracy by number of signed cells, types left out in turn, and blasts after adapting to normal types alone."""
    folder = ensemble or default_ensemble()
    sizes = [int(count) for count in counts.split(",")]
    laboratories, chosen = {}, {}
    for name in sources.split(","):
        laboratories[name], chosen[name] = _laboratory(folder, data, name, sizes, draws)
    with threadpool_limits(1):
        _print_accuracy(laboratories, chosen, sizes)
        _print_left_out(laboratories, chosen)
        _print_blasts(laboratories, chosen)


def _laboratory(
    folder: Path, data: Path, source: str, sizes: Sequence[int], draws: int
) -> tuple[Laboratory, dict[int, list[Draw]]]:
    """A laboratory's cells, as far as a draw or the blasts need them, and the draws."""
    types = storage.load(folder).cell_types
    images = [i for i in read_labelled(data, RULES) if i.source == source]
    kinds = np.asarray([types.index(i.label) if i.label in types else -1 for i in images])
    tested = [kind for kind in range(len(types)) if (kinds == kind).sum() >= LEAST]
    found = {size: [drawn(kinds, tested, size, seed) for seed in range(draws)] for size in {*sizes, 20}}
    blasts = np.isin([image.label for image in images], [*cells.BLASTS, cells.UNSPECIFIED_BLAST])
    needed = np.unique(
        [*(p for ds in found.values() for d in ds for p in (*d.taught, *d.asked)), *np.flatnonzero(blasts)]
    )
    taught = np.unique([place for ds in found.values() for draw in ds for place in draw.taught])
    place_of = {old: new for new, old in enumerate(needed.tolist())}

    def moved(places: Places) -> Places:
        return np.asarray([place_of[place] for place in places.tolist()], dtype=np.int64)

    laboratory = looked_at(folder, [images[place] for place in needed], moved(taught))
    return laboratory, {s: [Draw(moved(d.taught), moved(d.asked)) for d in ds] for s, ds in found.items()}


def looked_at(folder: Path, images: Sequence[LabelledImage], taught: Places) -> Laboratory:
    """What the members see in cells; of those that will be adapted to, in views of them too."""
    old = storage.load(folder)
    configuration = configure(EngineOptions(Device.AUTO))
    views = pooled.views_of(len(taught))
    look = partial(_look, old, configuration)
    plain = look(images, 0)
    assert len(plain.images) == len(images)
    turned = look([images[place] for place in taught.tolist()], views)
    every = [np.repeat(each[:, None], views, axis=1) for each in plain.features]
    for all_views, own in zip(every, turned.views, strict=True):
        all_views[taught] = own
    stored = replay.read(folder, old)
    known = tuple(
        known_member(last_layer(member.path), means, features, stored.truth)
        for member, means, features in zip(old.members, stored.means, stored.features, strict=True)
    )
    signed = signed_cells(old, known, plain.features, plain.images, every)
    was = old.combine([each.old for each in signed.seen])
    return Laboratory(plain.images, signed, was.argmax(axis=1), old.called(was), known, old)


def _look(
    old: Ensemble, configuration: EngineConfiguration, images: Sequence[LabelledImage], views: int
) -> pooled.Looked:
    with tempfile.TemporaryDirectory() as scratch:
        note: Callable[[str], None] = partial(print, flush=True)
        return pooled.look_at(old.members, images, configuration, Path(scratch), lambda *_: None, note, views)


def _print_accuracy(
    laboratories: dict[str, Laboratory], chosen: dict[str, dict[int, list[Draw]]], sizes: Sequence[int]
) -> None:
    print(
        "| laboratory | types | as shipped |"
        + "".join(f" {size} a type |" for size in sizes)
        + " 20, one in ten wrong |"
    )
    print("| --- | ---: | ---: |" + " ---: |" * (len(sizes) + 1))
    for name, laboratory in laboratories.items():
        kinds, row, before = laboratory.cells.kinds, [], []
        for size, wrong in [*((size, 0.0) for size in sizes), (20, 0.1)]:
            right = []
            for draw in chosen[name][size]:
                truth = kinds[draw.asked]
                right.append((laboratory.adapted(draw.taught, draw.asked, wrong) == truth).mean())
                before.append((laboratory.forced[draw.asked] == truth).mean())
            row.append(_with_spread(right))
        types = len(set(kinds[chosen[name][20][0].asked].tolist()))
        print(f"| {name} | {types} | {np.mean(before):.2f} | {' | '.join(row)} |", flush=True)


def _with_spread(values: Sequence[float]) -> str:
    """The mean over the draws, and their standard deviation."""
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _print_left_out(laboratories: dict[str, Laboratory], chosen: dict[str, dict[int, list[Draw]]]) -> None:
    print("\n| laboratory | recall of the type left out, as shipped | adapted to the others | accuracy on all |")
    print("| --- | ---: | ---: | ---: |")
    for name, laboratory in laboratories.items():
        before, after, right = [], [], []
        kinds = laboratory.cells.kinds
        for draw in chosen[name][20]:
            for kind in np.unique(kinds[draw.asked]).tolist():
                called = laboratory.adapted(draw.taught[kinds[draw.taught] != kind], draw.asked)
                own = kinds[draw.asked] == kind
                before.append((laboratory.forced[draw.asked][own] == kind).mean())
                after.append((called[own] == kind).mean())
                right.append((called == kinds[draw.asked]).mean())
        print(f"| {name} | {np.mean(before):.3f} | {np.mean(after):.3f} | {np.mean(right):.3f} |", flush=True)


def _print_blasts(laboratories: dict[str, Laboratory], chosen: dict[str, dict[int, list[Draw]]]) -> None:
    print("\n| laboratory | blasts that were called blasts | after normal types alone, still or unidentified |", end="")
    print(" normal cells called blasts, as shipped | after normal types alone | after all types |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, laboratory in laboratories.items():
        types = laboratory.cells.cell_types
        blasts, normal = cells.indices(types, cells.BLASTS), cells.indices(types, NORMAL)
        kinds = laboratory.cells.kinds
        were = np.flatnonzero(laboratory.cells.allowed[:, blasts].any(axis=1) & np.isin(laboratory.called, blasts))
        still, false, after, all_signed = [], [], [], []
        for draw in chosen[name][20]:
            taught = draw.taught[np.isin(kinds[draw.taught], normal)]
            asked = draw.asked[np.isin(kinds[draw.asked], normal)]
            called = laboratory.adapted_or_unidentified(taught, np.concatenate([were, asked]))
            still.append(np.isin(called[: len(were)], [*blasts, -1]).mean() if len(were) else np.nan)
            false.append(np.isin(laboratory.called[asked], blasts).mean())
            after.append(np.isin(called[len(were) :], blasts).mean())
            all_signed.append(np.isin(laboratory.adapted_or_unidentified(draw.taught, asked), blasts).mean())
        kept = f"{np.mean(still):.3f}" if len(were) else ""
        shares = " | ".join(f"{np.mean(each):.3f}" for each in (false, after, all_signed))
        print(f"| {name} | {len(were)} | {kept} | {shares} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
