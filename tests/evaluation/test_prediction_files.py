"""Predictions in tables: read as people save them, matched by image, each image once."""

from pathlib import Path

import numpy as np
import pytest

from slidescreen import cells
from slidescreen.data.label_options import LabelRules
from slidescreen.errors import InputError
from slidescreen.evaluation import evaluate
from slidescreen.evaluation.prediction_files import distinct_names, of_tables

RULES = LabelRules()


def save(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_decimal_commas_and_a_spreadsheets_ways_are_read(tmp_path: Path, encoding: str) -> None:
    """With names of types as an export has them."""
    types = ";".join(f"P_{cells.DISPLAY_NAMES[name]}s" for name in cells.LEUKOCYTES)
    values = ";".join(["0,45", "0,55", *["0"] * 10])
    text = f"Truth;Cell Type;Image;{types};;\r\nMonocyte;;ä.jpg;{values};;\r\n;;\r\nBand;BAND;b.jpg;{values}\r\n"
    (found,) = of_tables([save(tmp_path / "p.csv", text, encoding)], RULES)
    assert found.cell_types == cells.LEUKOCYTES
    assert found.called.tolist() == [-1, 1]
    assert found.images == ("ä.jpg", "b.jpg")
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities[:, :2], [[0.45, 0.55]] * 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'truth,cell_type,image\nmonocyte,monocyte,"a\nb"\nmonocite,monocyte,\n',
            "line 4: unknown cell type 'monocite'",
        ),
        ("truth,cell_type,p_monocyte\nmonocyte,monocyte,\n", "line 2: p_monocyte is not a number: ''"),
        ("truth,cell_type,p_monocyte\nmonocyte,monocyte,50%\n", "line 2: p_monocyte is not a number: '50%'"),
        ("truth,cell_type,p_monocyte\nmonocyte,monocyte,1.2\n", "line 2: the probabilities must lie between 0 and 1"),
        ("truth,cell_type,p_mono,p_monocyte\nmonocyte,monocyte,1,0\n", "two columns of probabilities of monocyte"),
        ("truth,cell_type,p_dog\nmonocyte,monocyte,1\n", "unknown cell types: p_dog"),
        ("truth,cell_type\n", "holds no rows"),
        ("truth;cell_type\n;monocyte\n", "holds no cells to compare"),
        ("truth,image\nmonocyte,a\n", "lacks the column cell_type: line 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        of_tables([save(tmp_path / "p.csv", text)], RULES)


def test_rows_without_truth_and_those_left_out_are_counted_and_named(tmp_path: Path) -> None:
    text = "truth,cell_type,slide,image\nmonocyte,monocyte,S,a\n,monocyte,S,b\nPlasma cell,monocyte,,c\n,basophil,,\n"
    (found,) = of_tables([save(tmp_path / "p.csv", text)], LabelRules(frozenset({"plasma_cells"})))
    assert found.images == ("a",)
    assert [(left.why, left.count, left.first) for left in found.unscored] == [
        ("no_truth", 2, ("S/b", "line 5")),
        ("left_out", 1, ("c",)),
    ]


def test_a_call_of_a_type_that_is_left_out_is_a_wrong_call(tmp_path: Path) -> None:
    """Labels alone decide which cells are left out. So every model is judged on the same cells."""
    header, rules = "truth,cell_type,image\n", LabelRules(frozenset({"artefact"}))
    truths = ["monocyte"] * 6 + ["artefact"]
    calls = ["artefact"] * 3 + ["monocyte"] * 4, ["monocyte"] * 5 + ["artefact"] * 2
    files = [
        save(tmp_path / f"{number}.csv", header + "".join(f"{t},{c},{i}\n" for i, (t, c) in enumerate(rows)))
        for number, rows in enumerate(zip(truths, each, strict=True) for each in calls)
    ]
    models = evaluate(of_tables(files, rules)).models
    assert [(model.cells, model.called, model.accuracy) for model in models] == [(6, 6, 3 / 6), (6, 6, 5 / 6)]
    assert [(left.why, left.count) for left in of_tables(files, rules)[0].unscored] == [("left_out", 1)]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("plasma cell", "the call 'plasma cell' is no cell type: use one of neutrophil, .*, or leave cell_type empty"),
        ("blast", r"the call 'blast' is no cell type: .* \(--unspecified-blasts gives blasts a lineage\)"),
    ],
)
def test_a_call_that_is_no_cell_type_is_refused_even_if_such_labels_are_left_out(
    tmp_path: Path, call: str, said: str
) -> None:
    text = f"truth,cell_type\nmonocyte,monocyte\nmonocyte,{call}\n{call},monocyte\n"
    with pytest.raises(InputError, match=f"line 3: {said}"):
        of_tables([save(tmp_path / "p.csv", text)], LabelRules(frozenset({call})))


def test_calls_of_blasts_without_lineage_get_the_one_that_labels_get(tmp_path: Path) -> None:
    path = save(tmp_path / "p.csv", "truth,cell_type\nblast,Blast\nlymphoblast,blast\n")
    (found,) = of_tables([path], LabelRules(unspecified_blasts="myeloblast"))
    assert [found.cell_types[call] for call in found.called] == ["myeloblast", "myeloblast"]


def test_a_misspelled_label_to_leave_out_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "p.csv", "truth,cell_type\nplasma cell,monocyte\n")
    with pytest.raises(InputError, match=r"'plasma_cel': no such label in .*p.csv.*did you mean 'plasma cell'"):
        of_tables([path], LabelRules(frozenset({"plasma_cel"})))


@pytest.mark.parametrize(
    ("first", "second"),
    [("S,a.jpg", "S,./a.jpg"), (r"S,x\a.jpg", "S,x/a.jpg"), ("S,á.jpg", "S,a\u0301.jpg"), (",a.jpg", ",a.jpg")],
)
def test_an_image_in_two_rows_is_refused_with_both_lines_or_counts_once(
    tmp_path: Path, first: str, second: str
) -> None:
    text = (
        f"truth,cell_type,slide,image\nmonocyte,basophil,{first}\nbasophil,basophil,S,b\nmonocyte,basophil,{second}\n"
    )
    path = save(tmp_path / "p.csv", text)
    with pytest.raises(InputError, match=r"the same image is in two rows: .* \(lines 2 and 4\); .*--drop-duplicates"):
        of_tables([path], RULES)
    (found,) = of_tables([path], RULES, drop_duplicates=True)
    assert found.truth.tolist() == [cells.CELL_TYPES.index(name) for name in ("monocyte", "basophil")]
    assert [(left.why, left.count) for left in found.unscored] == [("copies", 1)]


def test_an_image_with_two_truths_goes_from_every_file(tmp_path: Path) -> None:
    header = "truth,cell_type,image\n"
    one = save(tmp_path / "one.csv", header + "monocyte,basophil,a\nbasophil,basophil,a\nmonocyte,monocyte,b\n")
    two = save(tmp_path / "two.csv", header + "monocyte,basophil,b\nmonocyte,basophil,a\n")
    with pytest.raises(InputError, match="the same image has two true types: 'a'"):
        of_tables([one, two], RULES)
    found = of_tables([one, two], RULES, drop_duplicates=True)
    assert [p.images for p in found] == [("b",), ("b",)]
    assert [[(left.why, left.count) for left in p.unscored] for p in found] == [
        [("two_labels", 2)],
        [("two_labels", 1)],
    ]


def test_one_name_in_two_slides_or_sources_is_two_images(tmp_path: Path) -> None:
    text = "truth,cell_type,slide,source,image\n" + "".join(
        f"monocyte,monocyte,{row},a\n" for row in ("S,", "T,", ",x", ",y")
    )
    assert len(of_tables([save(tmp_path / "p.csv", text)], RULES)[0].truth) == 4


def test_files_are_matched_by_the_columns_that_both_have(tmp_path: Path) -> None:
    one = save(tmp_path / "one.csv", "truth,cell_type,slide,image\nmonocyte,basophil,S,a\nbasophil,basophil,S,b\n")
    two = save(tmp_path / "two.csv", "image,truth,cell_type\nb,basophil,monocyte\n./a,monocyte,monocyte\n")
    first, second = of_tables([one, two], RULES)
    assert first.truth.tolist() == second.truth.tolist()
    assert second.images == ("./a", "b")


def test_files_without_probabilities_have_the_types_of_all_of_them(tmp_path: Path) -> None:
    """Only the second model calls a cell an artefact. The cells are the same."""
    calls = "monocyte\n", "artefact\n", "monocyte\n"
    files = [save(tmp_path / f"{n}.csv", f"truth,cell_type\nmonocyte,{call}") for n, call in enumerate(calls)]
    assert [found.cell_types for found in of_tables(files, RULES)] == [cells.CELL_TYPES] * 3
    assert [found.cell_types for found in of_tables(files[::2], RULES)] == [cells.LEUKOCYTES] * 2


def test_files_without_probabilities_have_the_types_of_those_with_them(tmp_path: Path) -> None:
    names = cells.CELL_TYPES[::-1]
    header, values = ",".join(f"p_{name}" for name in names), ",".join(["0"] * 15 + ["1"])
    sure = save(tmp_path / "sure.csv", f"truth,cell_type,{header}\nmonocyte,neutrophil,{values}\n")
    called = save(tmp_path / "called.csv", "truth,cell_type\nmonocyte,monocyte\n")
    for files in ([sure, called], [called, sure]):
        assert [found.cell_types for found in of_tables(files, RULES)] == [names, names]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "basophil,basophil,S,b\nmonocyte,monocyte,S,c\n",
            r"1 image \(S/c\) only in the former, 1 image \(S/a\) only in",
        ),
        (
            "basophil,basophil,S,b\n",
            r"do not hold the same cells: 0 images only in the former, 1 image \(S/a\) only in",
        ),
        ("basophil,monocyte,S,a\nbasophil,basophil,S,b\n", r"they give two true types to 'a' \(lines 2 and 2\)"),
    ],
)
def test_files_of_other_images_are_refused_by_name_even_with_the_same_truth(
    tmp_path: Path, rows: str, message: str
) -> None:
    header = "truth,cell_type,slide,image\n"
    one = save(tmp_path / "one.csv", header + "monocyte,basophil,S,a\nbasophil,basophil,S,b\n")
    with pytest.raises(InputError, match=message):
        of_tables([one, save(tmp_path / "two.csv", header + rows)], RULES)


@pytest.mark.parametrize("blank", ["one", "two"])
def test_files_with_a_row_that_names_no_image_are_not_matched_by_order(tmp_path: Path, blank: str) -> None:
    """The order of their rows differs, and the order of the true types does not."""
    rows = {"one": ["a", "b", "c"], "two": ["b", "a", "c"]}
    rows[blank][2] = ""
    files = [
        save(tmp_path / f"{name}.csv", "truth,cell_type,image\n" + "".join(f"monocyte,monocyte,{i}\n" for i in images))
        for name, images in rows.items()
    ]
    with pytest.raises(InputError, match=rf"{blank}.csv, line 4: no image is named.*: name it, or remove the column"):
        of_tables(files, RULES)


def test_files_that_name_no_image_at_all_are_matched_by_order(tmp_path: Path) -> None:
    files = [
        save(tmp_path / f"{name}.csv", f"truth,cell_type,image\nmonocyte,{name},\nbasophil,{name},\n")
        for name in ("monocyte", "basophil")
    ]
    first, second = of_tables(files, RULES)
    assert first.truth.tolist() == second.truth.tolist()


def test_names_that_only_one_file_tells_apart_cannot_be_matched(tmp_path: Path) -> None:
    one = save(tmp_path / "one.csv", "truth,cell_type,slide,image\nmonocyte,monocyte,S,a\nmonocyte,monocyte,T,a\n")
    two = save(tmp_path / "two.csv", "truth,cell_type,image\nmonocyte,monocyte,a\nmonocyte,monocyte,b\n")
    with pytest.raises(InputError, match="names of images repeat: give both a column slide"):
        of_tables([one, two], RULES)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["preds.csv"], ["preds"]),
        (["a/preds.csv", "b/preds.csv"], ["a/preds", "b/preds"]),
        (["a/preds.csv", "b/preds.csv", "b/other.csv"], ["a/preds", "b/preds", "other"]),
        (["x/a/p.csv", "y/a/p.csv", "y/b/p.csv"], ["x/a/p", "y/a/p", "b/p"]),
        (["a/p.csv", "a/p.tsv"], ["p.csv", "p.tsv"]),
        (["a/p.csv", "a/p.tsv", "b/p.csv"], ["a/p.csv", "p.tsv", "b/p"]),
    ],
)
def test_files_of_one_name_are_told_apart_by_the_shortest_names(paths: list[str], names: list[str]) -> None:
    assert distinct_names([Path(path) for path in paths]) == names


def test_one_file_given_twice_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "p.csv", "truth,cell_type\nmonocyte,monocyte\n")
    (tmp_path / "link.csv").symlink_to(path)
    for other in (path, tmp_path / "x" / ".." / "p.csv", tmp_path / "link.csv"):
        with pytest.raises(InputError, match="is given twice"):
            of_tables([path, other], RULES)
