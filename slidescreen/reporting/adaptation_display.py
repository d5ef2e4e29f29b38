"""An adaptation in words: on the terminal, and in the model card of the new ensemble."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from rich.markup import escape

from slidescreen import output
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.laboratory_gain import Adaptation, worth_signing_more
from slidescreen.files.existence import is_file
from slidescreen.files.writing import printable, write_text

_BY_US = "`slidescreen ensemble --adapt` wrote this file."


def show_adaptation(ensemble: Ensemble, found: Adaptation, folder: Path, card: Path) -> None:
    """Print the results of the adaptation."""
    console = output.console()
    for line in summary(ensemble, found):
        console.print(escape(line))
    console.print(f"ensemble: {escape(printable(folder))} ({card.name} says more)", soft_wrap=True)


def summary(ensemble: Ensemble, found: Adaptation) -> Iterator[str]:
    """The findings, one line each."""
    slides = f" of {found.slides} slides" if found.slides is not None else ", slides unknown"
    counts = ", ".join(f"{count} {label}" for label, count in sorted(found.cells.items()))
    yield f"{sum(found.cells.values())} signed cells{slides}: {counts}"
    gain = 100 * (found.after - found.before)
    limits = ""
    if found.low is not None and found.high is not None:
        limits = f"; difference {gain:+.1f} points, 95% limits {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    yield (
        f"called right before: {found.before:.1%}; after, on {'slides' if found.slides else 'cells'} not learnt from: "
        f"{found.after:.1%}{limits}"
    )
    if not found.adopted:
        yield "adapting does not gain, or may lose a point: the new ensemble is the old one, unchanged"
    yield "learning curve (cells of each type: called right): " + ", ".join(
        f"{most}: {share:.1%}" for most, share in found.curve.items()
    )
    if worth_signing_more(found):
        yield "the last cells still brought a gain: signing more is worth it"
    else:
        yield "the last cells brought no gain: signing more of the same brings little"
    if found.left_out:
        before, after = (sum(pair[place] for pair in found.left_out.values()) for place in (0, 1))
        count = len(found.left_out)
        yield (
            f"types left out in turn: recall {before / count:.1%} before, {after / count:.1%} after adapting to the "
            "others"
        )
    if found.unsigned:
        judge = "the old networks judge them" if found.adopted else "nothing here says how well they are found"
        yield f"no signed cells of {', '.join(found.unsigned)}: {judge}"
    borrowed = sorted(ensemble.validation.borrowed)
    if borrowed:
        yield f"few signed cells of {', '.join(borrowed)}: their error rates are joined with those known before"
    missing = ensemble.measured_on.shortfalls()
    if missing:
        yield f"too few cells to know the error rates ({', '.join(missing)}): each verdict says so"


def write_card(ensemble: Ensemble, found: Adaptation, folder: Path) -> Path:
    """Write the model card into the ensemble's folder: `README.md`, or `model-card.md`, … beside another's file.

    Returns:
        The path of the card.
    """
    names = itertools.chain(["README.md", "model-card.md"], (f"model-card-{n}.md" for n in itertools.count(2)))
    return write_text(next(folder / name for name in names if _may_write(folder / name)), card(ensemble, found))


def _may_write(path: Path) -> bool:
    """Whether a path is free, or holds an earlier card."""
    if not is_file(path):
        return not os.path.lexists(path)
    return _BY_US in path.read_text(encoding="utf-8", errors="replace")


def card(ensemble: Ensemble, found: Adaptation) -> str:
    """The model card, Markdown."""
    title = "An ensemble adapted to a laboratory" if found.adopted else "An ensemble that adapting did not improve"
    parts = [
        f"# {title}",
        "",
        f"For research use only: not a medical device. {_BY_US}",
        "",
        *(f"- {line[0].upper()}{line[1:]}." for line in summary(ensemble, found)),
        "",
        "## Types left out in turn",
        "",
        "Each line: all cells of a type were left out, and the ensemble was adapted to the others. This is how types "
        "without signed cells fare.",
        "",
        "| type left out | recall before | recall after |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {before:.2f} | {after:.2f} |" for name, (before, after) in sorted(found.left_out.items())),
        "",
        "## Still weak",
        "",
        *(_weak(ensemble) if found.adopted else ["The old ensemble's figures stand in `ensemble.json`."]),
        "",
        "## What it cannot know",
        "",
        "- How well it finds types without signed cells in this laboratory: "
        f"{', '.join(found.unsigned) or 'none is missing'}.",
        "- Whether the signed labels are right. It was judged by them.",
        "- How slides look after a change of stain, camera or analyser. Adapt it again then.",
        "",
    ]
    return "\n".join(parts)


def _weak(ensemble: Ensemble) -> Iterator[str]:
    """The types with the lowest shares of correct calls."""
    matrix = ensemble.validation.confusion_matrix
    if matrix is None:
        return
    yield "| type | cells | called right | most often called instead |"
    yield "| --- | ---: | ---: | --- |"
    rows = []
    for place, name in enumerate(ensemble.cell_types):
        total = int(matrix[place].sum())
        if total and name not in ensemble.validation.unsigned:
            others = matrix[place].copy()
            others[place] = 0
            instead = ensemble.cell_types[int(others.argmax())] if others.any() else ""
            rows.append((matrix[place, place] / total, name, total, instead))
    for share, name, total, instead in sorted(rows)[:5]:
        yield f"| {name} | {total} | {share:.0%} | {instead} |"
