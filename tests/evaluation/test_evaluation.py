"""Predictions against the truth, and the files of an evaluation."""

import csv
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from reference_study import MATRIX, PRECISION_RECALL_F1, TYPES
from scipy import stats
from sklearn import metrics

from slidescreen import cells
from slidescreen.data.label_options import LabelRules
from slidescreen.errors import InputError
from slidescreen.evaluation import Predictions, evaluate
from slidescreen.evaluation.prediction_files import of_tables
from slidescreen.evaluation.predictions import WHY_UNSCORED
from slidescreen.evaluation.review_summary import ReviewSummary
from slidescreen.reporting.evaluation_files import to_dict, write_evaluation
from slidescreen.reporting.evaluation_page import show_evaluation


def study() -> Predictions:
    true, called = np.nonzero(MATRIX)
    repeats = MATRIX[true, called]
    order = [cells.LEUKOCYTES.index(name) for name in TYPES]
    truth, calls = (np.repeat([order[i] for i in side], repeats) for side in (true, called))
    empty = ("",) * len(truth)
    return Predictions("study", cells.LEUKOCYTES, truth, calls, None, empty, empty)


def random_model(seed: int, sharpness: float = 3.0, name: str = "m", count: int = 400) -> Predictions:
    truth = np.random.default_rng(0).integers(0, 5, count)
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, 16)) + sharpness * np.eye(16)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    slides = tuple(f"S{n % 20}" for n in range(count))
    sources = tuple("AB"[n % 2] for n in range(count))
    return Predictions(name, cells.CELL_TYPES, truth, probabilities.argmax(axis=1), probabilities, slides, sources)


def test_the_studys_table_2_comes_back() -> None:
    (model,) = evaluate([study()]).models
    figures = (model.accuracy, model.macro_precision, model.macro_recall, model.macro_f1)
    assert [round(f, 4) for f in figures] == [0.8858, 0.7423, 0.7331, 0.7361]
    assert model.cells == 8478


def test_the_studys_table_3_comes_back_in_the_files(tmp_path: Path) -> None:
    write_evaluation(evaluate([study()]), tmp_path)
    with (tmp_path / "per_type.csv").open() as file:
        found = {row["cell_type"]: row for row in csv.DictReader(file)}
    for name, expected in PRECISION_RECALL_F1.items():
        assert tuple(round(float(found[name][key]), 4) for key in ("precision", "recall", "f1")) == expected
    written = json.loads((tmp_path / "metrics.json").read_text())["models"][0]
    assert round(written["macro_f1"], 4) == 0.7361
    with (tmp_path / "confusion_matrix.csv").open() as file:
        matrix = {row["true\\predicted"]: row for row in csv.DictReader(file)}
    for i, true in enumerate(TYPES):
        assert [int(matrix[true][called]) for called in TYPES] == MATRIX[i].tolist()


def test_scores_agree_with_scikit_learn() -> None:
    p = random_model(1)
    assert p.probabilities is not None
    (model,) = evaluate([p]).models
    assert model.accuracy == pytest.approx(metrics.accuracy_score(p.truth, p.called), abs=1e-12)
    assert model.kappa == pytest.approx(metrics.cohen_kappa_score(p.truth, p.called), abs=1e-12)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        p.truth, p.called, labels=range(5), zero_division=0
    )
    assert [t.precision for t in model.types[:5]] == pytest.approx(precision.tolist())
    assert [t.recall for t in model.types[:5]] == pytest.approx(recall.tolist())
    assert model.macro_f1 == pytest.approx(f1.mean())
    assert model.types_with_support == 5
    for position in range(5):
        positive, score = p.truth == position, p.probabilities[:, position]
        assert model.types[position].auroc == pytest.approx(metrics.roc_auc_score(positive, score))
        assert model.types[position].average_precision == pytest.approx(
            metrics.average_precision_score(positive, score)
        )
    assert model.top_2_accuracy == pytest.approx(
        metrics.top_k_accuracy_score(p.truth, p.probabilities, k=2, labels=range(16))
    )


def test_a_macro_precision_is_over_the_types_that_have_cells() -> None:
    """Two cells are called types that no cell has."""
    truth = np.repeat([0, 5], 10)
    called = truth.copy()
    called[[0, 1, 10]] = 3, 5, 8
    empty = ("",) * 20
    (model,) = evaluate([Predictions("m", cells.LEUKOCYTES, truth, called, None, empty, empty)]).models
    assert model.types_with_support == 2
    assert model.macro_precision == pytest.approx(
        metrics.precision_score(truth, called, average="macro", labels=[0, 5], zero_division=0)
    )


def test_abstentions_lower_the_coverage_and_not_the_accuracy_of_the_rest() -> None:
    p = random_model(1)
    unsure = np.where(p.called == p.truth, p.called, -1)
    abstaining = Predictions("a", p.cell_types, p.truth, unsure, p.probabilities, p.slides, p.sources)
    (model,) = evaluate([abstaining]).models
    assert model.called == int((p.called == p.truth).sum()) < model.cells == 400
    assert model.accuracy == 1
    assert model.accuracy_every_cell_called == pytest.approx((p.called == p.truth).mean())


@pytest.mark.parametrize("slides", [True, False])
def test_a_cell_that_is_called_counts_by_its_call_even_if_another_type_is_more_probable(slides: bool) -> None:
    """One model weighs costs: it calls each third cell its least probable type. The other only has the same calls."""
    p = random_model(1)
    assert p.probabilities is not None
    called = np.where(np.arange(400) % 3 == 0, p.probabilities.argmin(axis=1), p.called)
    weighing = replace(p, called=called, slides=p.slides if slides else ("",) * 400)
    found = evaluate([weighing, replace(weighing, model="calls", probabilities=None)])
    for model in found.models:
        assert model.accuracy_every_cell_called == model.accuracy == pytest.approx((called == p.truth).mean())
    (comparison,) = found.comparisons
    assert (comparison.only_first_right, comparison.only_other_right) == (0, 0)
    assert comparison.accuracy_p == comparison.macro_f1_p == comparison.stuart_maxwell_p == comparison.bowker_p == 1


def test_calibration_is_that_of_the_calls_probabilities() -> None:
    """Every call is right, and has a probability of 0.4. An abstention counts as the other, more probable type."""
    truth = np.repeat([0, 1], 20)
    probabilities = np.where(np.eye(12)[truth] == 1, 0.4, 0)
    probabilities[np.arange(40), 1 - truth] = 0.6
    p = Predictions("m", cells.LEUKOCYTES, truth, truth.copy(), probabilities, ("",) * 40, ("",) * 40)
    sure, unsure = (evaluate([each]).models[0] for each in (p, replace(p, called=np.full(40, -1))))
    assert sure.calibration is not None
    assert sure.calibration.reliability == (pytest.approx((0.4, 1)),)
    assert sure.calibration.expected_error == pytest.approx(0.6)
    assert sure.calibration.risk_coverage == ((1, 0),)
    assert unsure.calibration is not None
    assert unsure.calibration.reliability == (pytest.approx((0.6, 0)),)
    assert unsure.calibration.risk_coverage == ((1, 1),)


def test_undefined_values_are_empty_or_null_and_never_nan(tmp_path: Path) -> None:
    write_evaluation(evaluate([random_model(1)]), tmp_path)
    for name in ("metrics.json", "per_type.csv", "evaluation.html"):
        text = (tmp_path / name).read_text().split("</style>")[-1]
        assert not re.search(r"[>,:–]\s*-?(nan|inf|none)\b", text, re.IGNORECASE)
    found = json.loads((tmp_path / "metrics.json").read_text())["models"][0]["types"]
    assert next(t for t in found if t["name"] == "myelocyte")["recall"] is None


def test_a_better_model_is_found_better_and_itself_no_different() -> None:
    good, bad = random_model(1, 4.0, "good"), random_model(2, 1.0, "bad")
    against_bad, against_itself = evaluate([good, bad, good]).comparisons
    assert against_bad.mcnemar_p_holm < 1e-6
    assert against_bad.macro_f1_limits.low > 0
    assert against_bad.mcnemar_p_holm >= against_bad.mcnemar_p
    assert against_bad.types[0].mcnemar_p_holm >= against_bad.types[0].mcnemar_p
    assert against_bad.stuart_maxwell_p < 0.05
    assert against_itself.mcnemar_p == against_itself.stuart_maxwell_p == against_itself.bowker_p == 1
    assert against_itself.macro_f1_difference == 0


def abstaining(seed: int, slides: bool) -> Predictions:
    """A model of the leukocytes without probabilities, that abstains on a fifth of the cells."""
    p = random_model(seed, 1.5, str(seed))
    called = np.where((p.called >= 12) | (np.random.default_rng(seed + 9).random(400) < 0.2), -1, p.called)
    names = p.slides if slides else ("",) * 400
    return replace(p, cell_types=cells.LEUKOCYTES, called=called, probabilities=None, slides=names)


@pytest.mark.parametrize("slides", [True, False])
def test_abstentions_without_probabilities_are_compared_as_calls_of_a_type_of_their_own(slides: bool) -> None:
    """As if both models had called these cells artefacts, of which there are none."""
    models = [abstaining(seed, slides) for seed in (1, 2)]
    spelled = [
        replace(p, cell_types=cells.CELL_TYPES, called=np.where(p.called < 0, 15, p.called), sources=p.sources)
        for p in models
    ]
    (found,), (expected,) = (evaluate(each).comparisons for each in (models, spelled))
    for name in (f.name for f in fields(found)):
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name
    right = [int((p.called == p.truth).sum()) for p in models]
    assert found.accuracy_difference == pytest.approx((right[0] - right[1]) / 400)
    assert found.only_first_right - found.only_other_right == right[0] - right[1]


def test_one_model_may_abstain_without_probabilities_and_the_other_have_them() -> None:
    sure, unsure = random_model(1), replace(random_model(1, name="u"), probabilities=None)
    unsure = replace(unsure, called=np.where(np.arange(400) % 5 == 0, -1, unsure.called))
    comparison = evaluate([sure, unsure]).comparisons[0]
    assert comparison.only_other_right == 0
    assert comparison.only_first_right == int((sure.called == sure.truth)[::5].sum())
    assert comparison.stuart_maxwell_p < 1e-6


def test_contrasts_tell_two_groups_apart_among_their_own_cells() -> None:
    p = random_model(1, 1.0)
    assert p.probabilities is not None
    names = np.asarray(["myeloblast", "lymphoblast", "monocyte", "promyelocyte", "artefact"])
    truth = np.asarray([cells.CELL_TYPES.index(name) for name in names])[p.truth]
    model = evaluate([replace(p, truth=truth)]).models[0]
    lineage, maturity = model.contrasts
    myeloblast, lymphoblast = (cells.CELL_TYPES.index(name) for name in ("myeloblast", "lymphoblast"))
    both = np.isin(truth, (myeloblast, lymphoblast)) & np.isin(p.called, (myeloblast, lymphoblast))
    expected = metrics.precision_recall_fscore_support(
        truth[both], p.called[both], labels=[myeloblast], average=None, zero_division=0
    )
    assert [lineage.precision, lineage.recall, lineage.f1] == pytest.approx([figure[0] for figure in expected[:3]])
    blasts = np.isin(truth, (myeloblast, lymphoblast))
    share = p.probabilities[blasts, myeloblast] / p.probabilities[blasts][:, (myeloblast, lymphoblast)].sum(axis=1)
    assert lineage.auroc == pytest.approx(metrics.roc_auc_score(truth[blasts] == myeloblast, share))
    immature = cells.indices(cells.CELL_TYPES, cells.BLASTS + cells.IMMATURE_GRANULOCYTES)
    leukocytes = (truth < len(cells.LEUKOCYTES)) & (p.called < len(cells.LEUKOCYTES))
    assert maturity.recall == pytest.approx(
        metrics.recall_score(np.isin(truth, immature)[leukocytes], np.isin(p.called, immature)[leukocytes])
    )


def test_limits_of_a_groups_f1_enclose_it() -> None:
    model = evaluate([random_model(1, 2.0)]).models[0]
    for scores in (*model.types[:5], *model.groups):
        if scores.support:
            assert scores.f1_limits.low <= scores.f1 <= scores.f1_limits.high
            assert scores.f1_limits.low < scores.f1_limits.high


def test_a_few_cells_all_called_right_make_no_score_certain() -> None:
    """Without slides, as in a table of calls alone."""
    truth = np.asarray([0, 7, 0, 7, 0, 7])
    unknown = ("",) * 6
    right = Predictions("right", cells.CELL_TYPES, truth, truth, None, unknown, unknown)
    wrong = replace(right, called=np.asarray([0, 7, 0, 7, 0, 0]))
    evaluation = evaluate([right, wrong])
    model, comparison = evaluation.models[0], evaluation.comparisons[0]
    found = [model.accuracy_limits, model.macro_f1_limits, model.kappa_limits, model.types[0].f1_limits]
    for limits in (*found, model.groups[0].f1_limits):
        assert limits.low < 0.8
        assert limits.high == 1
    assert (comparison.accuracy_p, comparison.macro_f1_p > 0.3) == (1, True)
    assert comparison.macro_f1_limits.low < 0 < comparison.macro_f1_limits.high


def test_slides_are_compared_by_their_differentials() -> None:
    """Three slides of 100 leukocytes with 0, 10 and 60% blasts, of which the model misses every second."""
    neutrophil, blast = cells.CELL_TYPES.index("neutrophil"), cells.CELL_TYPES.index("myeloblast")
    truth = np.concatenate([np.where(np.arange(100) < blasts, blast, neutrophil) for blasts in (0, 10, 60)])
    called = np.where((truth == blast) & (np.arange(300) % 2 == 0), neutrophil, truth)
    slides = tuple(f"S{n // 100}" for n in range(300))
    level = evaluate([Predictions("m", cells.CELL_TYPES, truth, called, None, slides, ("",) * 300)]).slide_level
    assert level is not None
    found = next(a for a in level.agreements if a.name == "blasts")
    assert (found.true, found.measured) == ((0, 10, 60), (0, 5, 30))
    assert found.bland_altman.bias == pytest.approx(-35 / 3)
    assert found.passing_bablok.slope == pytest.approx(0.5)
    blasts, immature = level.detections
    assert (blasts.both, blasts.missed, blasts.false, blasts.neither) == (2, 0, 0, 1)
    assert blasts.sensitivity_limits.low == pytest.approx(0.025**0.5)
    assert np.isnan(immature.sensitivity)


def slides_of(percentages: list[tuple[int, int]]) -> Predictions:
    """Slides of 100 leukocytes with so many blasts by truth and by the model. The others are neutrophils."""
    neutrophil, blast = cells.CELL_TYPES.index("neutrophil"), cells.CELL_TYPES.index("myeloblast")
    sides = [
        np.concatenate([np.where(np.arange(100) < n, blast, neutrophil) for n in side])
        for side in zip(*percentages, strict=True)
    ]
    count = len(sides[0])
    slides = tuple(f"S{n // 100}" for n in range(count))
    return Predictions("m", cells.CELL_TYPES, sides[0], sides[1], None, slides, ("",) * count)


def test_the_correlation_of_slides_stands_in_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    percentages = [(0, 2), (3, 1), (8, 12), (20, 14), (45, 52), (90, 71)]
    evaluation = evaluate([slides_of(percentages)])
    write_evaluation(evaluation, tmp_path)
    show_evaluation(evaluation, tmp_path)
    pearson, spearman = (test(*zip(*percentages, strict=True)).statistic for test in (stats.pearsonr, stats.spearmanr))
    with (tmp_path / "agreement.csv").open() as file:
        rows = {row["cell_type"]: row for row in csv.DictReader(file)}
    assert float(rows["blasts"]["pearson"]) == pytest.approx(pearson)
    assert float(rows["neutrophil"]["spearman"]) == pytest.approx(spearman)
    assert float(rows["blasts"]["bias"]) == pytest.approx(-14 / 6)
    assert rows["monocyte"]["pearson"] == rows["monocyte"]["spearman_low"] == ""
    written = json.loads((tmp_path / "metrics.json").read_text())["slide_level"]["agreements"]
    found = {each["name"]: each["correlation"] for each in written}
    assert found["blasts"]["pearson"] == pytest.approx(pearson)
    assert found["blasts"]["spearman_interval"]["low"] < spearman < found["blasts"]["spearman_interval"]["high"]
    assert found["monocyte"]["pearson"] is None
    shown = f"{pearson:.4f} ("
    for text in ((tmp_path / "summary.md").read_text(), capsys.readouterr().out):
        assert any(shown in line for line in text.splitlines() if line.lstrip("| ").startswith("Blasts"))
    assert f'<td class="n">{pearson:.4f}<small>' in (tmp_path / "evaluation.html").read_text()


def test_files_of_an_earlier_evaluation_do_not_stay_beside_a_smaller_one(tmp_path: Path) -> None:
    both, alone = tmp_path / "both", tmp_path / "alone"
    for folder in (both, alone):
        folder.mkdir()
    write_evaluation(evaluate([random_model(1), random_model(2, name="n")]), both)
    (both / "notes.csv").write_text("mine")
    more = {path.name for path in both.iterdir()}
    write_evaluation(evaluate([study()]), alone)
    write_evaluation(evaluate([study()]), both)
    assert {path.name for path in both.iterdir()} == {"notes.csv", *(path.name for path in alone.iterdir())}
    assert more >= {"comparison.csv", "slides.csv", "agreement.csv", "predictions.csv", "roc.png", "bland_altman.png"}


def test_without_slides_or_with_too_few_there_is_no_slide_level() -> None:
    p = random_model(1)
    assert evaluate([replace(p, slides=("",) * 400)]).slide_level is None
    assert evaluate([replace(p, slides=("S",) * 400)]).slide_level is None


def write_predictions(path: Path, p: Predictions, order: np.ndarray, with_images: bool = True) -> Path:
    assert p.probabilities is not None
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["truth", "cell_type", *(["image"] if with_images else []), *(f"p_{n}" for n in p.cell_types)])
        for n in order.tolist():
            image = [f"{n}.jpg"] if with_images else []
            words = (p.cell_types[p.truth[n]], p.cell_types[p.called[n]])
            writer.writerow([*words, *image, *p.probabilities[n].tolist()])
    return path


def test_prediction_files_are_compared_cell_by_cell_whatever_their_order(tmp_path: Path) -> None:
    good, bad = random_model(1, 4.0, "good"), random_model(2, 1.0, "bad")
    order = np.random.default_rng(0).permutation(400)
    files = [
        write_predictions(tmp_path / "good.csv", good, np.arange(400)),
        write_predictions(tmp_path / "bad.csv", bad, order),
    ]
    unknown = ("",) * 400  # as in the files
    (expected,) = evaluate([replace(good, slides=unknown), replace(bad, slides=unknown)]).comparisons
    (found,) = evaluate(of_tables(files, LabelRules())).comparisons
    assert (found.only_first_right, found.only_other_right) == (expected.only_first_right, expected.only_other_right)
    assert found.types[0].auroc_p == pytest.approx(expected.types[0].auroc_p)


def test_an_evaluations_predictions_can_be_evaluated_again(tmp_path: Path) -> None:
    p = random_model(1)
    unsure = replace(p, called=np.where(np.arange(400) % 9 == 0, -1, p.called), images=tuple(map(str, range(400))))
    first = evaluate([unsure])
    write_evaluation(first, tmp_path)
    again = evaluate(of_tables([tmp_path / "predictions.csv"], LabelRules()))
    assert again.models[0].called == first.models[0].called == 355
    assert again.models[0].macro_f1 == first.models[0].macro_f1
    assert again.models[0].macro_auroc == pytest.approx(first.models[0].macro_auroc, abs=1e-4)
    assert [name for name, _ in again.sources] == ["A", "B"]
    assert again.predictions.images == unsure.images


def test_calls_without_probabilities_can_be_evaluated_again(tmp_path: Path) -> None:
    p = replace(random_model(1), probabilities=None, images=tuple(map(str, range(400))))
    unsure = replace(p, called=np.where(np.arange(400) % 9 == 0, -1, p.called))
    first = evaluate([unsure])
    write_evaluation(first, tmp_path)
    header, *rows = (tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert (header, len(rows)) == ("slide,image,source,truth,cell_type", 400)
    again = evaluate(of_tables([tmp_path / "predictions.csv"], LabelRules()))
    assert again.models[0].called == first.models[0].called == 355
    assert again.models[0].macro_f1_limits == first.models[0].macro_f1_limits
    assert again.predictions.probabilities is None


def test_prediction_files_of_other_cells_are_refused(tmp_path: Path) -> None:
    p = random_model(1)
    whole = write_predictions(tmp_path / "whole.csv", p, np.arange(400))
    part = write_predictions(tmp_path / "part.csv", p, np.arange(399), with_images=False)
    with pytest.raises(InputError, match=r"part.csv and .*whole.csv do not hold the same cells"):
        of_tables([whole, part], LabelRules())


def clustered(slides: int) -> Predictions:
    """A model that is right on some slides and wrong on others."""
    p = random_model(1)
    names = tuple(f"S{n % slides}" for n in range(400))
    wrong = np.asarray([n % slides % 3 == 0 for n in range(400)])
    return replace(p, called=np.where(wrong, (p.truth + 1) % 5, p.truth), probabilities=None, slides=names)


def test_limits_are_wider_where_cells_of_a_slide_err_together() -> None:
    by_slides = clustered(9)
    by_cells = replace(by_slides, slides=("",) * 400)
    (wide,), (narrow,) = (evaluate([p]).models for p in (by_slides, by_cells))
    assert (wide.limits_by, narrow.limits_by) == ("slides", "cells")
    for name in ("accuracy", "macro_f1", "kappa"):
        ours, other = (getattr(model, f"{name}_limits") for model in (wide, narrow))
        assert ours.high - ours.low > 3 * (other.high - other.low)
    for name in ("recall_limits", "precision_limits", "f1_limits"):
        ours, other = (getattr(model.types[0], name) for model in (wide, narrow))
        assert ours.high - ours.low > 2 * (other.high - other.low)


@pytest.mark.parametrize("slides", [1, 2])
def test_too_few_slides_have_a_word_instead_of_limits_wherever_they_would_stand(
    slides: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"S{n % slides}" for n in range(400))
    first, other = (replace(random_model(seed, name=str(seed)), slides=names) for seed in (1, 2))
    evaluation = evaluate([first, other])
    write_evaluation(evaluation, tmp_path)
    show_evaluation(evaluation, tmp_path)
    found = json.loads((tmp_path / "metrics.json").read_text())
    limits = {"low": None, "high": None, "level": 0.95, "note": "too few slides"}
    for name in ("accuracy", "macro_f1", "kappa"):
        assert found["models"][0][f"{name}_limits"] == limits
    for name in ("precision", "recall", "f1", "auroc"):
        assert found["models"][0]["types"][0][f"{name}_limits"] == limits
    comparison = found["comparisons"][0]
    assert comparison["accuracy_p"] is comparison["macro_f1_p"] is comparison["types"][0]["auroc_p"] is None
    assert comparison["macro_f1_limits"] == limits
    page, markdown = ((tmp_path / name).read_text() for name in ("evaluation.html", "summary.md"))
    for text in (page, markdown, " ".join(capsys.readouterr().out.split())):
        assert "too few slides, no limits are given (3 slides are needed)" in text
        assert "(too few slides to test)" in text
        assert "too few slides" in text.replace("too few slides there", "").replace("too few slides to test", "")


@pytest.mark.parametrize(("slides", "note"), [(1, "too few slides"), (2, "too few slides"), (3, "")])
def test_an_f1_has_limits_if_its_type_lies_on_three_slides(slides: int, note: str) -> None:
    """Cells are falsely called the type on every slide."""
    truth = np.tile(np.repeat([0, 6], [30, 4]), 4)
    names = np.repeat(["S0", "S1", "S2", "S3"], 34)
    truth[np.isin(names, ["S3", "S2", "S1"][: 4 - slides])] = 0
    called = truth.copy()
    called[::17] = 6
    p = Predictions("m", cells.LEUKOCYTES, truth, called, None, tuple(names.tolist()), ("",) * len(truth))
    found = evaluate([p]).models[0].types[6]
    assert (found.f1_limits.note, found.recall_limits.note, found.precision_limits.note) == (note, note, "")
    assert 0 < found.f1 < 1


def test_from_three_slides_on_there_are_limits_and_tests() -> None:
    names = tuple(f"S{n % 3}" for n in range(400))
    first, other = (replace(random_model(seed), slides=names) for seed in (1, 2))
    evaluation = evaluate([first, other])
    model, comparison = evaluation.models[0], evaluation.comparisons[0]
    assert 0 <= model.accuracy_limits.low < model.accuracy < model.accuracy_limits.high <= 1
    assert 0 <= model.types[0].auroc_limits.low <= model.types[0].auroc <= model.types[0].auroc_limits.high <= 1
    assert 0 < comparison.accuracy_p <= 1
    assert comparison.accuracy_limits.low <= comparison.accuracy_difference <= comparison.accuracy_limits.high
    assert 0 < comparison.types[0].recall_p <= 1


def test_sources_are_scored_apart() -> None:
    evaluation = evaluate([random_model(1)])
    assert [(name, model.cells) for name, model in evaluation.sources] == [("A", 200), ("B", 200)]


def test_predictions_of_other_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="not for the same cells"):
        evaluate([random_model(1), random_model(1, count=300)])


def test_all_pictures_and_the_page_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = evaluate([random_model(1, name="<b>"), random_model(2, name="other")])
    write_evaluation(evaluation, tmp_path)
    show_evaluation(evaluation, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "agreement.csv", "bland_altman.png", "comparison.csv", "confusion_matrix.csv", "confusion_matrix.png",
        "confusion_matrix_percent.png", "evaluation.html", "metrics.json", "per_type.csv",
        "precision_recall.png", "predictions.csv", "reliability.png", "risk_coverage.png", "roc.png",
        "slides.csv", "summary.md",
    ]  # fmt: skip
    page = (tmp_path / "evaluation.html").read_text()
    assert "<b>" not in page
    assert "95% limits below the figures, computed by slides." in page
    assert "95% limits in brackets, computed by slides." in (tmp_path / "summary.md").read_text()
    assert page.count("data:image/png;base64,") == 7
    assert "by slides" in capsys.readouterr().out
    assert to_dict(evaluation)["comparisons"][0]["other"] == "other"


def test_the_keys_of_the_figures_are_documented() -> None:
    found = to_dict(replace(evaluate([random_model(1), random_model(2)]), review=ReviewSummary(1, 1, 0, 2, (), ())))
    page = (Path(__file__).parents[2] / "docs" / "reference" / "evaluation.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page[page.index("## `metrics.json`") : page.index("## Limits and tests")]))
    comparison = found["comparisons"][0]
    keys = {*found, *found["review"], *found["slide_level"], *found["models"][0], *comparison, *WHY_UNSCORED}
    explained = ("_holm", "_limits") if "_holm" in named and "_limits" in named else ()
    assert {key for key in keys - named if not key.endswith(explained)} == set()
    assert {"accuracy_limits", "macro_f1_limits"} <= named & set(comparison)
