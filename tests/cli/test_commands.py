"""The four commands from end to end on small data."""

import csv
import json
from pathlib import Path

import pytest
from conftest import Command, draw_cell, write_cells
from reference_study import MATRIX, PRECISION_RECALL_F1, TYPES

from slidescreen import cells
from slidescreen.ensembles import ensemble as ensembles
from slidescreen.ensembles import storage
from slidescreen.models.member import member_of


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def night() -> Path:
    """Two slides: one flat, one as the analyser exports it, with a broken file and a copy."""
    root = Path("night")
    write_cells(root / "flat", 5)
    export = root / "export" / "Signed slides"
    write_cells(export / "Segmented neutrophils", 3, first_seed=20)
    write_cells(export / "Blast, no lineage spec", 2, first_seed=30)
    (export / "Segmented neutrophils" / "broken.jpg").write_bytes(b"x")
    (root / "flat" / "copy.jpg").write_bytes((root / "flat" / "cell_000.jpg").read_bytes())
    return root


def test_every_file_is_accounted_for(command: Command, night: Path) -> None:
    outcome = command("classify", night, "--out", "run")
    assert outcome.code == 3
    found = rows(Path("run/cells.csv"))
    assert {(row["slide"], row["image"]) for row in found} == {
        (path.relative_to(night).parts[0], "/".join(path.relative_to(night).parts[1:])) for path in night.rglob("*.jpg")
    }
    by_status = [row["status"] for row in found]
    assert (by_status.count("classified"), by_status.count("unreadable"), by_status.count("duplicate")) == (10, 1, 1)
    assert {row["reported_type"] for row in found} == {"", "neutrophil", "blast"}
    for row in found:
        if row["status"] == "classified":
            assert sum(float(row[f"p_{name}"]) for name in cells.CELL_TYPES) == pytest.approx(1, abs=1e-4)
            assert float(row["probability"]) == max(float(row[f"p_{name}"]) for name in cells.CELL_TYPES)


def test_the_run_record_is_enough_to_repeat_it(command: Command, night: Path, ensemble_folder: Path) -> None:
    command("classify", night, "--out", "run", "--quiet")
    record = json.loads(Path("run/run.json").read_text())
    assert record["complete"]
    assert record["counts"] == {"slides": 2, "classified": 10, "unidentified": 0, "duplicate": 1, "unreadable": 1}
    assert [f["image"] for f in record["failures"]] == ["Signed slides/Segmented neutrophils/broken.jpg"]
    members = json.loads((ensemble_folder / "ensemble.json").read_text())["members"]
    assert [m["sha256"] for m in record["ensemble"]["members"]] == [m["sha256"] for m in members]
    assert record["input"] == str(night.resolve())


def test_json_goes_to_standard_output_and_nothing_else_does(command: Command, night: Path) -> None:
    outcome = command("classify", night, "--out", "run", "--format", "json")
    result = json.loads(outcome.out)
    assert {slide["slide"] for slide in result["worklist"]} == {"flat", "export"}
    assert result["worklist"][0]["differential"]["blasts"]["count"] >= 0


def test_a_finished_run_is_not_classified_again(command: Command, night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command("classify", night, "--out", "run")
    before = Path("run/cells.csv").read_bytes()
    monkeypatch.setattr("slidescreen.runs.loading.load_engines", None)
    outcome = command("classify", night, "--out", "run")
    assert "unchanged since an earlier run, not classified again: 2 slides" in outcome.err
    assert Path("run/cells.csv").read_bytes() == before


def test_another_folders_run_is_not_overwritten_unasked(command: Command, night: Path) -> None:
    command("classify", night / "flat", "--out", "run", "--quiet")
    refused = command("classify", night / "export", "--out", "run")
    assert refused.code == 2
    assert "holds the run of" in refused.err
    assert command("classify", night / "export", "--out", "run", "--overwrite", "--quiet").code == 3


def test_without_out_the_results_lie_in_the_current_folder(command: Command, night: Path) -> None:
    before = sorted(night.rglob("*"))
    assert command("classify", night / "flat").code == 0
    assert Path("slidescreen-out/flat/report.html").is_file()
    assert sorted(night.rglob("*")) == before


def test_the_table_names_each_slide_with_its_verdict(command: Command, night: Path) -> None:
    outcome = command("classify", night, "--out", "run")
    assert "flat" in outcome.out
    assert "export" in outcome.out
    assert "insufficient" in outcome.out or "urgent" in outcome.out
    assert "research use only" in outcome.out


def test_a_report_of_a_run_is_made_anew(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--quiet")
    page = Path("run/report.html")
    before = page.read_text()
    page.unlink()
    assert command("report", "run").code == 0
    assert page.read_text() == before


def test_a_page_of_suspicious_cells_alone_is_made_on_demand(command: Command, night: Path) -> None:
    def others() -> int:
        return Path("run/report.html").read_text().count(',"data:image/webp')

    command("classify", night, "--out", "run", "--page-cells", "suspicious")
    sizes = [others()]
    for options in (["--page-cells", "all"], ["--page-cells", "suspicious"], []):
        assert command("report", "run", *options).code == 0
        sizes.append(others())
    most = sizes[1]
    assert most > 0
    assert sizes == [0, most, 0, most]


def test_the_page_shows_on_demand_where_the_networks_looked(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--quiet")
    plain = Path("run/report.html").read_text().count('<img class="cell"')
    assert command("report", "run", "--explain").code == 0
    page = Path("run/report.html").read_text()
    assert page.count('alt="heat map of') == plain > 0
    assert "LayerCAM" in page
    assert command("report", "run").code == 0
    assert "heat map of" not in Path("run/report.html").read_text()


def test_no_other_picture_is_explained_beside_a_call(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--quiet")
    for image in night.rglob("cell_*.jpg"):
        draw_cell(999).save(image)
    assert command("report", "run", "--explain").code == 0
    page = Path("run/report.html").read_text()
    assert page.count('<img class="cell"') > 0
    assert page.count('alt="heat map of') == 0


def test_another_ensemble_cannot_explain_a_run(command: Command, night: Path, checkpoints: tuple[Path, Path]) -> None:
    command("classify", night, "--out", "run", "--quiet")
    other = ensembles.Ensemble((member_of(checkpoints[0], 1.0),))
    storage.save(Path("other"), other)
    refused = command("report", "run", "--explain", "--ensemble", "other")
    assert (refused.code, "not the ensemble that made this run" in refused.err) == (2, True)
    assert "--explain goes with" in command("report", "run", "--explain", "--truth", "reported").err


def test_a_run_is_measured_against_labels_and_against_the_laboratory(command: Command, night: Path) -> None:
    command("classify", night, "--out", "run", "--quiet")
    Path("labels.csv").write_text(
        "file,label\n" + "".join(f"night/flat/cell_{n:03d}.jpg,monocyte\n" for n in range(5)), encoding="utf-8"
    )
    assert command("report", "run", "--truth", "labels.csv", "--out", "e1").code == 0
    matrix = rows(Path("e1/confusion_matrix.csv"))
    assert sum(int(v) for row in matrix for k, v in row.items() if k in cells.CELL_TYPES) == 5
    refused = command("report", "run", "--truth", "reported")
    assert "--unspecified-blasts" in refused.err
    assert (
        command("report", "run", "--truth", "reported", "--unspecified-blasts", "myeloblast", "--out", "e2").code == 0
    )
    assert json.loads(Path("e2/metrics.json").read_text())


def test_predictions_in_a_table_are_measured(command: Command) -> None:
    Path("p.csv").write_text("truth,cell_type\nmonocyte,monocyte\nmonocyte,lymphocyte\nbasophil,basophil\n")
    outcome = command("report", "p.csv", "--out", "e")
    assert outcome.code == 0
    per_type = {row["cell_type"]: row for row in rows(Path("e/per_type.csv"))}
    assert float(per_type["monocyte"]["recall"]) == pytest.approx(0.5)
    assert per_type["eosinophil"]["recall"] == ""


def test_an_evaluation_replaces_nothing_but_an_evaluation(command: Command) -> None:
    table = "truth,cell_type\nmonocyte,monocyte\nmonocyte,lymphocyte\nbasophil,basophil\n"
    Path("predictions.csv").write_text(table)
    Path("slides.csv").write_text("mine")
    refused = command("report", "predictions.csv", "--out", ".")
    assert refused.code == 2
    assert refused.err == "error: . holds slides.csv, predictions.csv, which would be replaced: choose another --out\n"
    assert {path.name for path in Path().iterdir()} == {"predictions.csv", "slides.csv"}
    for _ in range(2):
        assert command("report", "predictions.csv", "--out", "e").code == 0
    Path("e/predictions.csv").write_text(table)
    assert "e holds predictions.csv, which" in command("report", "e/predictions.csv", "--out", "e").err
    assert Path("e/predictions.csv").read_text() == table


def test_the_reference_studys_tables_come_back_from_its_predictions(command: Command) -> None:
    pairs = [(true, called) for true in range(12) for called in range(12) for _ in range(MATRIX[true, called])]
    lines = [f"{TYPES[true]},{TYPES[called]}" for true, called in pairs]
    Path("study.csv").write_text("truth,cell_type\n" + "\n".join(lines) + "\n")
    assert command("report", "study.csv", "--out", "e").code == 0
    model = json.loads(Path("e/metrics.json").read_text())["models"][0]
    table_2 = [round(model[key], 4) for key in ("accuracy", "macro_precision", "macro_recall", "macro_f1")]
    assert table_2 == [0.8858, 0.7423, 0.7331, 0.7361]
    per_type = {row["cell_type"]: row for row in rows(Path("e/per_type.csv"))}
    for name, figures in PRECISION_RECALL_F1.items():
        assert tuple(round(float(per_type[name][key]), 4) for key in ("precision", "recall", "f1")) == figures


def labelled(folder: str, types: tuple[str, ...] = ("neutrophil", "lymphocyte")) -> Path:
    Path(folder).mkdir()
    lines = ["file,label,slide,split"]
    for number in range(16):
        draw_cell(number).save(f"{folder}/{number}.png")
        split = "validation" if number % 4 == 0 else "train"
        lines.append(f"{number}.png,{types[number // 2 % 2]},{split},{split}")
    Path(folder, "labels.csv").write_text("\n".join(lines) + "\n")
    return Path(folder, "labels.csv")


def test_an_ensemble_is_not_measured_on_too_little_unless_that_is_allowed_and_then_each_verdict_says_so(
    command: Command, checkpoints: tuple[Path, Path], night: Path
) -> None:
    make = ("ensemble", *checkpoints, "--data", labelled("lab"), "--out", "few")
    refused = command(*make)
    assert (refused.code, refused.out, Path("few").exists()) == (2, "", False)
    assert refused.err.endswith(
        "error: the validation split of lab/labels.csv is too small to measure an ensemble: 4 of 500 cells, "
        "0 of 50 blasts, 4 of 300 other leukocytes, 1 of 3 slides (it holds 4 neutrophil); "
        "label more cells, or say --allow-few-cells (each verdict then names what is missing)\n"
    )
    allowed = command(*make, "--allow-few-cells")
    assert allowed.code == 0, allowed.err
    assert "too few validation data: 4 of 500 cells, 0 of 50 blasts" in allowed.out
    missing = ["4 of 500 cells", "0 of 50 blasts", "4 of 300 other leukocytes", "1 of 3 slides"]
    assert json.loads(Path("few/ensemble.json").read_text())["validation"]["measured_on"] == {
        "cells": {"neutrophil": 4},
        "slides": 1,
        "shortfalls": missing,
    }
    command("classify", night, "--ensemble", "few", "--out", "run")
    assert json.loads(Path("run/run.json").read_text())["ensemble"]["too_little_measured_on"] == missing
    for row in rows(Path("run/differential.csv")):
        assert "few_validation_cells" in row["flags"].split(";")
        assert f"too few validation data to know the classifier's error rates ({', '.join(missing)})" in row["reasons"]
    assert "few validation cells" in Path("run/report.html").read_text()


def test_train_ensemble_classify_and_report_go_hand_in_hand(command: Command) -> None:
    data = labelled("lab")
    small = ("--image-size", "32", "--epochs", "1", "--batch-size", "8", "--threads", "1")
    for backbone in ("efficientnet_b1", "efficientnetv2_b2"):
        outcome = command("train", data, "--backbone", backbone, *small)
        assert outcome.code == 0, outcome.err
        assert Path(f"slidescreen-training/{backbone}/history.csv").is_file()
    members = [f"slidescreen-training/{b}/{b}.safetensors" for b in ("efficientnet_b1", "efficientnetv2_b2")]
    built = command("ensemble", *members, "--data", data, "--out", "mine", "--allow-few-cells")
    assert built.code == 0, built.err
    description = json.loads(Path("mine/ensemble.json").read_text())
    assert [m["weight"] for m in description["members"]] == [0.4, 0.6]
    assert description["validation"]["measured"]["images"] == 4
    assert description["validation"]["precisions"]["bf16"]["images"] == 4
    searched = command("ensemble", *members, "--data", data, "--out", "searched", "--search", "--allow-few-cells")
    assert searched.code == 0
    weights = [m["weight"] for m in json.loads(Path("searched/ensemble.json").read_text())["members"]]
    assert sum(weights) == pytest.approx(1)
    assert "already holds an ensemble" in command("ensemble", *members, "--data", data, "--out", "mine").err
    assert command("classify", "lab", "--ensemble", "mine", "--out", "run").code == 0
    precision = json.loads(Path("run/run.json").read_text())["precision"]
    assert precision["chosen"] in ("fp32", *precision["measured"])
    assert precision["measured"] == description["validation"]["precisions"]
    assert command("report", data, "--split", "validation", "--ensemble", "mine", "--out", "e").code == 0
    assert Path("e/metrics.json").is_file()
