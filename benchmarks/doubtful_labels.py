"""Labels that networks doubt, found out of fold, and the effect of leaving them out. Prints Markdown.

    python -m benchmarks.doubtful_labels cells.csv --features cells.npz --list doubtful.csv

Last layers that learnt from other slides of the training split judge each training cell. Last layers that learnt from
the training split judge the cells of the other splits. A label is doubtful if another type is more probable than
`--sure` and the label is less probable than `--unlikely`. The networks below the last layer learnt from all training
labels, including wrong ones. So fewer doubtful labels are found among training cells.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from benchmarks.kept_features import Reduced, features_of
from benchmarks.verdict import EnsembleOption
from slidescreen import cells
from slidescreen.data.delimited import read_table
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labels
from slidescreen.data.splits import folds_of
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.location import default_ensemble

_FOREIGN = ("plasma_cell", "promonocyte", "normal_unspecified", "blast")  # no single type of ours
_FOLDS, _STEPS = 5, 200
_STRENGTHS = (0.01, 0.03, 0.1, 0.3)  # inverse, of the regularisation: the one with the least log loss on validation
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """Labelled cells: their labels as positions among the types, their slides, splits, and the members' inputs."""

    images: tuple[LabelledImage, ...]
    truth: Places
    groups: tuple[str, ...]
    splits: NDArray[np.str_]
    inputs: tuple[Floats, ...]
    weights: tuple[float, ...]
    strength: float = _STRENGTHS[0]

    def of(self, split: str) -> Places:
        """Positions of a split."""
        return np.flatnonzero(self.splits == split)

    def learnt(self, member: int, taught: Places, asked: Places, types: int) -> Floats:
        """Probabilities (N, K) of some cells by one member's last layer, learnt from others."""
        layer = LogisticRegression(C=self.strength, max_iter=_STEPS)
        layer.fit(self.inputs[member][taught], self.truth[taught])
        found = np.zeros((len(asked), types))
        found[:, layer.classes_] = layer.predict_proba(self.inputs[member][asked])
        return found

    def voted(self, members: Sequence[Floats]) -> Floats:
        """The members' weighted mean."""
        return np.asarray(sum(weight * each for weight, each in zip(self.weights, members, strict=True)))


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images with slide, source and split.")],
    ensemble: EnsembleOption = None,
    features: Annotated[Path | None, typer.Option(help="Keep what the networks see in this .npz file.")] = None,
    sure: float = 0.9,
    unlikely: float = 0.02,
    draws: Annotated[int, typer.Option(help="Random cells are left out so often, for comparison.")] = 5,
    list_: Annotated[Path | None, typer.Option("--list", help="Write the doubtful labels here.")] = None,
) -> None:
    """How many labels are doubtful, which, and accuracy with and without them in training and test."""
    shipped = storage.load(ensemble or default_ensemble())
    types = shipped.cell_types
    with threadpool_limits(1):
        known = _tuned(_read(data, shipped, features), len(types))
        members = _out_of_fold(known, len(types))
        found = known.voted(members)
        doubtful = _doubtful(found, known.truth, sure, unlikely)
        _print_counts(known, found, doubtful, types)
        _print_effect(known, doubtful, len(types), draws)
        _print_crossed(known, members, sure, unlikely)
        rows = list(_rows(known, found, doubtful, types))
        _print_list(rows)
    if list_ is not None:
        with list_.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "source", "split", "label", "call", "p_call", "p_label"))
            writer.writerows(rows)


def _read(data: Path, shipped: Ensemble, features: Path | None) -> Labelled:
    there = {row["label"] for row in read_table(data, ("file", "label")).rows}
    labels = read_labels(data, LabelRules(frozenset(there.intersection(_FOREIGN))))
    everything = sorted((*labels.images, *labels.left_out), key=lambda image: image.line)
    seen = features_of(everything, shipped, features)
    kept = np.asarray([at for at, image in enumerate(everything) if image.label in shipped.cell_types])
    images = tuple(everything[at] for at in kept.tolist())
    splits = np.asarray([image.split for image in images])
    taught = np.flatnonzero(splits == "train")
    return Labelled(
        images,
        np.asarray([shipped.cell_types.index(image.label) for image in images]),
        tuple(image.slide or image.written for image in images),
        splits,
        tuple(Reduced.of(each[kept], taught).inputs for each in seen),
        shipped.weights,
    )


def _tuned(known: Labelled, types: int) -> Labelled:
    """With the regularisation whose vote, learnt from the training split, is most honest on the validation split."""
    taught, asked = known.of("train"), known.of("validation")
    losses = {}
    for strength in _STRENGTHS:
        tried = replace(known, strength=strength)
        found = tried.voted([tried.learnt(member, taught, asked, types) for member in range(len(known.inputs))])
        own = found[np.arange(len(asked)), known.truth[asked]]
        losses[strength] = float(-np.log(np.maximum(own, 1e-9)).mean())
    best = min(losses, key=losses.__getitem__)
    print(f"Regularisation: {best:g}, by log loss on the validation split.\n")
    return replace(known, strength=best)


def _out_of_fold(known: Labelled, types: int) -> list[Floats]:
    """Each member's probabilities (N, K) of all cells by last layers that did not learn from their slides."""
    taught = known.of("train")
    others = np.flatnonzero(known.splits != "train")
    parts = folds_of(known.truth[taught].tolist(), [known.groups[at] for at in taught.tolist()], _FOLDS)
    found = []
    for member in range(len(known.inputs)):
        each = np.zeros((len(known.truth), types))
        for part in parts:
            asked = taught[part]
            each[asked] = known.learnt(member, np.setdiff1d(taught, asked), asked, types)
        each[others] = known.learnt(member, taught, others, types)
        found.append(each)
    return found


def _doubtful(found: Floats, truth: Places, sure: float, unlikely: float) -> NDArray[np.bool_]:
    own = found[np.arange(len(truth)), truth]
    return np.asarray((found.max(axis=1) > sure) & (own < unlikely))


def _print_counts(known: Labelled, found: Floats, doubtful: NDArray[np.bool_], types: Sequence[str]) -> None:
    print("| source | split | labels | differ from the call | doubtful |\n| --- | --- | ---: | ---: | ---: |")
    differ, sources = found.argmax(axis=1) != known.truth, np.asarray([image.source for image in known.images])
    for source in sorted(set(sources.tolist())):
        for split in ("train", "validation", "test"):
            own = (sources == source) & (known.splits == split)
            print(f"| {source} | {split} | {own.sum()} | {differ[own].sum()} | {doubtful[own].sum()} |")
    print(f"| all | all | {len(differ)} | {differ.sum()} | {doubtful.sum()} |")
    moves = Counter(zip(known.truth[doubtful].tolist(), found[doubtful].argmax(axis=1).tolist(), strict=True))
    print("\n| label | call | doubtful labels |\n| --- | --- | ---: |")
    for (label, call), count in moves.most_common(12):
        print(f"| {types[label]} | {types[call]} | {count} |")


def _print_effect(known: Labelled, doubtful: NDArray[np.bool_], types: int, draws: int) -> None:
    """Training with and without the doubtful labels, each tested with and without them."""
    taught, asked = known.of("train"), known.of("test")
    truth, sure = known.truth[asked], ~doubtful[asked]

    def called(learnt: Places) -> Places:
        members = [known.learnt(member, learnt, asked, types) for member in range(len(known.inputs))]
        return np.asarray(known.voted(members).argmax(axis=1))

    def scores(found: Places) -> tuple[float, ...]:
        return *_scores(found, truth), *_scores(found[sure], truth[sure])

    with_all, without = called(taught), called(taught[~doubtful[taught]])
    random = [scores(called(_without_random(known, taught, doubtful, seed))) for seed in range(draws)]
    print(f"\n| trained on | cells | accuracy, all {len(asked)} test cells | macro F1 |", end="")
    print(f" accuracy, {sure.sum()} test cells without doubtful labels | macro F1 |\n| --- |" + " ---: |" * 5)
    fewer = len(taught) - int(doubtful[taught].sum())
    rows = (
        ("all training cells", len(taught), scores(with_all)),
        ("without the doubtful ones", fewer, scores(without)),
        (f"without as many random ones, mean of {draws} draws", fewer, np.mean(random, axis=0)),
    )
    for name, count, found in rows:
        print(f"| {name} | {count} |" + "".join(f" {each:.4f} |" for each in found))
    gain = (without == truth).astype(np.float64) - (with_all == truth)
    low, high = _limits(gain, [known.groups[at] for at in asked.tolist()])
    print("\nAccuracy on all test cells, learnt without the doubtful training labels minus with them: ", end="")
    print(f"{gain.mean():+.4f} (95% limits {low:+.4f} to {high:+.4f}, slides resampled).")
    print(f"With random ones left out: {min(random)[0]:.4f} to {max(random)[0]:.4f}.")


def _without_random(known: Labelled, taught: Places, doubtful: NDArray[np.bool_], seed: int) -> Places:
    """Training cells without as many random ones of each label as are doubtful."""
    generator = np.random.default_rng(seed)
    left = [
        generator.choice(taught[known.truth[taught] == label], count, replace=False)
        for label, count in Counter(known.truth[taught[doubtful[taught]]].tolist()).items()
    ]
    return np.setdiff1d(taught, np.concatenate(left)) if left else taught


def _limits(values: Floats, groups: Sequence[str], resamples: int = 2000) -> tuple[float, float]:
    """95% limits of a mean over cells; slides are drawn, and a cell without one is its own."""
    names, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, values), np.bincount(group)
    drawn = np.random.default_rng(0).integers(len(names), size=(resamples, len(names)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def _print_crossed(known: Labelled, members: Sequence[Floats], sure: float, unlikely: float) -> None:
    """One member tested without the labels that the other doubts: it had no say in what was left out."""
    asked = known.of("test")
    print("\n| tested | labels doubted by | left out | of these also called otherwise by the tested one |", end="")
    print(" accuracy, all test cells | without them |\n| --- | --- |" + " ---: |" * 4)
    for tested, judge in ((0, 1), (1, 0)):
        doubtful = _doubtful(members[judge], known.truth, sure, unlikely)[asked]
        right = members[tested].argmax(axis=1)[asked] == known.truth[asked]
        print(f"| member {tested + 1} | member {judge + 1} | {doubtful.sum()} | {(~right[doubtful]).sum()} |", end="")
        print(f" {right.mean():.4f} | {right[~doubtful].mean():.4f} |")


def _scores(called: Places, truth: Places) -> tuple[float, float]:
    return float((called == truth).mean()), float(f1_score(truth, called, labels=np.unique(truth), average="macro"))


def _rows(
    known: Labelled, found: Floats, doubtful: NDArray[np.bool_], types: Sequence[str]
) -> Iterator[tuple[str, str, str, str, str, str, str]]:
    """The doubtful labels, the most certain first."""
    places = np.flatnonzero(doubtful)
    for at in places[np.argsort(-found[places].max(axis=1), kind="stable")].tolist():
        image, best = known.images[at], int(found[at].argmax())
        label = types[known.truth[at]]
        probabilities = f"{found[at, best]:.3f}", f"{found[at, known.truth[at]]:.4f}"
        yield image.written, image.source, image.split, label, types[best], *probabilities


def _print_list(rows: Sequence[tuple[str, ...]]) -> None:
    """The doubtful labels by source, label and call: the images' names without folder and patient."""
    by_move: dict[tuple[str, str, str], list[str]] = {}
    for file, source, _, label, call, *_ in rows:
        by_move.setdefault((source, label, call), []).append(Path(file).stem.rpartition("__")[2])
    print("\n| source | label | call | images |\n| --- | --- | --- | --- |")
    for (source, label, call), names in sorted(by_move.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        print(f"| {source} | {cells.DISPLAY_NAMES[label]} | {cells.DISPLAY_NAMES[call]} | {', '.join(names)} |")


if __name__ == "__main__":
    typer.run(main)
