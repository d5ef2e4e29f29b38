"""Pictures of an evaluation: the figures of the table beside them, under the names that the models have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slidescreen import cells
from slidescreen.evaluation import Evaluation, Predictions, evaluate
from slidescreen.reporting import plots
from slidescreen.reporting.disagreement_page import DISAGREEMENTS
from slidescreen.reporting.evaluation_files import write_evaluation
from slidescreen.reporting.wording import display_name

TYPES = cells.LEUKOCYTES


def of_model(name: str = "m", abstains: float = 0.0, seed: int = 0) -> Predictions:
    """300 cells of four types. The model abstains from its least certain calls."""
    truth = np.random.default_rng(9).integers(0, 4, 300)
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1, (300, len(TYPES)))
    logits[np.arange(300), truth] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    confidence = probabilities.max(axis=1)
    called = np.where(confidence < np.quantile(confidence, abstains), -1, probabilities.argmax(axis=1))
    unknown = ("",) * 300
    return Predictions(name, TYPES, truth, called, probabilities, unknown, unknown)


def legend_of(evaluation: Evaluation, picture: str) -> list[str]:
    (legend,) = plots.figures(evaluation)[picture].legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(("picture", "figure"), [("roc.png", "auroc"), ("precision_recall.png", "average_precision")])
def test_curves_are_of_the_cells_of_the_table(picture: str, figure: str) -> None:
    evaluation = evaluate([of_model(abstains=0.4)])
    shown = [f"{display_name(each)} {getattr(each, figure):.3f}" for each in evaluation.models[0].types if each.support]
    assert legend_of(evaluation, picture) == shown
    forced = evaluate([of_model()])
    assert legend_of(forced, picture) != shown


def test_a_model_that_calls_nothing_has_no_curves() -> None:
    assert legend_of(evaluate([of_model(abstains=1.0)]), "roc.png") == []


NAMES = ["_plain", "x$y_1$", r"p$\foo$", "efficientnet_b1", r"a\$b", "#1 %"]


@pytest.mark.parametrize("picture", ["reliability.png", "risk_coverage.png"])
def test_every_model_stands_in_the_legend_as_it_is_called(picture: str) -> None:
    evaluation = evaluate([of_model(name, seed=number) for number, name in enumerate(NAMES)])
    assert legend_of(evaluation, picture) == [name.replace("efficientnet_b1", "EfficientNet-V1 B1") for name in NAMES]
    assert plots.draw_plots(evaluation)[picture].startswith(b"\x89PNG")


def test_the_legend_names_the_models_own_line() -> None:
    """The diagonal is no model's."""
    evaluation = evaluate([of_model("a"), of_model("b", seed=1)])
    figure = plots.figures(evaluation)["reliability.png"]
    lines = figure.axes[0].get_lines()[1:]
    (legend,) = figure.legends
    assert [line.get_color() for line in legend.get_lines()] == [line.get_color() for line in lines]
    for model, line in zip(evaluation.models, lines, strict=True):
        assert model.calibration is not None
        np.testing.assert_allclose(line.get_xydata(), model.calibration.reliability)


def test_what_cannot_be_drawn_leaves_an_earlier_evaluation_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_evaluation(evaluate([of_model()]), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(_: Evaluation) -> None:
        raise RuntimeError

    monkeypatch.setattr(plots, "_risk_coverage", fail)
    with pytest.raises(RuntimeError):
        write_evaluation(evaluate([of_model(seed=2)]), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_pages_and_pictures_of_an_earlier_evaluation_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / DISAGREEMENTS).write_text("of other cells")
    write_evaluation(evaluate([of_model()]), tmp_path)
    assert not (tmp_path / DISAGREEMENTS).exists()
    assert "disagreement" not in (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    write_evaluation(evaluate([replace(of_model(), probabilities=None)]), tmp_path)
    assert not (tmp_path / "roc.png").exists()
    assert (tmp_path / "confusion_matrix.png").exists()
