"""Cells that are worth a look, spread over types and slides."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.statistics.spread_choice import ambiguity, spread_choice

CELLS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.sampled_from("abc")), min_size=1, max_size=40)


def test_a_cell_between_two_types_is_more_ambiguous_than_a_flat_third() -> None:
    found = ambiguity(np.array([[0.5, 0.48, 0.02], [0.9, 0.05, 0.05], [0.4, 0.3, 0.3]]))
    assert found == pytest.approx([0.98, 0.15, 0.9])


@given(CELLS, st.integers(0, 50))
def test_as_many_as_are_asked_for_are_chosen_and_none_twice(rows: list[tuple[float, int, str]], count: int) -> None:
    worth, kinds, groups = zip(*rows, strict=True)
    chosen = spread_choice(np.array(worth), kinds, groups, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(rows))
    if chosen:
        assert worth[chosen[0]] == max(worth)


def test_the_most_worth_come_first_where_kind_and_slide_are_the_same() -> None:
    assert spread_choice(np.array([0.2, 0.9, 0.5]), [0, 0, 0], ["a"] * 3, 3) == [1, 2, 0]


def test_no_type_and_no_slide_takes_all_places() -> None:
    worth = np.concatenate([np.full(500, 0.9), np.full(20, 0.5), np.full(20, 0.5)])
    kinds, slides = [0] * 500 + [1] * 20 + [2] * 20, ["large"] * 520 + ["small"] * 20
    chosen = spread_choice(worth, kinds, slides, 40)
    counts = Counter(kinds[at] for at in chosen)
    assert counts[0] < 25
    assert min(counts[1], counts[2]) >= 5
    assert Counter(slides[at] for at in chosen)["small"] >= 8


def test_types_and_slides_of_which_many_cells_are_known_come_later() -> None:
    worth, kinds, slides = np.full(4, 0.5), [0, 0, 1, 1], ["a", "b", "a", "b"]
    assert spread_choice(worth, kinds, slides, 1) == [0]
    assert spread_choice(worth, kinds, slides, 1, [(0, "c"), (0, "c")]) == [2]
    assert spread_choice(worth, kinds, slides, 1, [(0, "a"), (7, "a")]) == [3]


@given(CELLS, st.integers(1, 20))
def test_a_choice_that_is_interrupted_goes_on_as_it_would_have(rows: list[tuple[float, int, str]], count: int) -> None:
    worth, kinds, groups = zip(*rows, strict=True)
    at_once = spread_choice(np.array(worth), kinds, groups, 2 * count)
    first, rest = at_once[:count], sorted(set(range(len(rows))) - set(at_once[:count]))
    later = spread_choice(
        np.array([worth[at] for at in rest]),
        [kinds[at] for at in rest],
        [groups[at] for at in rest],
        count,
        [(kinds[at], groups[at]) for at in first],
    )
    assert [rest[at] for at in later] == at_once[count:]


def test_an_empty_night_gives_an_empty_choice() -> None:
    assert spread_choice(np.array([]), [], [], 5) == []
