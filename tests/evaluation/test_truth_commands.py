"""Labels, duplicates and spreadsheets, by the commands that read and write them."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Command, draw_cell, write_cells


def cell(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_cell(seed).save(path)
    return path


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations without their pictures, which take most of the time and are tried elsewhere."""
    monkeypatch.setattr("slidescreen.reporting.evaluation_files.draw_plots", lambda *_: {})


@pytest.fixture
def night() -> Path:
    """Two slides as the analyser exports them, whose class folders and files have the same names."""
    for number, slide in enumerate(("A", "B")):
        write_cells(Path("night", slide, "Signed slides", "Monocyte"), 3, first_seed=10 * number)
    write_cells(Path("night/B/Signed slides/Plasma cell"), 1, first_seed=50)
    return Path("night")


def metrics(folder: str) -> dict:
    return json.loads(Path(folder, "metrics.json").read_text(encoding="utf-8"))


def test_a_runs_cells_are_scored_with_the_labels_of_their_own_slide(command: Command, night: Path) -> None:
    """Slide A's cells are basophils, slide B's eosinophils, by file names that are the same in both."""
    command("classify", night, "--out", "run", "--quiet")
    rows = [
        f"{slide}/Signed slides/Monocyte/cell_00{n}.jpg;{label}"
        for slide, label in (("A", "Basophil"), ("B", "Eosinophil"))
        for n in range(3)
    ]
    Path("truth.csv").write_bytes("\r\n".join(["File;Label", *rows, "C/x.jpg;Monocyte", ""]).encode("utf-16"))
    outcome = command("report", "run", "--truth", "truth.csv", "--out", "e")
    assert outcome.code == 0, outcome.err
    found = metrics("e")
    support = {row["name"]: row["support"] for row in found["models"][0]["types"]}
    assert found["models"][0]["cells"] == 6
    assert (support["basophil"], support["eosinophil"]) == (3, 3)
    assert found["unscored"] == {
        "no_truth": {"count": 1, "first": ["B/Signed slides/Plasma cell/cell_000.jpg"]},
        "no_image": {"count": 1, "first": ["C/x.jpg (line 8)"]},
    }
    for text in (outcome.out, Path("e/evaluation.html").read_text(), Path("e/summary.md").read_text()):
        assert "labels without an image in the run: 1 (C/x.jpg (line 8))" in text
        assert "images without a label: 1 (B/Signed slides/Plasma cell/cell_000.jpg)" in text


def test_every_command_refuses_an_image_that_is_listed_twice_and_names_the_lines(
    command: Command, night: Path, checkpoints: tuple[Path, Path]
) -> None:
    command("classify", night, "--out", "run", "--quiet")
    where = "night/A/Signed slides/Monocyte"
    lines = [f"{where}/cell_000.jpg,monocyte,train", f"{where}/cell_001.jpg,monocyte,validation"]
    lines += [f"{where}/../Monocyte/cell_001.jpg,Monocytes,validation", f"{where}/cell_002.jpg,monocyte,validation"]
    Path("labels.csv").write_text("\n".join(["file,label,split", *lines]))
    Path("predictions.csv").write_text("truth,cell_type,slide,image\n" + "monocyte,monocyte,A,1\n" * 2)
    small = ("--image-size", "32", "--epochs", "1", "--threads", "1")
    for arguments in (
        ("train", "labels.csv", *small),
        ("ensemble", checkpoints[0], "--data", "labels.csv", "--out", "mine"),
        ("report", "labels.csv", "--split", "validation"),
        ("report", "run", "--truth", "labels.csv"),
    ):
        refused = command(*arguments)
        assert refused.code == 2
        assert (
            f"the same image is listed twice: {where}/cell_001.jpg and {where}/../Monocyte/cell_001.jpg" in refused.err
        )
        assert "(lines 3 and 4); remove one, or use --drop-duplicates" in refused.err
    assert "two rows: '1' (lines 2 and 3)" in command("report", "predictions.csv").err
    report = command("report", "run", "--truth", "labels.csv", "--drop-duplicates", "--out", "e")
    assert report.code == 0, report.err
    assert metrics("e")["models"][0]["cells"] == 3
    assert metrics("e")["unscored"]["copies"]["count"] == 1
    assert command("report", "predictions.csv", "--drop-duplicates", "--out", "p").code == 0
    assert metrics("p")["models"][0]["cells"] == 1


def test_labelled_images_are_scored_once_and_what_is_left_out_is_counted(command: Command) -> None:
    for number in range(5):
        cell(Path(f"lab/{number}.png"), number)
    shutil.copy("lab/0.png", "lab/copy.png")
    labels = ["0.png\tMonocyte", "1.png\tBand Neutrophils", "2.png\tbasophil", "3.png\tBNE", "copy.png\tmonocyte"]
    Path("lab/l.csv").write_text("\n".join(["File\tLabel", *labels]))
    report = command("report", "lab/l.csv", "--leave-out", "band_neutrophil", "--drop-duplicates", "--out", "e")
    assert report.code == 0, report.err
    assert metrics("e")["models"][0]["cells"] == 2
    assert metrics("e")["unscored"] == {
        "left_out": {"count": 2, "first": ["1.png", "3.png"]},
        "copies": {"count": 1, "first": ["copy.png"]},
    }
    refused = command("report", "lab/l.csv", "--leave-out", "band_neutrophile")
    assert refused.code == 2
    assert "did you mean 'band_neutrophil'" in refused.err


def test_members_of_one_backbone_are_told_apart(command: Command, checkpoints: tuple[Path, Path]) -> None:
    for number in range(4):
        cell(Path(f"lab/{('Monocyte', 'Basophil')[number % 2]}/{number}.png"), number)
    lines = [f"{path.relative_to('lab')},{path.parent.name},validation" for path in sorted(Path("lab").rglob("*.png"))]
    Path("lab/l.csv").write_text("\n".join(["file,label,split", *lines]))
    (Path("other") / checkpoints[0].name).parent.mkdir()
    shutil.copy(checkpoints[0], "other")
    two = (checkpoints[0], f"other/{checkpoints[0].name}")
    built = command("ensemble", *two, "--data", "lab/l.csv", "--out", "two", "--allow-few-cells")
    assert built.code == 0, built.err
    assert command("report", "lab/l.csv", "--ensemble", "two", "--out", "e").code == 0
    assert [model["model"] for model in metrics("e")["models"]] == [
        "ensemble",
        "efficientnet_b1 (1)",
        "efficientnet_b1 (2)",
    ]
    assert "EfficientNet-V1 B1 (2)" in Path("e/evaluation.html").read_text()


def test_prediction_files_of_one_name_are_told_apart(command: Command) -> None:
    for folder, calls in (("a", ("monocyte", "basophil")), ("b", ("basophil", "basophil"))):
        Path(folder).mkdir()
        rows = (f"{truth},{called}" for truth, called in zip(("monocyte", "basophil"), calls, strict=True))
        Path(folder, "preds.csv").write_text("\n".join(["truth,cell_type", *rows]))
    assert command("report", "a/preds.csv", "b/preds.csv", "--out", "e").code == 0
    assert [model["model"] for model in metrics("e")["models"]] == ["a/preds", "b/preds"]


def test_a_picture_in_two_class_folders_is_told_and_its_two_labels_are_refused(command: Command, night: Path) -> None:
    folder = night / "A" / "Signed slides"
    for other in ("All cells", "Basophil"):
        (folder / other).mkdir()
        shutil.copy(folder / "Monocyte" / "cell_000.jpg", folder / other)
    outcome = command("classify", night, "--out", "run")
    assert (
        "reported as two types: 1 image in the class folders of two cell types, counted once: A: Signed slides/Basophil"
        in outcome.out
    )
    assert "Reported as two types" in Path("run/report.html").read_text()
    record = json.loads(Path("run/run.json").read_text())
    assert record["reported_twice"] == [
        {
            "slide": "A",
            "images": ["Signed slides/Basophil/cell_000.jpg", "Signed slides/Monocyte/cell_000.jpg"],
            "types": ["basophil", "monocyte"],
        }
    ]
    refused = command("report", "run", "--truth", "reported")
    assert refused.code == 2
    assert "two labels: A/Signed slides/Basophil/cell_000.jpg and A/Signed slides/Monocyte/cell_000.jpg" in refused.err
    assert command("report", "run", "--truth", "reported", "--drop-duplicates", "--out", "e").code == 0
    assert metrics("e")["unscored"]["two_labels"]["count"] == 2


def test_copies_for_spreadsheets_leave_the_run_as_it_is(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--quiet")
    before = {path.name: path.read_bytes() for path in Path("run").iterdir() if path.is_file()}
    outcome = command("report", "run", "--spreadsheet")
    assert outcome.code == 0
    assert "for spreadsheets: run/cells.spreadsheet.csv" in outcome.out
    copies = {"cells.spreadsheet.csv", "differential.spreadsheet.csv"}
    assert {path.name for path in Path("run").iterdir() if path.is_file()} == {*before, *copies}
    assert {name: Path("run", name).read_bytes() for name in before} == before
    assert "--spreadsheet goes with" in command("report", "run", "--truth", "reported", "--spreadsheet").err


def test_a_run_whose_tables_a_spreadsheet_saved_is_still_read(command: Command, night: Path) -> None:
    """With semicolons and decimal commas, as it wants them."""
    command("classify", night, "--out", "run", "--quiet")
    page = Path("run/report.html").read_bytes()
    command("report", "run", "--spreadsheet")
    for name in ("cells", "differential"):
        Path("run", f"{name}.spreadsheet.csv").replace(f"run/{name}.csv")
    assert command("report", "run").code == 0
    assert Path("run/report.html").read_bytes() == page


def test_no_report_writes_among_images_that_the_next_night_reads(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--quiet")
    rows = "".join(f"night/A/Signed slides/Monocyte/cell_00{n}.jpg,monocyte\n" for n in range(3))
    Path("labels.csv").write_text("file,label\n" + rows)
    before, slides = sorted(night.rglob("*")), (night / "e", night / "A/Signed slides/Monocyte/e")
    for place in slides:
        for what in (("--uncertain", "5"), ("--truth", "labels.csv"), ("--truth", "reported")):
            refused = command("report", "run", *what, "--out", place)
            assert refused.code == 2
            assert refused.err == f"error: --out must not lie inside {night.resolve()}: the input is never written to\n"
    for source, place in (("labels.csv", slides[1]), (night / "A/Signed slides", night / "A/Signed slides/e")):
        refused = command("report", source, "--out", place)
        assert (refused.code, len(refused.err.splitlines())) == (2, 1)
        assert "the input is never written to" in refused.err
    assert sorted(night.rglob("*")) == before


def test_an_evaluation_may_lie_beside_its_table_and_the_images_there(command: Command) -> None:
    write_cells(Path(), 2)
    Path("labels.csv").write_text("file,label\ncell_000.jpg,monocyte\ncell_001.jpg,monocyte\n")
    assert command("report", "labels.csv").code == 0
