"""Pictures of an evaluation. Colours can be told apart by the colour-blind (Okabe and Ito), lines by their style."""

import io
from collections.abc import Callable, Sequence
from itertools import cycle, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slidescreen import cells
from slidescreen.evaluation import Evaluation
from slidescreen.reporting.wording import model_name
from slidescreen.statistics import roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":")
_LEAST_SUPPORT = 5
PICTURES = (
    "confusion_matrix.png", "confusion_matrix_percent.png", "roc.png", "precision_recall.png", "reliability.png",
    "risk_coverage.png", "bland_altman.png",
)  # fmt: skip
"""The file names of all possible pictures."""


def draw_plots(evaluation: Evaluation) -> dict[str, bytes]:
    """The pictures that the predictions allow, as PNG, by file name."""
    return {name: _png(figure) for name, figure in figures(evaluation).items()}


def figures(evaluation: Evaluation) -> "dict[str, Figure]":
    """The pictures that the predictions allow, by file name."""
    drawings: dict[str, Callable[[Evaluation], Figure]] = {
        "confusion_matrix.png": _confusion,
        "confusion_matrix_percent.png": _confusion_percent,
    }
    if evaluation.predictions.probabilities is not None:
        drawings["roc.png"] = _roc
        drawings["precision_recall.png"] = _precision_recall
        drawings["reliability.png"] = _reliability
        drawings["risk_coverage.png"] = _risk_coverage
    if evaluation.slide_level is not None:
        drawings["bland_altman.png"] = _bland_altman
    return {name: draw(evaluation) for name, draw in drawings.items()}


def _png(figure: "Figure") -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    return drawn.getvalue()


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _confusion(evaluation: Evaluation) -> "Figure":
    counts = evaluation.models[0].confusion
    return _matrix(evaluation, counts.astype(str), "Cells, coloured by their share of the true type")


def _confusion_percent(evaluation: Evaluation) -> "Figure":
    percent = 100 * _row_shares(evaluation.models[0].confusion)
    texts = np.asarray([[f"{value:.0f}" if value >= 1 else "<1" for value in row] for row in percent])
    return _matrix(evaluation, texts, "Percent of the true type")


def _row_shares(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = matrix.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(matrix, rows, out=np.zeros(matrix.shape), where=rows > 0))


def _matrix(evaluation: Evaluation, texts: NDArray[np.str_], title: str) -> "Figure":
    """The confusion matrix with a text in every cell that is not empty."""
    matrix = evaluation.models[0].confusion
    shares = _row_shares(matrix)
    names = [cells.DISPLAY_NAMES[name] for name in evaluation.cell_types]
    figure, axes = _figure(0.55 * len(names) + 2.4, 0.48 * len(names) + 2)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, called in product(range(len(names)), repeat=2):
        if matrix[true, called]:
            colour = "white" if shares[true, called] > 0.55 else "black"
            axes.text(called, true, texts[true, called], ha="center", va="center", fontsize=7.5, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=50, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="called", ylabel="true", title=title)
    return figure


def _bland_altman(evaluation: Evaluation) -> "Figure":
    """Blasts and IG of each slide: the difference against the mean, with bias and limits of agreement."""
    from matplotlib.figure import Figure

    assert evaluation.slide_level is not None
    shown = [a for a in evaluation.slide_level.agreements if a.name in cells.GROUPS]
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, agreement in zip(figure.subplots(1, len(shown)), shown, strict=True):
        true, measured = np.asarray(agreement.true), np.asarray(agreement.measured)
        axes.plot((true + measured) / 2, measured - true, "o", color=_COLOURS[0], ms=5, alpha=0.7)
        found = agreement.bland_altman
        axes.axhline(found.bias, color=_COLOURS[1], lw=1.4)
        for limit in (found.limits.low, found.limits.high):
            axes.axhline(limit, color=_COLOURS[1], lw=1.2, ls="--")
        axes.set(
            xlabel="mean of both, % of leukocytes", ylabel="model minus truth, % points",
            title=f"{cells.DISPLAY_NAMES[agreement.name]}, a dot a slide",
        )  # fmt: skip
        axes.grid(alpha=0.25)
    return figure


def _curves(evaluation: Evaluation) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, truth and score of each type with enough called cells, as in the table of types."""
    predictions = evaluation.predictions.where(evaluation.predictions.called >= 0)
    assert predictions.probabilities is not None
    return [
        (cells.DISPLAY_NAMES[name], predictions.truth == position, predictions.probabilities[:, position])
        for position, name in enumerate(evaluation.cell_types)
        if _LEAST_SUPPORT <= (predictions.truth == position).sum() < len(predictions.truth)
    ]


def _line_styles() -> "cycle[tuple[str, str]]":
    return cycle((colour, style) for style in _STYLES for colour in _COLOURS)


def _roc(evaluation: Evaluation) -> "Figure":
    figure, axes = _figure(7.5, 4.6)
    labels: list[str] = []
    for (name, positive, score), (colour, style) in zip(_curves(evaluation), _line_styles(), strict=False):
        curve = roc.roc_curve(positive, score)
        axes.plot(curve.false_positive_rate, curve.true_positive_rate, style, color=colour, lw=1.4)
        labels.append(f"{name} {roc.auroc(positive, score):.3f}")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="One type against the rest: ROC, with its area")
    return _with_legend(figure, axes, labels)


def _precision_recall(evaluation: Evaluation) -> "Figure":
    figure, axes = _figure(7.5, 4.6)
    labels: list[str] = []
    for (name, positive, score), (colour, style) in zip(_curves(evaluation), _line_styles(), strict=False):
        curve = roc.precision_recall_curve(positive, score)
        axes.plot(curve.recall, curve.precision, style, color=colour, lw=1.4)
        labels.append(f"{name} {roc.average_precision(positive, score):.3f}")
    axes.set(xlabel="recall", ylabel="precision", title="One type against the rest, with its average precision")
    return _with_legend(figure, axes, labels)


def _reliability(evaluation: Evaluation) -> "Figure":
    figure, axes = _figure(7.5, 4.2)
    labels: list[str] = []
    axes.plot([0, 1], [0, 1], color="0.6", lw=1)
    for model, (colour, style) in zip(evaluation.models, _line_styles(), strict=False):
        if model.calibration is not None:
            x, y = np.asarray(model.calibration.reliability).T
            axes.plot(x, y, style, marker="o", ms=3, color=colour)
            labels.append(model_name(model.model))
    axes.set(
        xlabel="probability of the call", ylabel="share of right calls", title="Can the probabilities be believed?"
    )
    return _with_legend(figure, axes, labels)


def _risk_coverage(evaluation: Evaluation) -> "Figure":
    figure, axes = _figure(7.5, 4.2)
    labels: list[str] = []
    for model, (colour, style) in zip(evaluation.models, _line_styles(), strict=False):
        if model.calibration is not None:
            x, y = np.asarray(model.calibration.risk_coverage).T
            axes.plot(100 * x, 100 * y, style, color=colour)
            labels.append(model_name(model.model))
    axes.set(xlabel="cells called, %", ylabel="wrong among them, %", title="What abstention buys", ylim=(0, None))
    return _with_legend(figure, axes, labels)


def _with_legend(figure: "Figure", axes: "Axes", labels: Sequence[str]) -> "Figure":
    """Name the last lines of the axes. A name may hold any character: none hides it, and none makes it a formula."""
    axes.grid(alpha=0.25)
    lines = axes.get_lines()[-len(labels) :] if labels else []
    places = [str(number) for number in range(len(labels))]
    legend = figure.legend(lines, places, loc="outside right upper", fontsize=8, frameon=False)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return figure
