"""A run's images and their labels come together by slide and path, or not at all."""

import shutil
import tempfile
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import draw_cell
from hypothesis import given, settings
from hypothesis import strategies as st
from test_screening import ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.label_options import LabelOptions, LabelRules
from slidescreen.data.slides import Slide
from slidescreen.errors import InputError
from slidescreen.evaluation import Predictions
from slidescreen.evaluation.run_truth import of_run
from slidescreen.screening.results import Run, judge, reported_twice_in
from slidescreen.screening.thresholds import default_thresholds

IMAGES = {  # "cell.jpg" and "Monocyte/cell.jpg" are in both slides
    "A": ("cell.jpg", "Monocyte/cell.jpg", "only_a.jpg"),
    "B": ("cell.jpg", "Monocyte/cell.jpg"),
}

JUDGED = judge(
    Slide("any", Path("any"), ()), (), ensemble(measured()), default_thresholds()
)  # what counts is no matter
COUNTED = JUDGED.differential


def call(image: str, status: Status = Status.CLASSIFIED, reported: str = "", copy_of: str = "") -> Call:
    looked_at = status is Status.CLASSIFIED
    called = "lymphocyte" if looked_at else ""
    return Call(image, status, called, 0.9 if looked_at else None, reported, copy_of=copy_of)


def run_of(root: Path, slides: dict[str, Sequence[str | Call]], write: bool = True) -> Run:
    """A run of the slides below `root`, every cell called a lymphocyte; each picture is another."""
    results = []
    for name, images in slides.items():
        calls = tuple(image if isinstance(image, Call) else call(image) for image in images)
        if write:
            for found in calls:
                path = root / name / found.image
                path.parent.mkdir(parents=True, exist_ok=True)
                draw_cell(zlib.crc32(f"{name}/{found.image}".encode())).save(path)
        results.append(replace(JUDGED, differential=replace(COUNTED, slide=name), calls=calls, folder=root / name))
    info = {"input": str(root), "reported_twice": list(reported_twice_in(results))}
    return Run(tuple(results), cells.CELL_TYPES, info)


def labels(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def scored(found: Predictions) -> dict[str, str]:
    """The truth of each cell that was scored."""
    names = map("/".join, zip(found.slides, found.images, strict=True))
    return dict(zip(names, (found.cell_types[number] for number in found.truth), strict=True))


def left(found: Predictions) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {one.why: (one.count, one.first) for one in found.unscored}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def run(export: Path) -> Run:
    return run_of(export, IMAGES)


@pytest.mark.parametrize(
    ("place", "row"),
    [
        ("export/t.csv", "A/Monocyte/cell.jpg,monocyte,"),
        ("t.csv", "export/A/Monocyte/cell.jpg,monocyte,"),
        ("export/A/t.csv", "Monocyte/cell.jpg,monocyte,"),
        ("elsewhere/t.csv", "../export/A/./Monocyte//cell.jpg,monocyte,"),
        ("elsewhere/t.csv", "{root}/export/A/Monocyte/cell.jpg,monocyte,"),
        ("elsewhere/t.csv", "A/Monocyte/cell.jpg,monocyte,"),
        ("elsewhere/t.csv", "export/A/Monocyte/cell.jpg,monocyte,"),
        ("elsewhere/t.csv", r"A\Monocyte\cell.jpg,monocyte,"),
        ("elsewhere/t.csv", "a/MONOCYTE/Cell.JPG,monocyte,"),
        ("elsewhere/t.csv", "A/Monocyte/cell.jpg,monocyte,A"),
        ("elsewhere/t.csv", "Monocyte/cell.jpg,monocyte,A"),
        ("elsewhere/t.csv", "monocyte\\CELL.jpg,monocyte, a "),
        ("elsewhere/t.csv", r"D:\lab\A\Monocyte\cell.jpg,monocyte,A"),
        ("elsewhere/t.csv", "/gone/A/Monocyte/cell.jpg,monocyte,A"),
        ("export/t.csv", "A/Monocyte/cell.jpg,monocyte,patient 7"),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_slide_and_path_find_the_one_image(
    tmp_path: Path, export: Path, run: Run, place: str, row: str, archived: bool
) -> None:
    """Whether the images are still there or not."""
    if archived:
        shutil.rmtree(export)
    truth = labels(tmp_path / place, "file,label,slide\n" + row.format(root=tmp_path) + "\n")
    assert scored(of_run(run, truth, LabelOptions())) == {"A/Monocyte/cell.jpg": "monocyte"}


def test_the_same_path_in_another_slide_gets_its_own_label(tmp_path: Path, run: Run) -> None:
    truth = labels(
        tmp_path / "elsewhere" / "t.csv",
        "file,label\nA/Monocyte/cell.jpg,monocyte\nB/Monocyte/cell.jpg,basophil\nA/cell.jpg,eosinophil\n",
    )
    found = of_run(run, truth, LabelOptions())
    assert scored(found) == {
        "A/Monocyte/cell.jpg": "monocyte",
        "B/Monocyte/cell.jpg": "basophil",
        "A/cell.jpg": "eosinophil",
    }
    assert left(found) == {"no_truth": (2, ("A/only_a.jpg", "B/cell.jpg"))}


@pytest.mark.parametrize(
    ("row", "why", "name"),
    [
        ("Monocyte/cell.jpg,monocyte,", "no_image", "Monocyte/cell.jpg (line 3)"),
        ("cell.jpg,monocyte,", "no_image", "cell.jpg (line 3)"),
        ("C/Monocyte/cell.jpg,monocyte,", "no_image", "C/Monocyte/cell.jpg (line 3)"),
        ("tuesday/B/Monocyte/cell.jpg,monocyte,", "no_image", "tuesday/B/Monocyte/cell.jpg (line 3)"),
        ("/gone/B/Monocyte/cell.jpg,monocyte,", "no_image", "/gone/B/Monocyte/cell.jpg (line 3)"),
        (r"D:\lab\B\Monocyte\cell.jpg,monocyte,", "no_image", r"D:\lab\B\Monocyte\cell.jpg (line 3)"),
        ("B/Basophil/cell.jpg,monocyte,B", "no_image", "B: B/Basophil/cell.jpg (line 3)"),
        ("Monocyte/cell.jpg,monocyte,C", "no_image", "C: Monocyte/cell.jpg (line 3)"),
        ("cell.jpg,monocyte,B", "ambiguous", "B: cell.jpg (line 3)"),
        ("../export/A/cell.jpg,monocyte,B", "other_slide", "B: ../export/A/cell.jpg (line 3)"),
    ],
)
def test_what_does_not_name_one_image_is_given_to_none_and_named(
    tmp_path: Path, export: Path, run: Run, row: str, why: str, name: str
) -> None:
    if why == "ambiguous":  # cell.jpg itself is not in the slide, but in two of its folders
        run = run_of(export, {"A": IMAGES["A"], "B": ("Monocyte/cell.jpg", "Basophil/cell.jpg")})
    truth = labels(tmp_path / "elsewhere" / "t.csv", f"file,label,slide\nA/only_a.jpg,basophil,\n{row}\n")
    found = of_run(run, truth, LabelOptions())
    assert scored(found) == {"A/only_a.jpg": "basophil"}
    assert left(found)[why] == (1, (name,))


def test_two_letter_cases_of_a_name_are_two_images(tmp_path: Path, export: Path) -> None:
    run = run_of(export, {"A": ("cell.jpg", "CELL.jpg")})
    truth = labels(tmp_path / "t.csv", "file,label\nA/CELL.jpg,monocyte\nA/Cell.jpg,basophil\n")
    found = of_run(run, truth, LabelOptions())
    assert scored(found) == {"A/CELL.jpg": "monocyte"}
    assert left(found)["ambiguous"] == (1, ("A/Cell.jpg (line 3)",))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_accents_are_the_same_name(tmp_path: Path, export: Path, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    run = run_of(export, {unicodedata.normalize(other, "Präparat"): (unicodedata.normalize(other, "é.jpg"),)})
    truth = labels(
        tmp_path / "elsewhere" / "t.csv", unicodedata.normalize(form, "file,label\nPräparat/é.jpg,monocyte\n")
    )
    assert list(scored(of_run(run, truth, LabelOptions())).values()) == ["monocyte"]


def test_a_slide_within_a_slides_folder_is_not_confused_with_it(tmp_path: Path, export: Path) -> None:
    run = run_of(export, {"S": ("cell.jpg",), "S/S": ("cell.jpg",), "night/S": ("cell.jpg",)})
    truth = labels(
        tmp_path / "t.csv", "file,label\nS/S/cell.jpg,monocyte\nS/cell.jpg,basophil\nnight/S/cell.jpg,eosinophil\n"
    )
    assert scored(of_run(run, truth, LabelOptions())) == {
        "S/S/cell.jpg": "monocyte",
        "S/cell.jpg": "basophil",
        "night/S/cell.jpg": "eosinophil",
    }


parts = st.sampled_from(["a", "A", "b", "a\u0301", "á"])
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)


@settings(max_examples=60)
@given(st.dictionaries(paths, st.sets(paths, min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_no_layout_gives_an_image_the_label_of_another(slides: dict[str, set[str]], data: st.DataObject) -> None:
    """Every image has a type of its own; labels name some of them in some way, from a place that is nowhere."""
    root = Path("/nowhere/export")
    named = [(slide, image) for slide, images in slides.items() for image in sorted(images)][: len(cells.CELL_TYPES)]
    run = run_of(root, {slide: [image for of, image in named if of == slide] for slide in slides}, write=False)
    types = dict(zip(named, cells.CELL_TYPES, strict=False))
    ways = st.sampled_from(["{0}/{1},{2},", "{0}/{1},{2},{0}", "{1},{2},{0}", "/nowhere/export/{0}/{1},{2},"])
    rows = [data.draw(ways).format(slide, image, types[slide, image]) for slide, image in named]
    with tempfile.TemporaryDirectory() as folder:
        truth = labels(Path(folder) / "t.csv", "file,label,slide\n" + "\n".join(rows))
        try:
            found = of_run(run, truth, LabelOptions(drop_duplicates=True))
        except InputError:
            return
    for place, truth_type in scored(found).items():
        assert truth_type in {types[slide, image] for slide, image in named if f"{slide}/{image}" == place}


def test_labels_beside_a_copy_of_the_images_are_theirs_by_content(tmp_path: Path, export: Path, run: Run) -> None:
    """In another place only bytes tell whether a path of the same end is of the same picture."""
    shutil.copytree(export / "A", tmp_path / "copy" / "A")
    draw_cell(999).save(tmp_path / "copy" / "A" / "cell.jpg")
    (tmp_path / "copy" / "B").mkdir()
    shutil.copy(export / "B" / "cell.jpg", tmp_path / "copy" / "B")
    copy = tmp_path / "copy"
    truth = labels(tmp_path / "t.csv", f"file,label\n{copy}/A/cell.jpg,monocyte\n{copy}/B/cell.jpg,basophil\n")
    found = of_run(run, truth, LabelOptions())
    assert scored(found) == {"B/cell.jpg": "basophil"}
    beside = labels(copy / "t.csv", "file,label\nA/cell.jpg,monocyte\nA/only_a.jpg,basophil\n")
    found = of_run(run, beside, LabelOptions())
    assert scored(found) == {"A/only_a.jpg": "basophil"}
    assert left(found)["other_picture"] == (1, ("A/cell.jpg (line 2)",))


def test_class_folders_are_the_truth_of_their_copies(tmp_path: Path, export: Path, run: Run) -> None:
    for label, image in (("Basophils", "A/only_a.jpg"), ("Monocytes", "B/cell.jpg")):
        (tmp_path / "truth" / label / image).parent.mkdir(parents=True)
        shutil.copy(export / image, tmp_path / "truth" / label / image)
    assert scored(of_run(run, tmp_path / "truth", LabelOptions())) == {
        "A/only_a.jpg": "basophil",
        "B/cell.jpg": "monocyte",
    }


def test_a_slide_of_its_own_needs_no_slide_in_its_labels(tmp_path: Path, export: Path) -> None:
    run = run_of(export, {"A": ("cell.jpg",)})
    assert len(scored(of_run(run, labels(tmp_path / "t.csv", "file,label\ncell.jpg,monocyte\n"), LabelOptions()))) == 1
    with pytest.raises(InputError, match=r"labelled in .*; labels without an image in the run: 1 \(first C: cell"):
        of_run(run, labels(tmp_path / "t.csv", "file,label,slide\ncell.jpg,monocyte,C\n"), LabelOptions())


def test_an_image_listed_twice_is_refused_with_both_lines_or_scored_once(tmp_path: Path, run: Run) -> None:
    text = "file,label\nA/cell.jpg,monocyte\nA\\CELL.jpg,monocyte\nB/cell.jpg,monocyte\n./B/cell.jpg,basophil\n"
    truth = labels(tmp_path / "t.csv", text + "A/only_a.jpg,monocyte\n")
    with pytest.raises(InputError, match=r"two labels: B/cell.jpg and ./B/cell.jpg \(lines 4 and 5\) \(as 1 more do"):
        of_run(run, truth, LabelOptions())
    found = of_run(run, truth, LabelOptions(drop_duplicates=True))
    assert scored(found) == {"A/cell.jpg": "monocyte", "A/only_a.jpg": "monocyte"}
    assert left(found)["copies"] == (1, ("A/cell.jpg",))
    assert left(found)["two_labels"] == (2, ("B/cell.jpg", "B/cell.jpg"))


def test_one_picture_in_two_slides_counts_once(tmp_path: Path, export: Path, run: Run) -> None:
    shutil.copy(export / "A" / "cell.jpg", export / "B" / "cell.jpg")
    truth = labels(tmp_path / "t.csv", "file,label\nA/cell.jpg,monocyte\nB/cell.jpg,monocyte\n")
    with pytest.raises(InputError, match=r"listed twice: A/cell.jpg and B/cell.jpg \(lines 2 and 3\)"):
        of_run(run, truth, LabelOptions())
    assert scored(of_run(run, truth, LabelOptions(drop_duplicates=True))) == {"A/cell.jpg": "monocyte"}


def test_a_label_of_a_copy_is_one_of_the_image_that_counts(tmp_path: Path, export: Path) -> None:
    run = run_of(export, {"A": (call("All cells/cell.jpg", Status.DUPLICATE), call("Monocyte/cell.jpg"), "other.jpg")})
    shutil.copy(export / "A/Monocyte/cell.jpg", export / "A/All cells/cell.jpg")
    truth = labels(tmp_path / "t.csv", "file,label\nA/All cells/cell.jpg,basophil\nA/other.jpg,monocyte\n")
    assert scored(of_run(run, truth, LabelOptions())) == {"A/Monocyte/cell.jpg": "basophil", "A/other.jpg": "monocyte"}
    shutil.rmtree(export)
    found = of_run(run, truth, LabelOptions())
    assert scored(found) == {"A/other.jpg": "monocyte"}
    assert left(found)["not_classified"] == (1, ("A/All cells/cell.jpg",))


def test_everything_that_is_in_no_figure_is_counted_and_named(tmp_path: Path, export: Path) -> None:
    images = [f"{number}.jpg" for number in range(9)]
    run = run_of(export, {"A": [*images, call("broken.jpg", Status.UNREADABLE)]})
    rows = ["0.jpg,monocyte,test", "1.jpg,plasma_cell,test", "2.jpg,basophil,train", "broken.jpg,monocyte,test"]
    truth = labels(
        tmp_path / "t.csv", "file,label,split\n" + "".join(f"A/{row}\n" for row in [*rows, "x.jpg,monocyte,test"])
    )
    label_options = LabelOptions(LabelRules(frozenset({"Plasma cells"})), "test")
    found = of_run(run, truth, label_options)
    assert scored(found) == {"A/0.jpg": "monocyte"}
    assert left(found) == {
        "no_truth": (6, ("A/3.jpg", "A/4.jpg", "A/5.jpg", "A/6.jpg", "A/7.jpg")),
        "no_image": (1, ("A/x.jpg (line 6)",)),
        "not_classified": (1, ("A/broken.jpg",)),
        "left_out": (1, ("A/1.jpg",)),
        "other_split": (1, ("A/2.jpg",)),
    }


def test_without_truth_in_class_folders_is_counted_too(export: Path) -> None:
    calls = (call("Monocyte/a.jpg", reported="monocyte"), call("Plasma cells/b.jpg"), call("x.jpg", Status.UNREADABLE))
    found = of_run(run_of(export, {"A": calls}), "reported", LabelOptions())
    assert scored(found) == {"A/Monocyte/a.jpg": "monocyte"}
    assert left(found) == {"no_truth": (1, ("A/Plasma cells/b.jpg",))}


def test_the_classes_of_unsigned_slides_are_no_truth(export: Path) -> None:
    signed = (call("Signed slides/Monocyte/a.jpg", reported="monocyte"),)
    unsigned = tuple(call(f"Unsigned slides/Monocyte/{n}.jpg", reported="monocyte") for n in "bc")
    found = of_run(run_of(export, {"A": signed, "B": unsigned}), "reported", LabelOptions())
    assert scored(found) == {"A/Signed slides/Monocyte/a.jpg": "monocyte"}
    assert [(left.why, left.count) for left in found.unscored] == [("unsigned", 2)]
    with pytest.raises(InputError, match=r"unsigned slides, .*: 2 \(first B/Unsigned slides"):
        of_run(run_of(export, {"B": unsigned}), "reported", LabelOptions())


def test_one_picture_in_two_class_folders_has_two_labels(export: Path) -> None:
    calls = (
        call("Basophil/a.jpg", reported="basophil"),
        call("Monocyte/a.jpg", Status.DUPLICATE, reported="monocyte", copy_of="Basophil/a.jpg"),
        call("Monocyte/b.jpg", reported="monocyte"),
    )
    run = run_of(export, {"A": calls})
    with pytest.raises(InputError, match=r"two labels: A/Basophil/a.jpg and A/Monocyte/a.jpg; .*--drop-duplicates"):
        of_run(run, "reported", LabelOptions())
    assert scored(of_run(run, "reported", LabelOptions(drop_duplicates=True))) == {"A/Monocyte/b.jpg": "monocyte"}
