"""An evaluation for people: on the terminal and as a page."""

import base64
from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from slidescreen import __version__, cells, output
from slidescreen.evaluation import Evaluation, ModelScores, SlideLevel
from slidescreen.evaluation.label_review import disagreements
from slidescreen.files.existence import sees
from slidescreen.files.writing import printable
from slidescreen.reporting.disagreement_page import DISAGREEMENTS
from slidescreen.reporting.templating import template
from slidescreen.reporting.wording import (
    as_limit,
    as_number,
    comparison_sentence,
    display_name,
    label_review_sentences,
    limits_sentence,
    model_name,
    p_text,
    review_sentences,
    unscored_sentence,
    with_limits,
)
from slidescreen.screening.sentences import number_of


def show_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Print the compact summary."""
    console = output.console()
    console.print(_models_table(evaluation))
    if evaluation.sources:
        console.print()
        console.print(_sources_table(evaluation))
    console.print()
    console.print(_types_table(evaluation.models[0]))
    if evaluation.slide_level:
        console.print()
        console.print(_slides_table(evaluation.slide_level))
        console.print()
        console.print(_agreement_table(evaluation.slide_level))
    console.print(f"\n{limits_sentence(evaluation)}")
    for sentence in (*review_sentences(evaluation.review), *label_review_sentences(evaluation.label_review)):
        console.print(f"\n{escape(sentence)}")
    for comparison in evaluation.comparisons:
        console.print(f"\n{escape(comparison_sentence(comparison))}")
    if evaluation.unscored:
        console.print("\nnot evaluated:")
        for left in evaluation.unscored:
            console.print(f"  {escape(unscored_sentence(left))}", soft_wrap=True)
    if sees(folder / DISAGREEMENTS):
        shown = f"{_disagreements(evaluation)}: {escape(printable(folder / DISAGREEMENTS))}"
        console.print(f"\n{shown}", soft_wrap=True)
    console.print(f"\nevaluation: {escape(printable(folder / 'evaluation.html'))}", soft_wrap=True)


def _disagreements(evaluation: Evaluation) -> str:
    """The number of cells whose call and label differ, in words, as their page shows them."""
    count = len(disagreements(evaluation.predictions))
    return f"{number_of(count, 'disagreement')}, as pictures" if count else "no disagreements"


def _models_table(evaluation: Evaluation) -> Table:
    table = _table("model", "cells", "called", "accuracy", "macro F1", "κ", "AUROC")
    for model in evaluation.models:
        table.add_row(
            escape(model_name(model.model)), str(model.cells), str(model.called),
            with_limits(model.accuracy, model.accuracy_limits), with_limits(model.macro_f1, model.macro_f1_limits),
            as_number(model.kappa), as_number(model.macro_auroc),
        )  # fmt: skip
    return table


def _sources_table(evaluation: Evaluation) -> Table:
    table = _table("source", "cells", "called", "accuracy", "macro F1", "types")
    for name, model in evaluation.sources:
        table.add_row(
            escape(name), str(model.cells), str(model.called),
            with_limits(model.accuracy, model.accuracy_limits), with_limits(model.macro_f1, model.macro_f1_limits),
            str(model.types_with_support),
        )  # fmt: skip
    return table


def _types_table(model: ModelScores) -> Table:
    table = _table("cell type", "cells", "precision", "recall", "F1", "AUROC")
    for number, scores in enumerate(model.rows):
        if number == len(model.types):
            table.add_section()
        table.add_row(
            display_name(scores), str(scores.support),
            as_number(scores.precision), as_number(scores.recall), with_limits(scores.f1, scores.f1_limits),
            as_number(scores.auroc),
        )  # fmt: skip
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table


def _slides_table(level: SlideLevel) -> Table:
    table = _table(f"{len(level.slides)} slides", "present from", "found", "sensitivity", "specificity")
    for d in level.detections:
        table.add_row(
            cells.DISPLAY_NAMES[d.name], f"{d.cut_off:g}%", f"{d.both} of {d.both + d.missed}",
            with_limits(d.sensitivity, d.sensitivity_limits), with_limits(d.specificity, d.specificity_limits),
        )  # fmt: skip
    return table


def _agreement_table(level: SlideLevel) -> Table:
    table = _table("slide by slide", "bias, % points", "Pearson's r")
    for a in level.agreements_of_present:
        found = a.bland_altman
        table.add_row(
            cells.DISPLAY_NAMES[a.name],
            f"{found.bias:+.1f} ({found.limits.low:+.1f} to {found.limits.high:+.1f})",
            with_limits(a.correlation.pearson, a.correlation.pearson_interval),
        )
    return table


def render_evaluation(evaluation: Evaluation, pictures: Mapping[str, bytes], with_disagreements: bool) -> str:
    """The page of an evaluation.

    Args:
        evaluation: the evaluation.
        pictures: its pictures as PNG, by file name.
        with_disagreements: whether a page of disagreements stands beside it.
    """
    page = template(
        "evaluation.html.j2", limit=as_limit, number=as_number, display=display_name, model=model_name, p=p_text
    )
    encoded = [(name, base64.b64encode(picture).decode("ascii")) for name, picture in pictures.items()]
    return page.render(
        evaluation=evaluation,
        limits=limits_sentence(evaluation, "below the figures"),
        sentences=[
            *review_sentences(evaluation.review),
            *label_review_sentences(evaluation.label_review),
            *(comparison_sentence(c) for c in evaluation.comparisons),
        ],
        unscored=[unscored_sentence(left) for left in evaluation.unscored],
        pictures=encoded,
        disagreements=_disagreements(evaluation) if with_disagreements else "",
        page_of_disagreements=DISAGREEMENTS,
        version=__version__,
    )
