"""Which images make up which slide."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slidescreen.errors import InputError
from slidescreen.slides import discover


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def layout(root: Path, depth: int | None = None) -> dict[str, list[str]]:
    return {slide.name: [image.name for image in slide.images] for slide in discover(root, depth)}


def test_a_flat_folder_is_one_slide(tmp_path: Path) -> None:
    touch(tmp_path / "S1", "b.jpg", "a.PNG", "c.tiff", "d.webp", "e.bmp")
    assert layout(tmp_path / "S1") == {"S1": ["a.PNG", "b.jpg", "c.tiff", "d.webp", "e.bmp"]}


def test_a_folder_of_flat_folders_is_several_slides(tmp_path: Path) -> None:
    touch(tmp_path, "S2/a.jpg", "S1/a.jpg", "night/S3/a.jpg")
    assert layout(tmp_path) == {"S1": ["a.jpg"], "S2": ["a.jpg"], "night/S3": ["a.jpg"]}


def test_the_analysers_layout_is_one_slide_with_reported_types(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "S1/Signed slides/Segmented neutrophils/NE_1.jpg",
        "S1/Signed slides/Blast, no lineage spec/BL_1.jpg",
        "S1/Signed slides/Unheard of/X_1.jpg",
    )
    (slide,) = discover(tmp_path)
    assert slide.name == "S1"
    assert {i.name: i.reported_type for i in slide.images} == {
        "Signed slides/Blast, no lineage spec/BL_1.jpg": "blast",
        "Signed slides/Segmented neutrophils/NE_1.jpg": "neutrophil",
        "Signed slides/Unheard of/X_1.jpg": "",
    }


def test_class_folders_make_their_parent_the_slide(tmp_path: Path) -> None:
    touch(tmp_path, "S1/Lymphocyte/a.jpg", "S1/Monozyten/b.jpg", "S1/Smudge cells/c.jpg")
    assert list(layout(tmp_path)) == ["S1"]


def test_an_analysers_folder_in_an_unknown_language_is_still_one_slide(tmp_path: Path) -> None:
    touch(tmp_path, "S1/Signed slides/Lymphozyten/a.jpg", "S1/Signed slides/Monozyten/b.jpg")
    assert list(layout(tmp_path)) == ["S1"]


def test_a_stray_image_does_not_merge_the_slides_beside_it(tmp_path: Path) -> None:
    touch(tmp_path, "overview.jpg", "S1/a.jpg", "S2/a.jpg")
    assert layout(tmp_path) == {tmp_path.name: ["overview.jpg"], "S1": ["a.jpg"], "S2": ["a.jpg"]}


def test_a_folder_called_images_may_hold_slides_or_cells(tmp_path: Path) -> None:
    touch(tmp_path, "A/images/a.jpg", "B/images/S1/a.jpg", "B/images/S2/a.jpg")
    assert list(layout(tmp_path)) == ["A", "B/images/S1", "B/images/S2"]


def test_the_depth_can_be_said(tmp_path: Path) -> None:
    touch(tmp_path, "S1/left/a.jpg", "S1/right/b.jpg", "S2/left/a.jpg")
    assert layout(tmp_path, depth=1) == {"S1": ["left/a.jpg", "right/b.jpg"], "S2": ["left/a.jpg"]}
    assert list(layout(tmp_path, depth=0)) == [tmp_path.name]


def test_hidden_files_and_the_systems_own_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "S1", "a.jpg", ".hidden.jpg", "Thumbs.db", "desktop.ini", "notes.txt", ".cache/b.jpg")
    assert layout(tmp_path / "S1") == {"S1": ["a.jpg"]}


def test_a_link_out_of_the_tree_is_listed_but_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "secret/x.jpg", "slides/S1/a.jpg")
    (tmp_path / "slides/S1/link.jpg").symlink_to(tmp_path / "secret/x.jpg")
    (tmp_path / "slides/S2").symlink_to(tmp_path / "secret")
    (slide,) = discover(tmp_path / "slides")
    assert [(i.name, bool(i.refusal)) for i in slide.images] == [("a.jpg", False), ("link.jpg", True)]


def test_names_that_are_not_utf8_or_hold_newlines_are_kept_readable(tmp_path: Path) -> None:
    names = (b"caf\xe9.jpg", b"a,b.jpg", b'say "x".jpg', b"two\nlines.jpg")
    touch(tmp_path / "S1", *(os.fsdecode(name) for name in names))
    (slide,) = discover(tmp_path)
    assert [i.name for i in slide.images] == ["a,b.jpg", "caf\\xe9.jpg", 'say "x".jpg', "two\\nlines.jpg"]
    assert all(i.path.exists() for i in slide.images)


@pytest.mark.parametrize("what", ["missing", "file", "empty"])
def test_what_holds_no_images_is_one_clear_error(tmp_path: Path, what: str) -> None:
    touch(tmp_path, "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"does not exist|is not a folder|holds no images"):
        discover(tmp_path / what)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(st.tuples(*[st.sampled_from(["S1", "S2", "Lymphocyte", "Signed slides", "x"])] * 3), min_size=1))
def test_every_image_belongs_to_exactly_one_slide(
    tmp_path_factory: pytest.TempPathFactory, places: set[tuple[str, ...]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    names = {"/".join(place) + f"/{number}.jpg" for number, place in enumerate(sorted(places))}
    touch(root, *names)
    found = [image.path.relative_to(root.resolve()).as_posix() for slide in discover(root) for image in slide.images]
    assert sorted(found) == sorted(names)
