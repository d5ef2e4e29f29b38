"""Which images make up which slide, and what is said of all else."""

import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from conftest import draw_cell
from hypothesis import given, settings
from hypothesis import strategies as st

from slidescreen.data.slides import discover, survey
from slidescreen.errors import InputError

FOUR = tuple(f"26-000{number}/a.jpg" for number in range(1, 5))
NAMED_LIKE_CELLS = ("Stain", "RBC", "BA", "MO", "Not a cell", "lymphocytes", "Segmented neutrophils")


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def passed_over(root: Path, depth: int | None = None) -> dict[str, list[str]]:
    return {kind: found["names"] for kind, found in survey(root, depth).to_record()["passed_over"].items()}


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


@pytest.mark.parametrize("name", NAMED_LIKE_CELLS)
@pytest.mark.parametrize("below", ["", "ward/", "images/", "Signed slides/", "a/b/c/"])
def test_an_empty_folder_named_like_cells_changes_nothing(tmp_path: Path, name: str, below: str) -> None:
    touch(tmp_path, *(below + place for place in FOUR))
    before = layout(tmp_path)
    assert list(before) == [f"{below}26-000{number}" for number in range(1, 5)]
    (tmp_path / below / name).mkdir()
    assert layout(tmp_path) == before
    assert passed_over(tmp_path) == {"empty_folders": [below + name]}


@pytest.mark.parametrize("name", NAMED_LIKE_CELLS)
@pytest.mark.parametrize("below", ["", "ward/", "images/", "Signed slides/"])
def test_a_slide_named_like_cells_is_a_slide_beside_slides(tmp_path: Path, name: str, below: str) -> None:
    touch(tmp_path, *(below + place for place in FOUR), f"{below}{name}/x.jpg")
    found = survey(tmp_path)
    assert {slide.name for slide in found.slides} == {below + place.split("/")[0] for place in (*FOUR, name)}
    assert {image.reported_type for slide in found.slides for image in slide.images} == {""}
    (remark,) = found.remarks
    assert remark.startswith(f"{below}{name}: named like cells, unlike what lies beside")
    assert remark.endswith(f"(otherwise use --slide-depth {below.count('/')})")


def test_codes_alone_may_be_initials_and_are_slides(tmp_path: Path) -> None:
    touch(tmp_path, "BA/a.jpg", "MO/a.jpg", "LY/a.jpg")
    assert list(layout(tmp_path)) == ["BA", "LY", "MO"]
    assert survey(tmp_path).remarks == (
        "BA, LY, MO: named with codes of cell types, or with initials; taken as slides (otherwise use --slide-depth 0)",
    )
    assert list(layout(tmp_path, depth=0)) == [tmp_path.name]


def test_codes_beside_whole_names_are_classes(tmp_path: Path) -> None:
    touch(tmp_path, "S1/EOS/a.jpg", "S1/Monocyte/a.jpg", "S2/WBC/Lymphocyte/a.jpg", "S2/RBC/a.jpg", "S2/PLT/a.jpg")
    assert list(layout(tmp_path)) == ["S1", "S2"]


def test_classes_without_a_type_of_ours_are_classes_beside_those_that_have_one(tmp_path: Path) -> None:
    touch(tmp_path, *(f"S1/{name}/a.jpg" for name in ("Lymphocyte", "Plasma cells", "Unidentified", "All cells")))
    assert list(layout(tmp_path)) == ["S1"]


def test_class_folders_that_hold_slides_are_none(tmp_path: Path) -> None:
    touch(tmp_path, "Lymphocyte/26-0001/a.jpg", "Lymphocyte/26-0002/a.jpg", "Monocyte/26-0001/a.jpg")
    assert list(layout(tmp_path)) == ["Lymphocyte/26-0001", "Lymphocyte/26-0002", "Monocyte/26-0001"]


def test_class_folders_may_hold_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "S1/Neutrophils/Band neutrophils/a.jpg", "S1/Neutrophils/b.jpg", "S1/Lymphocyte/c.jpg")
    (slide,) = discover(tmp_path)
    assert [image.reported_type for image in slide.images] == ["lymphocyte", "band_neutrophil", "neutrophil"]


@pytest.mark.parametrize("container", ["Signed slides", "UNSIGNED_SLIDES", "signed slides ", "images", "Cells", "WBC"])
def test_slides_are_slides_wherever_their_container_is(tmp_path: Path, container: str) -> None:
    touch(tmp_path, *(f"{container}/{place}" for place in FOUR), f"{container}/stray.jpg")
    names = [f"{container}/{place.split('/')[0]}" for place in FOUR]
    found = survey(tmp_path)
    assert {slide.name: len(slide.images) for slide in found.slides} == dict.fromkeys([container, *names], 1)
    (remark,) = found.remarks
    assert remark.startswith(f"{container} (stray.jpg): holds images and slides")


@pytest.mark.parametrize("unknown", ["Unheard of", "Zellen X", "giant ones"])
def test_an_analysers_class_of_an_unknown_name_belongs_to_its_slide(tmp_path: Path, unknown: str) -> None:
    touch(tmp_path, *(f"S1/Signed slides/{name}/a.jpg" for name in ("Lymphocyte", "Monocyte", "Eosinophil", unknown)))
    found = survey(tmp_path)
    assert [(slide.name, len(slide.images)) for slide in found.slides] == [("S1", 4)]
    assert found.remarks == (
        f"S1/Signed slides/{unknown}: of unknown names among an analyser's class folders; taken as classes "
        "(otherwise use --slide-depth 3)",
    )


@pytest.mark.parametrize(
    "inside",
    [
        ("Lymphocyte", "Monocyte", "26-0001"),  # a number is a slide's
        ("Lymphocyte", "Monocyte", "Miller/images"),  # a class holds images
        ("Lymphocyte", "Miller", "Smith"),  # most are unknown
        ("Miller", "Smith"),
        ("Losito", "Nocito"),  # with a part of a word for cells
        ("Rozīte", "Rozītis"),
        ("Gumprecht", "Plaquet"),
        ("BA", "MO"),
    ],
)
def test_what_may_be_two_patients_in_an_analysers_container_is_never_blended(
    tmp_path: Path, inside: tuple[str, ...]
) -> None:
    touch(tmp_path, *(f"Signed slides/{name}/a.jpg" for name in inside))
    found = survey(tmp_path)
    assert sorted(len(slide.images) for slide in found.slides) == [1] * len(inside)
    assert found.remarks


@pytest.mark.parametrize(
    "names",
    [
        ("01 Neutrophil", "02 Lymphocyte", "10 Smudge cell", "11 Plasma cell"),
        ("1_Neutrophil", "2_NEU"),
        ("Neutrophil (45)", "Lymphocyte [3]", "Monocyte"),
        ("1. Segmentkernige", "2. Stabkernige", "3. Lymphozyten - 12"),
    ],
)
def test_numbers_and_counts_in_an_analysers_class_names_do_not_split_a_slide(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for root in (tmp_path / "many" / "26-0001", tmp_path / "one"):
        touch(root, *(f"Signed slides/{name}/a.jpg" for name in names))
        (root / "Signed slides" / "12 Basophil").mkdir()
    found = survey(tmp_path / "many")
    assert [(slide.name, len(slide.images)) for slide in found.slides] == [("26-0001", len(names))]
    assert (found.remarks, found.skipped) == ((), ())
    found = survey(tmp_path / "one" / "Signed slides")
    assert [(slide.name, len(slide.images)) for slide in found.slides] == [("Signed slides", len(names))]
    assert (found.remarks, found.skipped) == ((), ())


def test_the_laboratorys_call_is_read_from_a_numbered_class_folder(tmp_path: Path) -> None:
    touch(tmp_path, *(f"S1/Signed slides/{name}/a.jpg" for name in ("01 Neutrophil", "Band neutrophils (7)", "Meta")))
    (slide,) = discover(tmp_path)
    assert [image.reported_type for image in slide.images] == ["neutrophil", "band_neutrophil", "metamyelocyte"]


@pytest.mark.parametrize(
    "names",
    [
        ("Lymphocyte 1", "Lymphocyte 2"),  # numbers alone tell them apart
        ("01 Neutrophil", "02 Lymphocyte", "26-0001"),
        ("01 Neutrophil", "02 Lymphocyte", "03 Class X"),
        ("1 BA", "2 MO"),
        ("12 Meier", "13 Miller"),
    ],
)
def test_numbered_names_that_may_be_slides_are_slides_and_said(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *(f"Signed slides/{name}/a.jpg" for name in names))
    found = survey(tmp_path)
    assert [slide.name for slide in found.slides] == sorted(f"Signed slides/{name}" for name in names)
    assert found.remarks


@pytest.mark.parametrize("names", [("01_Neutrophil", "02_Lymphocyte"), ("Segmentkernige", "Stabkernige")])
def test_outside_an_analysers_container_doubtful_classes_are_slides_and_said(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    touch(tmp_path, *(f"S1/{name}/a.jpg" for name in names))
    found = survey(tmp_path)
    assert [slide.name for slide in found.slides] == [f"S1/{name}" for name in names]
    (remark,) = found.remarks
    assert remark.startswith(f"S1/{names[0]}, S1/{names[1]}: named like cells, ")
    assert remark.endswith("(otherwise use --slide-depth 1)")
    assert list(layout(tmp_path, depth=1)) == ["S1"]


@pytest.mark.parametrize(
    "names",
    [
        ("26-0001", "26-0002"),
        ("26-0001 Meier", "26-0002 Miller"),
        ("Smith 12345", "Meier 12346"),
        ("BA-1", "BA-2"),
        ("S1", "S2"),
    ],
)
def test_plain_names_of_slides_are_in_no_doubt(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *(f"{place}/{name}/a.jpg" for place in ("night", "Signed slides") for name in names))
    assert survey(tmp_path / "night").remarks == survey(tmp_path / "Signed slides").remarks == ()


def test_signed_and_unsigned_side_by_side_hold_different_slides(tmp_path: Path) -> None:
    touch(tmp_path, "Signed slides/26-0001/a.jpg", "Unsigned slides/26-0001/a.jpg", "Unsigned slides/26-0002/a.jpg")
    touch(tmp_path, "S1/Signed slides/Lymphocyte/a.jpg", "S1/Unsigned slides/Lymphocyte/a.jpg")
    assert list(layout(tmp_path)) == [
        *("S1/Signed slides", "S1/Unsigned slides"),
        *("Signed slides/26-0001", "Unsigned slides/26-0001", "Unsigned slides/26-0002"),
    ]


def test_a_folder_beside_an_analysers_container_does_not_rename_the_slide(tmp_path: Path) -> None:
    touch(tmp_path, "S1/Signed slides/Lymphocyte/a.jpg", "S1/Overview/o.jpg")
    assert list(layout(tmp_path)) == ["S1", "S1/Overview"]


def test_slides_at_different_depths_are_said(tmp_path: Path) -> None:
    touch(tmp_path, "S1/a.jpg", "ward/S2/a.jpg", "ward/S3/a.jpg")
    assert list(layout(tmp_path)) == ["S1", "ward/S2", "ward/S3"]
    (remark,) = survey(tmp_path).remarks
    assert remark.startswith("ward: beside slides, with images in folders of their own")


def test_a_plain_export_is_in_no_doubt(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR, "ward/S1/Signed slides/Lymphocyte/a.jpg", "ward/S2/images/a.jpg")
    touch(tmp_path / "other", *(f"S{number}/Lymphocyte/a.jpg" for number in range(3)))
    assert survey(tmp_path / "other").remarks == ()
    assert survey(tmp_path / "ward").remarks == ()


def test_a_slide_within_a_slide_has_a_name_and_a_place_of_its_own(tmp_path: Path) -> None:
    touch(tmp_path / "S1", "a.jpg", "b.jpg", "S1/c.jpg")
    found = discover(tmp_path / "S1")
    assert {slide.name: (slide.place, len(slide.images)) for slide in found} == {"S1": ("S1", 1), "S1/.": (".", 2)}
    assert layout(tmp_path) == {"S1": ["a.jpg", "b.jpg"], "S1/S1": ["c.jpg"]}


def test_names_that_look_alike_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    names = (b"caf\xe9", b"caf\\xe9", "café".encode(), "cafe\u0301".encode(), b"S1", b"S1 ")
    touch(tmp_path, *(os.fsdecode(name) + "/a.jpg" for name in names))
    found = discover(tmp_path)
    assert len({slide.name for slide in found}) == len(names)
    assert {"caf\\xe9", "café", "S1"} <= {slide.name for slide in found}
    assert {os.fsencode(slide.place) for slide in found} == set(names)
    for name in names:  # a name that is marked keeps its mark whatever else is there
        one = os.fsdecode(name)
        assert [slide.name for slide in discover(tmp_path) if slide.place == one] == [
            slide.name for slide in found if slide.place == one
        ]


def test_images_that_look_alike_are_told_apart(tmp_path: Path) -> None:
    touch(tmp_path / "S1", os.fsdecode(b"a\xe9.jpg"), "a\\xe9.jpg")
    (slide,) = discover(tmp_path)
    assert len({image.name for image in slide.images}) == 2
    assert len({image.path for image in slide.images}) == 2


def test_an_empty_slide_is_a_slide_without_images(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR, "26-0006/notes.txt", "26-0006/data.db")
    (tmp_path / "26-0005").mkdir()
    (tmp_path / "26-0007" / "Signed slides" / "Lymphocyte").mkdir(parents=True)
    found = {slide.name: slide for slide in discover(tmp_path)}
    assert [name for name, slide in found.items() if not slide.images] == ["26-0005", "26-0006", "26-0007"]
    assert found["26-0005"].absence == "the folder is empty"
    assert found["26-0006"].absence == "the folder holds 2 other files"


def test_empty_slides_lie_where_slides_lie(tmp_path: Path) -> None:
    touch(tmp_path, "ward a/S1/a.jpg", "ward a/S2/Lymphocyte/a.jpg")
    for place in ("ward a/S3", "ward b/S4", "ward b/S5", "ward a/S2/Monocyte", "ward a/S1/thumbs"):
        (tmp_path / place).mkdir(parents=True)
    found = {slide.name: len(slide.images) for slide in discover(tmp_path)}
    assert found == {"ward a/S1": 1, "ward a/S2": 1, "ward a/S3": 0, "ward b/S4": 0, "ward b/S5": 0}
    assert passed_over(tmp_path) == {"empty_folders": ["ward a/S1/thumbs"]}


@pytest.mark.parametrize("patient", ["Losito Anna", "Nocito", "Rozīte", "Gumprecht", "Plaquet"])
def test_an_empty_folder_is_a_slide_under_whatever_name_a_patient_has(tmp_path: Path, patient: str) -> None:
    touch(tmp_path, "26-0001/a.jpg", "26-0002/a.jpg")
    (tmp_path / patient).mkdir()
    assert [slide.name for slide in discover(tmp_path) if not slide.images] == [patient]
    assert passed_over(tmp_path) == {}


def test_where_all_slides_are_empty_each_is_one(tmp_path: Path) -> None:
    for place in ("26-0001", "26-0002/images", "BA"):
        (tmp_path / place).mkdir(parents=True)
    assert layout(tmp_path) == {"26-0001": [], "26-0002": []}


def test_a_folder_without_images_or_slides_says_what_it_holds(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "@eaDir/thumb.jpg")
    with pytest.raises(
        InputError, match=r"holds no images, but 1 storage folder \(@eaDir\), 1 other file \(notes.txt\)"
    ):
        discover(tmp_path)


def test_images_at_another_depth_than_said_are_slides_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path, *FOUR, "ward/26-0005/a.jpg", "ward/26-0005/deep/er/b.jpg", "stray.jpg")
    (tmp_path / "ward" / "26-0006").mkdir()
    found = survey(tmp_path, depth=2)
    names = [tmp_path.name, *(place.split("/")[0] for place in FOUR), "ward/26-0005", "ward/26-0006"]
    assert sorted(slide.name for slide in found.slides) == sorted(names)
    assert sum(len(slide.images) for slide in found.slides) == 7
    assert any("images above the given slide depth" in remark for remark in found.remarks)


def test_no_empty_folder_is_lost_where_the_depth_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "26-0001/a.jpg")
    for place in (
        *("BA/Signed slides/Lymphocyte", "26-0003/Signed slides/Lymphocyte", "MO", "26-0004"),  # failed exports
        *("26-0001/empty", "26-0001/Lymphocyte", "26-0001/a/b", "Stain", "Unsigned slides/Lymphocyte"),
    ):
        (tmp_path / place).mkdir(parents=True)
    found = {slide.name: len(slide.images) for slide in discover(tmp_path, depth=1)}
    assert found == {"26-0001": 1, "26-0003": 0, "26-0004": 0, "BA": 0, "MO": 0}
    assert sorted(passed_over(tmp_path, depth=1)["empty_folders"]) == sorted(
        ["26-0001/a", "26-0001/a/b", "26-0001/empty", "Stain", "Unsigned slides"]
    )


@pytest.mark.parametrize(
    ("kind", "name", "read"),
    [
        ("JPEG", "a.jfif", True),
        ("JPEG", "cell_001", True),
        ("JPEG", "a.JPG_old", True),
        ("PNG", "a.dat", True),
        ("BMP", "a.bak", True),
        ("TIFF", "notes.txt", True),
        ("WEBP", "a.001", True),
        ("GIF", "a.gif", False),
        ("GIF", "cell_002", False),
        ("PPM", "a.raw", False),
        ("JPEG2000", "a.jp2", False),
        ("PCX", "a.x", False),
    ],
)
def test_what_is_an_image_is_told_by_its_content(tmp_path: Path, kind: str, name: str, read: bool) -> None:
    (tmp_path / "S1").mkdir()
    draw_cell(1).save(tmp_path / "S1" / name, kind)
    (slide,) = discover(tmp_path)
    ((image,),) = (slide.images,)
    assert image.name == name
    assert (image.refusal == "") is read
    assert read or "only JPEG, PNG, BMP, TIFF and WebP are read" in image.refusal


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x20ftypavif", "AVIF"),
        (b"\0" * 128 + b"DICM", "DICOM"),
        (b"8BPS\0\1" + b"\0" * 6 + b"\0\3", "Photoshop"),
    ],
)
def test_images_of_kinds_that_are_not_read_are_named(tmp_path: Path, head: bytes, kind: str) -> None:
    touch(tmp_path, "S1/a.jpg")
    (tmp_path / "S1" / "b").write_bytes(head)
    (slide,) = discover(tmp_path)
    assert [image.refusal.split(" image")[0] for image in slide.images] == ["", f"a {kind}"]


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"%PDF-1.7", b"PK\3\4", b"BMW is no bitmap, nor is this", b"<svg/>"]
)
def test_what_is_no_image_is_counted_as_another_file(tmp_path: Path, content: bytes) -> None:
    touch(tmp_path, "S1/a.jpg")
    (tmp_path / "S1" / "b.x").write_bytes(content)
    assert layout(tmp_path) == {"S1": ["a.jpg"]}
    assert passed_over(tmp_path) == {"other_files": ["S1/b.x"]}


def test_a_file_with_an_images_suffix_has_its_row_whatever_it_holds(tmp_path: Path) -> None:
    touch(tmp_path / "S1", "a.jpg", "b.gif", "c.jfif", "d.heic")
    assert layout(tmp_path) == {"S1": ["a.jpg", "b.gif", "c.jfif", "d.heic"]}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_holds_nothing_up(tmp_path: Path) -> None:
    touch(tmp_path, "S1/a.jpg")
    os.mkfifo(tmp_path / "S1" / "pipe")
    os.mkfifo(tmp_path / "S1" / "pipe.jpg")
    (tmp_path / "S1" / "link").symlink_to("pipe")
    assert layout(tmp_path) == {"S1": ["a.jpg", "pipe.jpg"]}
    assert passed_over(tmp_path) == {"other_files": ["S1/link", "S1/pipe"]}


def test_links_that_are_not_followed_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "out/S9/x.jpg", "in/S1/Lymphocyte/a.jpg", "in/S2/a.jpg", "out/picture", "out/@eaDir/x.jpg")
    (tmp_path / "out" / "picture").write_bytes(b"\xff\xd8\xff")
    for place, target in {
        "S3": tmp_path / "out" / "S9",  # a slide
        "S1/Monocyte": tmp_path / "out" / "S9",  # a class
        "S4": Path("S2"),
        "S2/picture": tmp_path / "out" / "picture",
        "S2/gone": Path("nowhere"),
        "S2/self": Path("self"),
        "@eaDir": tmp_path / "out" / "@eaDir",
    }.items():
        (tmp_path / "in" / place).symlink_to(target)
    assert layout(tmp_path / "in") == {"S1": ["Lymphocyte/a.jpg"], "S2": ["a.jpg"]}
    assert passed_over(tmp_path / "in") == {
        "links": ["S1/Monocyte", "S2/gone", "S2/picture", "S2/self", "S3", "S4"],
        "storage_folders": ["@eaDir"],
    }


def test_links_to_images_within_the_folder_are_images(tmp_path: Path) -> None:
    touch(tmp_path, "S1/a.jpg")
    (tmp_path / "S1" / "plain").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "S1" / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "S1" / "c").symlink_to("plain")
    (tmp_path / "S1" / "gone.jpg").symlink_to("nowhere")
    (slide,) = discover(tmp_path)
    assert [(image.name, image.refusal) for image in slide.images] == [
        (name, "") for name in ("a.jpg", "b.jpg", "c", "gone.jpg", "plain")
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "#recycle", "@Recycle", ".snapshot", "~snapshot", "$RECYCLE.BIN", "System Volume Information"),
        *("__MACOSX", "lost+found", "@EADIR", "$Recycle.Bin", "RECYCLER", "@Recently-Snapshot", ".Trash-1000"),
        *("FOUND.000", ".snapshots", "#snapshot", "@tmp", ".zfs", "LOST+FOUND"),
    ],
)
def test_folders_of_storage_systems_are_passed_over_and_said(tmp_path: Path, name: str) -> None:
    touch(tmp_path, *FOUR, f"{name}/26-0000/x.jpg", f"26-0001/{name}/x.jpg", f"26-0001/{name}/Lymphocyte/x.jpg")
    before = list(layout(tmp_path))
    assert before == [place.split("/")[0] for place in FOUR]
    assert sorted(passed_over(tmp_path)["storage_folders"]) == sorted([name, f"26-0001/{name}"])
    assert list(layout(tmp_path, depth=1)) == before


def test_a_tree_deeper_than_pythons_stack_is_read(tmp_path: Path) -> None:
    folders = [tmp_path / "/".join(["d"] * depth) for depth in range(1, 1050)]
    for folder in folders:
        folder.mkdir()
    (folders[-1] / "a.jpg").touch()
    assert [len(slide.images) for slide in discover(tmp_path)] == [1]
    (folders[-1] / "a.jpg").unlink()
    for folder in reversed(folders):  # which pytest could not
        folder.rmdir()


def documented() -> list[tuple[list[str], list[str], str]]:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "layout.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    names = re.compile("`([^`]+)`")
    return [(names.findall(row[0]), names.findall(row[1]), row[2].strip()) for row in rows]


@pytest.mark.parametrize(("places", "slides", "doubt"), documented())
def test_the_documented_layouts_are_read_as_documented(
    tmp_path: Path, places: list[str], slides: list[str], doubt: str
) -> None:
    for place in places:
        if place.endswith("/"):
            (tmp_path / place).mkdir(parents=True)
        else:
            touch(tmp_path, place.replace("*", "a"))
    found = survey(tmp_path)
    assert [slide.name for slide in found.slides] == slides
    assert bool(found.remarks) is (doubt == "yes")


NAMES = ("S1", "S2", "26-0001", "Anna", "BA", "MO", "Lymphocyte", "Monozyten", "Stain", "Signed slides", "images", "x")
PLACES = st.lists(st.sampled_from(NAMES), max_size=4).map("/".join)


def partition(root: Path) -> list[list[str]]:
    """The images of each slide that has some, and a check that no name stands for two."""
    found = discover(root)
    assert len({slide.name for slide in found}) == len({slide.place for slide in found}) == len(found)
    for slide in found:
        assert len({image.name for image in slide.images}) == len(slide.images)
        assert bool(slide.absence) is not bool(slide.images)
        inside = {part for image in slide.images for part in image.path.relative_to(slide.folder).parts[:-1]}
        assert not inside & {"S1", "S2", "26-0001"}  # a slide is never part of another
    return sorted(sorted(str(image.path) for image in slide.images) for slide in found if slide.images)


@settings(max_examples=60)
@given(
    images=st.lists(st.tuples(PLACES, st.sampled_from("abc")), min_size=1, max_size=8, unique=True),
    empty=st.lists(PLACES, max_size=5),
    others=st.lists(
        st.tuples(PLACES, st.sampled_from(["n.txt", "@eaDir/t.jpg", ".a.jpg", "link", "noext"])), max_size=5
    ),
)
def test_every_image_belongs_to_one_slide_and_nothing_but_images_decides_to_which(
    images: list[tuple[str, str]], empty: list[str], others: list[tuple[str, str]]
) -> None:
    root = Path(tempfile.mkdtemp()).resolve()
    try:
        names = [f"{place}/{name}.jpg".removeprefix("/") for place, name in images]
        touch(root, *names)
        before = partition(root)
        assert sorted(itertools.chain(*before)) == sorted(str(root / name) for name in names)
        for place in empty:
            (root / place).mkdir(parents=True, exist_ok=True)
        for place, name in others:
            if name == "link":
                (root / place).mkdir(parents=True, exist_ok=True)
                if not (root / place / name).is_symlink():
                    (root / place / name).symlink_to("/tmp")
            else:
                touch(root / place, name)
        assert partition(root) == before
    finally:
        shutil.rmtree(root)
