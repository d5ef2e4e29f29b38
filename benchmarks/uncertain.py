"""Whether adapting needs fewer cells if `report --uncertain` chooses them than with random cells. Prints Markdown.

    python -m benchmarks.uncertain labs.csv --features labs.npz

In each draw, half of a laboratory's slides are its night, and the others are tested. Chance or the command chooses
cells of the night, the command at once or in rounds of 50: after each round the ensemble adapts to all labelled cells,
and calls the night again. The ensemble adapts to the chosen cells with their labels. Every cell is called. `--blood`
thins the night to shares of types as in blood. If normal types fill the night, the choice can matter more.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.kept_features import features_of
from benchmarks.verdict import EnsembleOption
from slidescreen import cells
from slidescreen.building import crossfit, replay
from slidescreen.building.adaptation import signed_cells
from slidescreen.building.new_layer import KnownMember, known_member, learn
from slidescreen.building.signed_cells import LEAST_OF_A_TYPE
from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labels
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import EXACT
from slidescreen.ensembles.location import default_ensemble
from slidescreen.models.backbones import EARLY_FEATURES
from slidescreen.models.last_layer import last_layer
from slidescreen.runs.uncertain_cells import worth
from slidescreen.statistics.spread_choice import spread_choice

_FOREIGN = ("plasma_cell", "normal_unspecified")
_BLOOD = {"neutrophil": 60, "band_neutrophil": 3, "lymphocyte": 28, "monocyte": 6, "eosinophil": 3, "basophil": 1}
_RARE = 0.5  # percent of the night, of each other type
_GUARD = 0.85  # of unsigned types; the command chooses it, which takes minutes
_ROUND = 50  # cells
_NONE = np.zeros(0, np.int64)
_CURVE = (25, 50, 75, 100, 150, 200, 300, 400, 600)  # random cells that the chosen ones are compared with
_COLUMNS = (
    "laboratory", "cells of the night", "labelled", "accuracy: random", "at once", "in rounds",
    "in rounds minus random", "random cells for this accuracy",
    "mean recall: random", "at once", "in rounds", "in rounds minus random",
)  # fmt: skip
_LARGEST = 0.6  # of the night's cells: with more, both choices are nearly all of it


@dataclass(frozen=True)
class Laboratory:
    """One source's labelled cells.

    Attributes:
        cells: the cells as the members see them.
        known: the members.
        probabilities: (N, K) by the shipped ensemble.
        strangeness: (N,) how unlike every type the cells are; 1 at the cut.
    """

    cells: crossfit.SignedCells
    known: tuple[KnownMember, ...]
    probabilities: NDArray[np.float64]
    strangeness: NDArray[np.float64]

    def halves(self, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of half of the slides, and of the others; of cells, where there is one slide."""
        names, group = np.unique(self.cells.groups, return_inverse=True)
        if len(names) < 4:
            group = np.arange(len(group))
        drawn = generator.permutation(group.max() + 1)
        first = np.isin(group, drawn[: len(drawn) // 2])
        return np.flatnonzero(first), np.flatnonzero(~first)

    def thinned(self, places: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        """As many of the places as can be, with shares of types as in blood."""
        kinds, types = self.cells.kinds[places], self.cells.cell_types
        shares = {kind: _BLOOD.get(types[kind], _RARE) for kind in np.unique(kinds).tolist()}
        total = sum(shares.values())
        most = min(int((kinds == kind).sum() * total / share) for kind, share in shares.items() if share > _RARE)
        kept = []
        for kind, share in shares.items():
            own = generator.permutation(places[kinds == kind])
            kept.append(own[: max(1, round(most * share / total))])
        return np.concatenate(kept)

    def chosen(
        self,
        left: NDArray[np.int64],
        probabilities: NDArray[np.float64],
        count: int,
        taught: NDArray[np.int64] = _NONE,
    ) -> NDArray[np.int64]:
        """Positions of so many of the cells at the places `left`, as the command chooses after others were labelled."""
        best = probabilities.argmax(axis=1).tolist()
        groups = [self.cells.groups[at] for at in left.tolist()]
        known = [(int(self.cells.kinds[at]), self.cells.groups[at]) for at in taught.tolist()]
        return left[spread_choice(worth(probabilities, self.strangeness[left]), best, groups, count, known)]

    def in_rounds(self, night: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Positions of so many cells of a night. The ensemble adapts to them after each round."""
        taught = _NONE
        while len(taught) < min(count, len(night)):
            left = np.setdiff1d(night, taught)
            new = self.chosen(left, self.adapted(taught, left), min(_ROUND, count - len(taught)), taught)
            taught = np.concatenate([taught, new])
        return taught

    def adapted(self, taught: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities (N, K) of some cells after adapting to others, without types of which there are too few."""
        counts = Counter(self.cells.kinds[taught].tolist())
        kept = taught[[counts[kind] >= LEAST_OF_A_TYPE for kind in self.cells.kinds[taught].tolist()]]
        if not len(kept):
            return self.probabilities[asked]
        signed, held = self.cells.where(kept), crossfit.guards(self.cells.cell_types, _GUARD)
        found = []
        for member, own, seen in zip(self.known, signed.seen, self.cells.seen, strict=True):
            layer, _ = learn(member, own, signed.allowed, held)
            found.append(scipy.special.softmax(layer.logits(seen.features[asked]), axis=1))
        return signed.voted(found)

    def scores(self, taught: NDArray[np.int64], asked: NDArray[np.int64]) -> tuple[float, float]:
        """Accuracy, and the mean recall of the types (a group as one), of tested cells after adapting to others."""
        cells = self.cells.where(asked)
        right = cells.right(self.adapted(taught, asked).argmax(axis=1))
        groups = cells.allowed.astype(np.int64) @ (1 << np.arange(cells.allowed.shape[1]))
        return float(right.mean()), float(np.mean([right[groups == group].mean() for group in np.unique(groups)]))


def main(
    data: Annotated[Path, typer.Argument(help="CSV of labelled images of several sources.")],
    ensemble: EnsembleOption = None,
    features: Annotated[Path | None, typer.Option(help="Keep what the networks see in this .npz file.")] = None,
    sources: Annotated[str, typer.Option(help="Joined by commas.")] = "raabin,rvpbs,bcisc,bm_pathbites",
    counts: Annotated[str, typer.Option(help="Cells to be labelled, joined by commas.")] = "50,100,150,200",
    draws: int = 20,
    first: Annotated[int, typer.Option(help="Number of the first draw: others are other draws.")] = 100,
    blood: Annotated[bool, typer.Option("--blood", help="Nights with shares of types as in blood.")] = False,
) -> None:
    """Accuracy and mean recall after adapting to chosen and to random cells, and differences with limits."""
    shipped, kept = storage.load(ensemble or default_ensemble()), ensemble or default_ensemble()
    labels = read_labels(data, LabelRules(frozenset(_FOREIGN), groups=frozenset({cells.UNSPECIFIED_BLAST})))
    everything = sorted((*labels.images, *labels.left_out), key=lambda image: image.line)
    seen = features_of(everything, shipped, features)
    print(f"| {' | '.join(_COLUMNS)} |\n| --- |" + " ---: |" * (len(_COLUMNS) - 1))
    with threadpool_limits(1):
        for source in sources.split(","):
            own = [at for at, each in enumerate(everything) if each.source == source and each.label not in _FOREIGN]
            images = [everything[at] for at in own]
            laboratory = _laboratory(shipped, kept, images, [each[own] for each in seen])
            _print_laboratory(
                source, laboratory, [int(n) for n in counts.split(",")], range(first, first + draws), blood
            )


def _laboratory(
    shipped: Ensemble, folder: Path, images: Sequence[LabelledImage], seen: Sequence[NDArray[np.float32]]
) -> Laboratory:
    stored = replay.read(folder, shipped)
    known = tuple(
        known_member(last_layer(member.path), means, features, stored.truth)
        for member, means, features in zip(shipped.members, stored.means, stored.features, strict=True)
    )
    signed = signed_cells(shipped, known, seen, images)
    combined = shipped.combine([each.old for each in signed.seen])
    return Laboratory(signed, known, combined, _strangeness(shipped, seen))


def _strangeness(shipped: Ensemble, seen: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(N,) how unlike every type cells are, 1 at the cut; 0 where the ensemble cannot tell."""
    familiarity = shipped.familiarity
    if familiarity is None:
        return np.zeros(len(seen[0]))
    # Optics are not asked for.
    whole = [np.hstack([np.zeros((len(each), EARLY_FEATURES), np.float32), each]) for each in seen]
    return familiarity.of_all([EXACT] * len(whole), whole)[:, 1]


def _print_laboratory(name: str, laboratory: Laboratory, counts: Sequence[int], draws: range, blood: bool) -> None:
    nights = [_draw(laboratory, counts, seed, blood) for seed in draws]
    size = float(np.mean([each for each, _ in nights]))
    shared = set.intersection(*(set(scores) for _, scores in nights))
    found = {key: np.asarray([scores[key] for _, scores in nights]) for key in shared}
    curve = {count: float(each[:, 0].mean()) for (how, count), each in found.items() if how == "random"}
    for count in (count for count in counts if count <= _LARGEST * size):
        row = [name, f"{size:.0f}", str(count)]
        for place in (0, 1):
            random, at_once, rounds = (found[how, count][:, place] for how in ("random", "at once", "in rounds"))
            row += [f"{each.mean():.3f}" for each in (random, at_once, rounds)]
            row.append(_difference(rounds - random))
            if place == 0:
                row.append(_as_many(curve, float(rounds.mean())))
        print(f"| {' | '.join(row)} |", flush=True)


def _draw(
    laboratory: Laboratory, counts: Sequence[int], seed: int, blood: bool
) -> tuple[int, dict[tuple[str, int], tuple[float, float]]]:
    """The size of a drawn night, and the scores by how and how many of its cells are labelled."""
    generator = np.random.default_rng(seed)
    night, asked = laboratory.halves(generator)
    night = np.sort(laboratory.thinned(night, generator)) if blood else night
    shuffled, rounds = generator.permutation(night), laboratory.in_rounds(night, max(counts))
    taught = {("random", count): shuffled[:count] for count in {*counts, *_CURVE} if count <= len(night)}
    for count in counts:
        taught["at once", count] = laboratory.chosen(night, laboratory.probabilities[night], count)
        taught["in rounds", count] = rounds[:count]
    return len(night), {key: laboratory.scores(places, asked) for key, places in taught.items()}


def _as_many(curve: dict[int, float], accuracy: float) -> str:
    """The number of random cells with this mean accuracy, between the counts that were tried."""
    counts = sorted(curve)
    rising = np.maximum.accumulate([curve[count] for count in counts])
    if accuracy > rising[-1]:
        return f"more than {counts[-1]}"
    if accuracy < rising[0]:
        return f"fewer than {counts[0]}"
    return f"{np.exp(np.interp(accuracy, rising, np.log(counts))):.0f}"


def _difference(values: NDArray[np.float64]) -> str:
    """A mean over draws with Student's 95% limits."""
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})"


if __name__ == "__main__":
    typer.run(main)
