"""The slide as the unit of independence: told apart by its source, the same for every model, joined by patient."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, write_cells

from slidescreen.data.label_options import LabelRules
from slidescreen.errors import InputError
from slidescreen.evaluation import Predictions, evaluate
from slidescreen.evaluation.prediction_files import of_tables

RULES = LabelRules()
HEADER = "slide,source,image,truth,cell_type"


def saved(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def two_laboratories(name: str, images: str) -> list[str]:
    """Three slides of 60 cells in each of two laboratories; the second errs more, on one slide above all."""
    rows = []
    for laboratory, wrong in (("A", 2), ("B", 12)):
        for slide in range(3):
            for n in range(60):
                truth = ("neutrophil", "lymphocyte", "myeloblast")[n % 3]
                called = "monocyte" if n < wrong * slide else truth
                shown = name.format(laboratory=laboratory, slide=slide)
                image = images.format(laboratory=laboratory, slide=slide, n=n)
                rows.append(f"{shown},lab{laboratory},{image},{truth},{called}")
    return rows


def scored(path: Path) -> list[Predictions]:
    return of_tables([path], RULES)


@pytest.mark.parametrize("images", ["{laboratory}_{slide}_{n}.jpg", "{n}.jpg"])
def test_slides_of_two_laboratories_with_one_name_are_two(tmp_path: Path, images: str) -> None:
    alike = evaluate(scored(saved(tmp_path / "alike.csv", two_laboratories("{slide}", images))))
    apart = evaluate(scored(saved(tmp_path / "apart.csv", two_laboratories("lab{laboratory}/{slide}", images))))
    for found, expected in zip(alike.models[0].rows, apart.models[0].rows, strict=True):
        np.testing.assert_equal(vars(found.recall_limits), vars(expected.recall_limits))
        np.testing.assert_equal(vars(found.f1_limits), vars(expected.f1_limits))
    assert alike.models[0].accuracy_limits == apart.models[0].accuracy_limits
    assert alike.slide_level is not None
    assert apart.slide_level is not None
    assert alike.slide_level.slides == apart.slide_level.slides
    assert alike.slide_level.agreements[0].true == apart.slide_level.agreements[0].true
    assert len(alike.slide_level.slides) == 6


def test_slides_of_two_laboratories_are_compared_between_models_one_by_one(tmp_path: Path) -> None:
    found = []
    for name in ("{slide}", "lab{laboratory}/{slide}"):
        rows = two_laboratories(name, "{laboratory}{slide}{n}.jpg")
        better = [f"{row.rpartition(',')[0]},{row.split(',')[3]}" for row in rows]
        files = [saved(tmp_path / "one.csv", rows), saved(tmp_path / "two.csv", better)]
        found.append(evaluate(of_tables(files, RULES)).comparisons[0])
    assert found[0] == found[1]


def test_a_slide_whose_source_is_partly_unknown_is_one(tmp_path: Path) -> None:
    rows = [
        f"{slide},{source},{slide}{n}.jpg,monocyte,monocyte" for slide in "123" for n, source in enumerate(["", "A"])
    ]
    evaluation = evaluate(scored(saved(tmp_path / "p.csv", rows)))
    same = evaluate(scored(saved(tmp_path / "q.csv", [row.replace(",A,", ",,") for row in rows])))
    assert evaluation.models[0].accuracy_limits == same.models[0].accuracy_limits


def test_an_image_listed_twice_is_answered_with_the_column_that_lacks(tmp_path: Path) -> None:
    rows = ["a.jpg,monocyte,monocyte"] * 2
    with pytest.raises(InputError, match=r"remove one, add a column slide if names repeat, or use"):
        scored(saved(tmp_path / "p.csv", rows, "image,truth,cell_type"))
    with pytest.raises(InputError, match=r"remove one, add a column source if names repeat, or use"):
        scored(saved(tmp_path / "p.csv", [f"S,{row}" for row in rows], "slide,image,truth,cell_type"))
    with pytest.raises(InputError, match=r"remove one, or use --drop-duplicates"):
        scored(saved(tmp_path / "p.csv", [f"S,A,{row}" for row in rows]))


@pytest.mark.parametrize("images", ["{n}.jpg", "{laboratory}{slide}{n}.jpg"])
def test_files_of_two_laboratories_are_matched_by_source_where_names_repeat(tmp_path: Path, images: str) -> None:
    rows = two_laboratories("{slide}", images)
    files = [saved(tmp_path / "one.csv", rows), saved(tmp_path / "two.csv", rows[::-1])]
    first, second = of_tables(files, RULES)
    assert (first.slides, first.sources, first.images) == (second.slides, second.sources, second.images)
    np.testing.assert_array_equal(first.called, second.called)


def test_a_source_spelled_otherwise_matters_only_where_names_repeat(tmp_path: Path) -> None:
    unlike, alike = (two_laboratories("{slide}", images) for images in ("{laboratory}{slide}{n}.jpg", "{n}.jpg"))
    files = [saved(tmp_path / "one.csv", unlike), saved(tmp_path / "two.csv", [r.replace("labB", "b") for r in unlike])]
    first, second = of_tables(files, RULES)
    assert first.sources == second.sources
    files = [saved(tmp_path / "one.csv", alike), saved(tmp_path / "two.csv", [r.replace("labB", "b") for r in alike])]
    with pytest.raises(InputError, match=r"180 images \(b/0/0.jpg, .*\) only in the former"):
        of_tables(files, RULES)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_slides_that_one_file_alone_knows_count_for_every_model(tmp_path: Path, order: slice) -> None:
    rows = two_laboratories("{laboratory}{slide}", "{laboratory}{slide}{n}.jpg")
    known = saved(tmp_path / "known.csv", rows)
    bare = saved(tmp_path / "bare.csv", [row.split(",", 2)[2] for row in rows], "image,truth,cell_type")
    evaluation = evaluate(of_tables([known, bare][order], RULES))
    first, second = evaluation.models
    assert first.limits_by == second.limits_by == evaluation.comparisons[0].tested_by == "slides"
    assert first.accuracy_limits == second.accuracy_limits
    assert [name for name, _ in evaluation.sources] == ["labA", "labB"]


def test_rows_in_one_order_are_not_of_two_slides(tmp_path: Path) -> None:
    """Without names of images, other slides show that the order is another."""
    rows = [f"{slide},monocyte,monocyte" for slide in "1122"]
    files = [
        saved(tmp_path / f"{n}.csv", each, "slide,truth,cell_type")
        for n, each in enumerate([rows, rows[1:] + rows[:1]])
    ]
    with pytest.raises(InputError, match="do not hold the same cells: give both the same rows"):
        of_tables(files, RULES)
    same = [saved(tmp_path / f"{n}.csv", rows, "slide,truth,cell_type") for n in "ab"]
    assert of_tables(same, RULES)[1].slides == tuple("1122")


def test_slides_of_one_patient_err_together(tmp_path: Path) -> None:
    """Six slides of three patients, and a seventh of another. As one slide each, the patients' errors are the same."""
    rows = two_laboratories("{laboratory}{slide}", "{laboratory}{slide}{n}.jpg")
    apart = scored(saved(tmp_path / "apart.csv", [*rows, "C,labC,c.jpg,monocyte,monocyte"]))[0]
    patients = tuple(slide[1:] for slide in apart.slides)
    together = replace(
        apart, slides=tuple(patient or slide for patient, slide in zip(patients, apart.slides, strict=True))
    )
    together = replace(together, sources=("",) * len(patients))
    found, slides, expected = (
        evaluate([each, replace(each, model="other", called=each.truth)])
        for each in (replace(apart, patients=patients), apart, together)
    )
    assert found.models[0].accuracy_limits == pytest.approx(expected.models[0].accuracy_limits)
    assert found.comparisons[0].accuracy_p == pytest.approx(expected.comparisons[0].accuracy_p)
    assert found.models[0].accuracy_limits != slides.models[0].accuracy_limits
    assert found.slide_level is not None
    assert len(found.slide_level.slides) == 6


def test_a_run_knows_from_its_orders_which_slides_are_one_patients(command: Command) -> None:
    for slide in "ABCD":
        write_cells(Path("night", slide, "Monocyte"), 3, first_seed=9 * ord(slide))
    Path("orders.csv").write_text("slide,order,patient\nA,1,Ada\nB,2,Ada\nC,3,Eve\nD,4,Eve\n", encoding="utf-8")
    assert command("classify", "night", "--orders", "orders.csv", "--out", "run", "--quiet").code == 0
    assert json.loads(Path("run/run.json").read_text(encoding="utf-8"))["same_patient"] == [["A", "B"], ["C", "D"]]
    assert command("report", "run", "--truth", "reported", "--out", "e").code == 0
    (model,) = json.loads(Path("e/metrics.json").read_text(encoding="utf-8"))["models"]
    assert (model["limits_by"], model["accuracy_limits"]["note"]) == ("slides", "too few slides")
