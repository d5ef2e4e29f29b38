"""One rule for images that are listed more than once."""

import os
from pathlib import Path

import pytest
from conftest import draw_cell

from slidescreen.data.duplicates import contents_of, deduplicate, without_duplicates
from slidescreen.data.labels import LabelledImage, read_labelled
from slidescreen.errors import InputError


def image(name: str, label: str = "monocyte", split: str = "") -> LabelledImage:
    return LabelledImage(Path(name), label, split=split)


TWINS = {Path("a"): "1", Path("b"): "1", Path("c"): "2"}


def test_one_image_in_two_splits_is_refused_with_both_names_or_dropped() -> None:
    images = [image("a", split="train"), image("b", split="test"), image("c", split="train")]
    with pytest.raises(InputError, match=r"two splits: a and b.*--drop-duplicates"):
        without_duplicates(images, TWINS, drop=False)
    assert [i.path.name for i in without_duplicates(images, TWINS, drop=True)] == ["b", "c"]


def test_one_image_with_two_labels_is_refused_or_goes_altogether() -> None:
    images = [image("a", "monocyte", split="train"), image("b", "basophil", split="train"), image("c", split="train")]
    with pytest.raises(InputError, match="two labels: a and b"):
        without_duplicates(images, TWINS, drop=False)
    assert [i.path.name for i in without_duplicates(images, TWINS, drop=True)] == ["c"]


@pytest.mark.parametrize("second", ["b/../a.jpg", "./a.jpg", "link.jpg", "hard.jpg", "copy.jpg", "b\\..\\A.JPG"])
def test_one_image_listed_twice_is_refused_with_both_lines_or_kept_once(tmp_path: Path, second: str) -> None:
    """By another path, a link, or as a copy; the other image is of the same size."""
    draw_cell(0).save(tmp_path / "a.jpg")
    (tmp_path / "b").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    os.link(tmp_path / "a.jpg", tmp_path / "hard.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "copy.jpg").write_bytes(content)
    (tmp_path / "other.jpg").write_bytes(content[:-1] + b"x")
    table = tmp_path / "labels.csv"
    table.write_text(f"file,label\na.jpg,monocyte\nother.jpg,monocyte\n{second},Monocytes\n")
    images = read_labelled(table)
    contents = contents_of(image.path for image in images)
    with pytest.raises(InputError) as refused:
        deduplicate(images, contents, drop=False)
    assert f"the same image is listed twice: a.jpg and {second} (lines 2 and 4)" in str(refused.value)
    assert deduplicate(images, contents, drop=True).kept == (0, 1)
    assert deduplicate(images, contents, drop=True).copies == (2,)


def test_where_contents_are_not_known_one_path_is_still_one_image() -> None:
    assert deduplicate([image("a"), image("b"), image("a")], {}, drop=True).kept == (0, 1)


def test_of_copies_in_several_splits_one_in_the_last_stays() -> None:
    images = [
        image(name, split=split) for name, split in zip("acba", ("train", "validation", "test", "test"), strict=True)
    ]
    contents = {Path(name): "same" for name in "abc"}
    assert deduplicate(images, contents, drop=True).kept == (2,)


def test_the_gravest_problem_is_named_and_how_many_there_are() -> None:
    images = [image("a"), image("a"), image("b", "monocyte"), image("b", "basophil")]
    with pytest.raises(InputError, match=r"has two labels: b and b \(as 1 more do\); remove one"):
        deduplicate(images, {}, drop=False)


def test_only_copies_in_the_split_that_is_measured_on_matter() -> None:
    images = [image("a", split="train"), image("a", split="train"), image("b", split="test"), image("b", split="train")]
    with pytest.raises(InputError, match="two splits: b and b;"):
        deduplicate(images, {}, drop=False, split="test")
    assert deduplicate(images, {}, drop=True, split="test").kept == (0, 1, 2)
    assert deduplicate(images[:2], {}, drop=False, split="test").kept == (0, 1)
