"""Splits of labelled images."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.data.labels import LabelledImage
from slidescreen.data.splits import check_slides, folds_of, with_split
from slidescreen.errors import InputError


def image(name: str, label: str = "monocyte", slide: str = "", split: str = "") -> LabelledImage:
    return LabelledImage(Path(name), label, slide, split)


def test_a_slide_in_two_splits_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="slide 'S1' is in several splits"):
        check_slides([image("a", slide="S1", split="train"), image("b", slide="S1", split="test")])


def test_a_given_split_is_obeyed_and_a_partial_one_refused() -> None:
    given_ = [image("a", split="train"), image("b", split="validation")]
    assert with_split(given_, 0) == (given_, "as given")
    with pytest.raises(InputError, match="1 of 2 images have no split"):
        with_split([given_[0], image("b")], 0)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["monocyte", "basophil"])), min_size=10), st.integers(0, 99)
)
def test_a_drawn_split_never_parts_a_slide(cells: list[tuple[int, str]], seed: int) -> None:
    images = [image(str(n), label, f"S{slide}") for n, (slide, label) in enumerate(cells)]
    if len({i.slide for i in images}) == 1:
        with pytest.raises(InputError, match="too few images or slides"):
            with_split(images, seed)
        return
    drawn, said = with_split(images, seed)
    check_slides(drawn)
    assert {i.split for i in drawn} == {"train", "validation"}
    assert "by slide" in said
    assert drawn == with_split(images, seed)[0]
    assert {i.path for i in drawn} == {i.path for i in images}


def test_a_split_without_slides_keeps_every_type_and_says_that_it_flatters() -> None:
    images = [image(f"{label}{n}", label) for label in ("monocyte", "basophil") for n in range(20)]
    drawn, said = with_split(images, 1)
    assert "optimistic" in said
    for label in ("monocyte", "basophil"):
        assert sum(i.split == "validation" for i in drawn if i.label == label) == 4


def test_folds_of_slides_of_very_different_sizes_are_never_empty() -> None:
    kinds = [int(digit) for digit in "0010011111000110110010110"]
    slides = ["S0"] * 20 + ["S1"] * 2 + ["S2"] * 2 + ["S3"]
    folds = folds_of(kinds, slides, 5)
    assert all(folds)
    assert len(folds) >= 2
    assert sorted(place for fold in folds for place in fold) == list(range(len(kinds)))


def test_folds_of_one_slide_are_refused() -> None:
    with pytest.raises(InputError, match="all of one slide"):
        folds_of([0, 1] * 5, ["S0"] * 10, 5)
