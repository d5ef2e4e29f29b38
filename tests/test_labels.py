"""Labelled images, their splits and their duplicates."""

from pathlib import Path

import pytest
from conftest import write_cells
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.errors import InputError
from slidescreen.labels import LabelledImage, LabelRules, check_slides, read_labelled, with_split, without_duplicates


def table(folder: Path, text: str) -> Path:
    write_cells(folder, 3)
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_with_its_optional_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "file,label,slide,split,source\ncell_000.jpg,Segmented neutrophils,S1,train,lab\n")
    (image,) = read_labelled(path)
    assert image == LabelledImage(tmp_path / "cell_000.jpg", "neutrophil", "S1", "train", "lab")


def test_a_spreadsheets_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufefffile,label\ncell_000.jpg,EOS\n")
    assert read_labelled(path)[0].label == "eosinophil"


def test_a_folder_of_class_folders_is_read(tmp_path: Path) -> None:
    write_cells(tmp_path / "Monocyte", 2)
    write_cells(tmp_path / "Smudge cells" / "more", 1)
    assert sorted(image.label for image in read_labelled(tmp_path)) == ["monocyte", "monocyte", "smudge_cell"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,kind\na,b\n", "lacks the column label"),
        (
            "file,label\ncell_000.jpg,plasma_cell\n",
            "line 2: unknown cell type 'plasma_cell'.*--leave-out 'plasma_cell'",
        ),
        ("file,label\ncell_000.jpg,monocyte\nnone.jpg,monocyte\n", "1 files that do not exist, first .*none.jpg"),
        ("file,label,split\ncell_000.jpg,monocyte,exam\n", "line 2: split must be one of train, validation, test"),
        ('file,label\ncell_000.jpg,"Blast, no lineage spec"\n', "gives no lineage: say --unspecified-blasts"),
        ("file,label\n", "no labelled images"),
    ],
)
def test_a_bad_table_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled(table(tmp_path, text))


def test_a_table_that_is_no_utf8_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("file,label\nä,ö\n".encode("utf-16"))
    with pytest.raises(InputError, match="UTF-8"):
        read_labelled(tmp_path / "a.csv")


def test_labels_can_be_left_out_and_blasts_given_a_lineage(tmp_path: Path) -> None:
    path = table(tmp_path, 'file,label\ncell_000.jpg,plasma_cell\ncell_001.jpg,"Blast, no lineage spec"\n')
    rules = LabelRules(frozenset({"plasma_cell"}), "lymphoblast")
    assert [image.label for image in read_labelled(path, rules)] == ["lymphoblast"]


def test_a_lineage_must_be_a_blast() -> None:
    with pytest.raises(InputError, match="must be myeloblast or lymphoblast"):
        LabelRules(unspecified_blasts="monocyte")


def image(name: str, label: str = "monocyte", slide: str = "", split: str = "") -> LabelledImage:
    return LabelledImage(Path(name), label, slide, split)


def test_a_slide_in_two_splits_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="slide 'S1' stands in several splits"):
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
        with pytest.raises(InputError, match="cannot be drawn"):
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
