"""An evaluation for people: on the terminal and as a page."""

import base64
import math
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from slidescreen import __version__, cells
from slidescreen.evaluation import Comparison, Evaluation, ModelScores, SlideLevel, TypeScores
from slidescreen.files import printable
from slidescreen.networks import BACKBONES
from slidescreen.statistics.intervals import Interval


def show_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Print the compact summary."""
    console = Console(highlight=False)
    console.print(_models_table(evaluation))
    if evaluation.sources:
        console.print()
        console.print(_sources_table(evaluation))
    console.print()
    console.print(_types_table(evaluation.models[0]))
    if evaluation.slide_level:
        console.print()
        console.print(_slides_table(evaluation.slide_level))
    for comparison in evaluation.comparisons:
        console.print(f"\n{escape(_comparison_sentence(comparison))}")
    console.print(f"\nevaluation: {escape(printable(folder / 'evaluation.html'))}", soft_wrap=True)


def _model_name(name: str) -> str:
    return BACKBONES.get(name, name)


def _models_table(evaluation: Evaluation) -> Table:
    table = _table("model", "cells", "called", "accuracy", "macro F1", "κ", "AUROC")
    for model in evaluation.models:
        table.add_row(
            escape(_model_name(model.model)), str(model.cells), str(model.called),
            _with_limits(model.accuracy, model.accuracy_limits), _with_limits(model.macro_f1, model.macro_f1_limits),
            _number(model.kappa), _number(model.macro_auroc),
        )  # fmt: skip
    return table


def _sources_table(evaluation: Evaluation) -> Table:
    table = _table("source", "cells", "called", "accuracy", "macro F1", "types")
    for name, model in evaluation.sources:
        table.add_row(
            escape(name), str(model.cells), str(model.called),
            _with_limits(model.accuracy, model.accuracy_limits), _with_limits(model.macro_f1, model.macro_f1_limits),
            str(model.types_with_support),
        )  # fmt: skip
    return table


def _types_table(model: ModelScores) -> Table:
    table = _table("cell type", "cells", "precision", "recall", "F1", "AUROC")
    for number, scores in enumerate((*model.types, *model.groups, *model.contrasts)):
        if number == len(model.types):
            table.add_section()
        table.add_row(
            _display(scores), str(scores.support),
            _number(scores.precision), _number(scores.recall), _with_limits(scores.f1, scores.f1_limits),
            _number(scores.auroc),
        )  # fmt: skip
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table


def _display(scores: TypeScores) -> str:
    return cells.DISPLAY_NAMES.get(scores.name, scores.name.replace("_", " ").capitalize())


def _slides_table(level: SlideLevel) -> Table:
    table = _table(
        f"{len(level.slides)} slides", "present from", "found", "sensitivity", "specificity", "bias, % points"
    )
    bias = {a.name: a.bland_altman for a in level.agreements}
    for d in level.detections:
        agreement = bias[d.name]
        table.add_row(
            cells.DISPLAY_NAMES[d.name], f"{d.cut_off:g}%", f"{d.both} of {d.both + d.missed}",
            _with_limits(d.sensitivity, d.sensitivity_limits), _with_limits(d.specificity, d.specificity_limits),
            f"{agreement.bias:+.1f} ({agreement.limits.low:+.1f} to {agreement.limits.high:+.1f})",
        )  # fmt: skip
    return table


def _comparison_sentence(comparison: Comparison) -> str:
    ranked = [t for t in comparison.types if t.auroc_p_holm is not None]
    text = (
        f"{_model_name(comparison.model)} against {_model_name(comparison.other)}: right alone "
        f"{comparison.only_first_right} and {comparison.only_other_right} times (McNemar p "
        f"{_p(comparison.mcnemar_p_holm)}), macro F1 {comparison.macro_f1_difference:+.4f} "
        f"(p {_p(comparison.macro_f1_p_holm)})"
    )
    if ranked:
        differing = [t.name for t in ranked if (t.auroc_p_holm or 0.0) < 0.05]
        text += f", AUROC differs in {len(differing)} of {len(ranked)} types (DeLong)"
    recalls = [t.name for t in comparison.types if t.mcnemar_p_holm < 0.05]
    text += f", recall in {', '.join(map(_plain_name, recalls)) or 'none'} (McNemar)"
    return f"{text}. Every cell called; p after Holm."


def _plain_name(name: str) -> str:
    return name.replace("_", " ")


def render_evaluation(evaluation: Evaluation, folder: Path, pictures: Sequence[str]) -> str:
    """The page of an evaluation whose pictures lie in `folder`."""
    environment = Environment(
        loader=PackageLoader("slidescreen.reporting"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "display": _display, "model": _model_name, "p": _p}
    encoded = [(name, base64.b64encode((folder / name).read_bytes()).decode("ascii")) for name in pictures]
    return environment.get_template("evaluation.html.j2").render(
        evaluation=evaluation,
        with_limits=_with_limits,
        sentences=[_comparison_sentence(c) for c in evaluation.comparisons],
        pictures=encoded,
        version=__version__,
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _with_limits(value: float, limits: Interval[float]) -> str:
    if math.isnan(value) or math.isnan(limits.low):
        return _number(value)
    return f"{value:.4f} ({limits.low:.3f}–{limits.high:.3f})"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"
