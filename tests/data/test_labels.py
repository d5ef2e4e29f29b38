"""Labelled images as people list them."""

import unicodedata
from pathlib import Path

import pytest
from conftest import draw_cell, write_cells

from slidescreen.data.label_options import LabelRules
from slidescreen.data.labels import LabelledImage, read_labelled, read_labels
from slidescreen.errors import InputError


def table(folder: Path, text: str) -> Path:
    write_cells(folder, 3)
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_title_above_the_header_is_named_as_what_was_read_as_the_header(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("Labels of 2026\nfile,label\na.jpg,monocyte\n")
    with pytest.raises(InputError, match=r"line 2: 'label' .* \(line 1, 'Labels of 2026'\): .* remove lines above"):
        read_labelled(tmp_path / "labels.csv")


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


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "__MACOSX", ".snapshot", "$RECYCLE.BIN", ".hidden"])
def test_no_command_learns_from_folders_of_storage_systems(tmp_path: Path, name: str) -> None:
    write_cells(tmp_path / "Monocyte", 2)
    write_cells(tmp_path / name, 1)
    write_cells(tmp_path / name / "Monocyte", 1)
    write_cells(tmp_path / "Monocyte" / name, 1)
    notes: list[str] = []
    assert len(read_labelled(tmp_path, note=notes.append)) == 2
    assert len(notes) == 1
    assert "2 storage folders" in notes[0] or "2 hidden entries" in notes[0]


def test_class_folders_hold_what_is_an_image_by_its_content_and_the_rest_is_named(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "set" / "Monocyte", tmp_path / "elsewhere"
    write_cells(folder, 1)
    write_cells(elsewhere, 2, first_seed=5)
    draw_cell(1).save(folder / "plain", "JPEG")
    draw_cell(2).save(folder / "b.jfif", "JPEG")
    draw_cell(3).save(folder / "c.gif", "GIF")
    (folder / "notes.txt").write_text("hello")
    (folder / "linked.jpg").symlink_to(elsewhere / "cell_000.jpg")
    (folder / "more").symlink_to(elsewhere)
    (tmp_path / "set" / "Lymphocyte").symlink_to(elsewhere)
    (tmp_path / "set" / "labels.txt").write_text("hello")
    notes: list[str] = []
    found = read_labelled(tmp_path / "set", note=notes.append)
    assert [str(image.path.relative_to(tmp_path / "set")) for image in found] == [
        *("Lymphocyte/cell_000.jpg", "Lymphocyte/cell_001.jpg"),
        *("Monocyte/b.jfif", "Monocyte/cell_000.jpg", "Monocyte/linked.jpg", "Monocyte/plain"),
    ]
    assert notes == [
        "passed over: 1 link that is not followed (Monocyte/more)",
        "passed over: 3 other files (Monocyte/c.gif, Monocyte/notes.txt, labels.txt)",
    ]


def by_image(source: Path, left_out: tuple[str, ...] = ()) -> dict[str, str]:
    images = read_labels(source, LabelRules(frozenset(left_out))).images
    return {image.path.relative_to(source).as_posix(): image.label for image in images}


def test_an_image_has_the_label_of_the_innermost_class_folder(tmp_path: Path) -> None:
    inside = {
        "Neutrophil": "neutrophil",
        "Neutrophil/Band neutrophil": "band_neutrophil",
        "Neutrophil/Band neutrophil/26-0001": "band_neutrophil",
        "Lymphocyte/26-0001": "lymphocyte",
        "Lymphocyte/MO": "lymphocyte",  # a patient's initials, perhaps
        "Lymphocyte/ward/Variant lymphocytes": "variant_lymphocyte",
    }
    for number, folder in enumerate(inside):
        write_cells(tmp_path / folder, 1, first_seed=number)
    found = {f"{folder}/cell_000.jpg": label for folder, label in inside.items()}
    assert by_image(tmp_path) == found
    kept = {place: label for place, label in found.items() if label != "variant_lymphocyte"}
    assert by_image(tmp_path, ("Variant lymphocyte",)) == kept
    kept = {place: label for place, label in found.items() if label != "neutrophil"}
    assert by_image(tmp_path, ("neutrophil",)) == kept


def test_an_unknown_class_in_a_class_folder_is_no_cell_of_the_outer_class(tmp_path: Path) -> None:
    write_cells(tmp_path / "Lymphocyte", 1)
    write_cells(tmp_path / "Lymphocyte" / "Plasma cells", 1, first_seed=1)
    with pytest.raises(InputError, match="unknown cell type 'Plasma cells'"):
        read_labels(tmp_path)
    assert by_image(tmp_path, ("Plasma cell",)) == {"Lymphocyte/cell_000.jpg": "lymphocyte"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,kind\na,b\n", "lacks the column label"),
        (
            "file,label\ncell_000.jpg,plasma_cell\n",
            "line 2: unknown cell type 'plasma_cell'.*--leave-out 'plasma_cell'",
        ),
        (
            "file,label\ncell_000.jpg,monocyte\nnone.jpg,monocyte\n",
            "1 files that do not exist, first .*none.jpg' in line 3",
        ),
        ("file,label,split\ncell_000.jpg,monocyte,exam\n", "line 2: split must be one of train, validation, test"),
        ('file,label\ncell_000.jpg,"Blast, no lineage spec"\n', "gives no lineage: use --unspecified-blasts"),
        ("file,label\n", "no labelled images"),
    ],
)
def test_a_bad_table_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled(table(tmp_path, text))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_read_as_a_spreadsheet_saves_it(tmp_path: Path, encoding: str, separator: str) -> None:
    (path,) = write_cells(tmp_path / "Gefärbt", 1)
    text = "File, Label,Split,\r\nGefärbt\\CELL_000.JPG,Monocytes, Train ,\r\n,,,\r\n".replace(",", separator)
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    (image,) = read_labelled(tmp_path / "labels.csv")
    assert image == LabelledImage(path, "monocyte", split="train")
    assert image.line == 2


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written_form", ["NFC", "NFD"])
def test_composed_and_decomposed_accents_name_the_same_file(tmp_path: Path, form: str, written_form: str) -> None:
    name = unicodedata.normalize(form, "Präparat é.jpg")
    draw_cell(0).save(tmp_path / name)
    path = table(tmp_path, f"file,label\n{unicodedata.normalize(written_form, name)},monocyte\n")
    assert read_labelled(path)[0].path == tmp_path / name


def test_a_name_as_written_is_preferred_and_one_that_fits_two_files_is_none(tmp_path: Path) -> None:
    for number, name in enumerate(("a.jpg", "A.jpg", "ß.jpg", "SS.jpg", r"x\y.jpg")):
        draw_cell(number).save(tmp_path / name)
    path = table(tmp_path, "file,label\nA.jpg,monocyte\nx\\y.jpg,monocyte\n")
    assert [image.path.name for image in read_labelled(path)] == ["A.jpg", r"x\y.jpg"]
    with pytest.raises(InputError, match="1 files that do not exist"):
        read_labelled(table(tmp_path, "file,label\nss.jpg,monocyte\n"))


def test_absolute_and_roundabout_paths_are_found(tmp_path: Path) -> None:
    (cell,) = write_cells(tmp_path / "cells", 1)
    path = table(tmp_path, f"file,label\n{cell},monocyte\ncells/../cells/./cell_000.jpg,monocyte\n")
    assert [image.path.resolve() for image in read_labelled(path)] == [cell.resolve(), cell.resolve()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'file,label,note\na.jpg,monocyte,"two\nlines"\nb.jpg,monocite,\n', "line 4: unknown cell type 'monocite'"),
        (b"file;label\na.jpg;\n", "line 2: the label is missing"),
        (b"file;label\n;monocyte\n", "line 2: the file name is missing"),
        (b"file,label\n" + b"x" * 9000 + b".jpg,monocyte\n", "do not exist, first '.*…x+.jpg' in line 2"),
        ("file,label\nä.jpg,monocyte\n".encode("cp1252"), r"in line 2 \(the table was read as Windows-1252\)"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path / "labels.csv")


def test_labels_can_be_left_out_and_blasts_given_a_lineage(tmp_path: Path) -> None:
    path = table(tmp_path, 'file,label\ncell_000.jpg,plasma_cell\ncell_001.jpg,"Blast, no lineage spec"\n')
    rules = LabelRules(frozenset({"plasma_cell"}), "lymphoblast")
    assert [image.label for image in read_labelled(path, rules)] == ["lymphoblast"]


@pytest.mark.parametrize(
    ("left_out", "labels", "kept"),
    [
        ("band_neutrophil", ["Band Neutrophils", "BNE", "band_neutrophil", '"Neutrophil, band"'], 0),
        ("BNE", ["Band Neutrophils", "monocyte"], 1),
        ("Plasma Cells", ["plasma_cell", "PLASMA-CELL", "monocyte"], 1),
        ("giant_platelet", ["Giant platelets", "platelet"], 1),
        ("platelet", ["Giant platelets", "platelet", "monocyte"], 1),
        ("giant_platelet", ["platelet"], 1),
        ("blast", ['"Blast, no lineage spec"', "Blasts", "myeloblast"], 1),
        ("cafe\u0301 cell", ["CAFÉ CELLS", "monocyte"], 1),
    ],
)
def test_a_label_is_left_out_however_it_is_spelled(tmp_path: Path, left_out: str, labels: list[str], kept: int) -> None:
    path = table(tmp_path, "file,label\n" + "".join(f"cell_000.jpg,{label}\n" for label in [*labels, "basophil"]))
    found = read_labels(path, LabelRules(frozenset({left_out})))
    assert len(found.images) == kept + 1
    assert [image.label for image in found.left_out] == [label.strip('"') for label in labels[: len(labels) - kept]]


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_misspelled_label_to_leave_out_is_refused_with_the_nearest(tmp_path: Path, as_folder: bool) -> None:
    write_cells(tmp_path / "plasma_cell", 1)
    write_cells(tmp_path / "monocyte", 1)
    path = table(tmp_path, "file,label\ncell_000.jpg,plasma_cell\ncell_001.jpg,monocyte\n")
    message = (
        r"--leave-out 'plasma_cel': no such label .* \(did you mean 'plasma_cell'\?\); labels there: 'monocyte', 'pl"
    )
    with pytest.raises(InputError, match=message):
        read_labelled(tmp_path if as_folder else path, LabelRules(frozenset({"plasma_cel"})))


def test_a_lineage_must_be_a_blast() -> None:
    with pytest.raises(InputError, match="must be one of myeloblast, lymphoblast, not monocyte"):
        LabelRules(unspecified_blasts="monocyte")
