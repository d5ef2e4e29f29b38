"""Labels that leave the type open: `blast`, and `normal_unspecified`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_training import SMALL, Silent, build_small, request, table
from torch.nn import functional

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.training import learner
from slidescreen.training.options import Recipe
from slidescreen.training.session import run_training
from slidescreen.training.targets import cross_entropy, taught_labels, total_weight, types_of_groups

TYPES = ("neutrophil", "myeloblast", "lymphoblast")
GROUPS = types_of_groups(TYPES)


def probability_of_label(logits: np.ndarray, label: int) -> float:
    """By hand: the probability of the type, or of all types of the group together."""
    p = np.exp(logits) / np.exp(logits).sum()
    return float({0: p[0], 1: p[1], 2: p[2], 3: p[1] + p[2], 4: p[0]}[label])


@given(
    st.lists(st.tuples(st.lists(st.floats(-20, 20), min_size=3, max_size=3), st.integers(0, 4)), min_size=1, max_size=6)
)
def test_a_group_teaches_the_probability_of_its_types_together(rows: list[tuple[list[float], int]]) -> None:
    logits = torch.tensor([row for row, _ in rows], dtype=torch.float64)
    labels = torch.tensor([label for _, label in rows])
    expected = -np.mean([np.log(probability_of_label(np.asarray(row), label)) for row, label in rows])
    assert float(cross_entropy(logits, labels, GROUPS)) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**31), st.floats(0, 0.5), st.booleans())
def test_single_types_are_learnt_as_by_torch(seed: int, smoothing: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits, labels = torch.randn(7, 3, generator=generator), torch.randint(0, 3, (7,), generator=generator)
    weights = torch.rand(3, generator=generator) + 0.1 if weighted else None
    expected = functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
    assert torch.equal(cross_entropy(logits, labels, GROUPS, weights, smoothing), expected)


def test_single_types_beside_a_group_keep_their_weights() -> None:
    logits, weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([0.5, 2.0, 1.0])
    labels = torch.tensor([0, 1, 2, 1, 3])
    each = functional.cross_entropy(logits[:4], labels[:4], weight=weights, label_smoothing=0.1, reduction="none")
    chances = logits[4].log_softmax(0)
    group = -(0.9 * torch.logsumexp(chances[1:], 0) + 0.1 * chances.mean())
    assert total_weight(labels, weights) == 0.5 + 2 + 1 + 2 + 1
    assert float(cross_entropy(logits, labels, GROUPS, weights, 0.1)) == pytest.approx(float(each.sum() + group) / 6.5)


def test_a_cell_that_is_no_blast_teaches_nothing_about_the_other_types() -> None:
    groups = types_of_groups(cells.CELL_TYPES)
    logits = torch.zeros(1, len(cells.CELL_TYPES), requires_grad=True)
    no_blast = taught_labels(cells.CELL_TYPES).index(cells.UNSPECIFIED_NORMAL)
    cross_entropy(logits, torch.tensor([no_blast]), groups).backward()
    slope = dict(zip(cells.CELL_TYPES, logits.grad[0].tolist(), strict=True))
    assert all(slope[name] > 0 for name in cells.BLASTS)
    assert len({round(slope[name], 6) for name in cells.CELL_TYPES if name not in cells.BLASTS}) == 1


@pytest.mark.parametrize(
    ("types", "groups"),
    [
        (cells.CELL_TYPES, ("blast", "normal_unspecified")),
        (("neutrophil", "lymphocyte"), ()),  # no blast to tell
        (("myeloblast", "lymphoblast"), ()),  # all are blasts
        (("neutrophil", "myeloblast"), ("blast", "normal_unspecified")),
    ],
)
def test_a_network_learns_only_group_labels_that_tell_its_types_apart(
    types: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    assert taught_labels(types) == (*types, *groups)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "build", build_small)


ROWS = [(TYPES[n % 3], "validation" if n % 5 == 0 else "train") for n in range(20)]
RECIPE = replace(SMALL, cell_types=TYPES)


@pytest.mark.usefixtures("small")
def test_group_labels_are_learnt_but_not_judged(tmp_path: Path) -> None:
    shown = Silent()
    extra = [("Blast cells", "train"), ("normal unspecified", "train"), ("blast", "validation")]
    run_training(request(table(tmp_path / "cells", ROWS + extra), tmp_path / "out", RECIPE), shown)
    assert "1 validation images left out: their labels name no single type" in shown.notes
    assert any("18 train, 4 validation" in note for note in shown.notes)
    assert all(np.isfinite(row.train_loss) for row in shown.results)


@pytest.mark.usefixtures("small")
def test_a_group_label_changes_what_is_learnt(tmp_path: Path) -> None:
    losses = []
    for number, label in enumerate(("blast", "normal_unspecified")):
        shown = Silent()
        data = table(tmp_path / f"cells{number}", ROWS + [(label, "train")] * 6)
        run_training(request(data, tmp_path / f"out{number}", replace(RECIPE, balance="none")), shown)
        losses.append([row.train_loss for row in shown.results])
    assert losses[0] != losses[1]


@pytest.mark.usefixtures("small")
def test_blasts_count_as_the_lineage_that_the_user_gives(tmp_path: Path) -> None:
    one, other = (
        table(tmp_path / name, ROWS + [(label, "train")] * 6) for name, label in (("a", "blast"), ("b", "myeloblast"))
    )
    found = []
    for data in (one, other):
        asked = request(data, tmp_path / f"out-{data.parent.name}", RECIPE)
        rules = replace(asked.label_rules, unspecified_blasts="myeloblast")
        shown = Silent()
        run_training(replace(asked, label_rules=rules), shown)
        found.append([row.train_loss for row in shown.results])
    assert found[0] == found[1]


@pytest.mark.usefixtures("small")
def test_group_labels_alone_are_refused(tmp_path: Path) -> None:
    data = table(tmp_path / "cells", [("blast", "train")] * 6 + [("myeloblast", "validation")] * 2)
    with pytest.raises(InputError, match="two cell types or more; all of the train split are blast"):
        run_training(request(data, tmp_path / "out", Recipe(cell_types=TYPES)), Silent())
