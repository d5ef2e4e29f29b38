"""How good the verdict and the corrected differential are, in simulation and on real slides. Prints Markdown.

    python -m benchmarks.verdict simulate
    slidescreen report cells.csv --split test --out evaluation
    python -m benchmarks.verdict slides evaluation/predictions.csv

`simulate` draws slides from the errors of the shipped ensemble and of the reference study (its published confusion
matrix). `slides` judges the slides of a file of predictions as `classify` does. It also judges normal slides composed
from the single cells of one of the file's sources.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.reference_study import MATRIX, TYPES
from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.label_options import LabelRules
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.ensembles.location import default_ensemble
from slidescreen.evaluation.prediction_files import of_tables
from slidescreen.evaluation.predictions import Predictions
from slidescreen.models.checkpoints import Checkpoint
from slidescreen.models.member import Member
from slidescreen.screening.differential import NAMES, Differential, count_slide, members_of
from slidescreen.screening.finding import Finding
from slidescreen.screening.verdict import screen
from slidescreen.statistics.intervals import Interval, clopper_pearson

NORMAL = {"neutrophil": 0.60, "lymphocyte": 0.30, "monocyte": 0.06, "eosinophil": 0.03, "basophil": 0.01}
SIZES = (100, 200, 400)
BLASTS = (0.0, 0.01, 0.02, 0.05, 0.10, 0.20)

_PRINTED = 0.05  # percentage points: limits are printed to a tenth, and one printed as 0.0 holds a true 0
EnsembleOption = Annotated[Path | None, typer.Option(help="Ensemble folder; the one that ships if not given.")]
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class ScoredCell:
    """A slide with its true shares of the leukocytes, and what was made of it."""

    true: Mapping[str, float]
    differential: Differential
    finding: Finding


@app.command()
def simulate(
    ensemble: EnsembleOption = None,
    slides: Annotated[int, typer.Option(help="Slides for each line.")] = 300,
    smudge_cells: Annotated[int, typer.Option(help="Smudge cells for each 100 leukocytes.")] = 0,
    seed: int = 0,
) -> None:
    """Slides drawn from measured errors: false alarms, power, coverage of the corrected limits."""
    shipped = storage.load(ensemble or default_ensemble())
    models = {"the shipped ensemble": shipped} | ({} if smudge_cells else {"the reference study": study()})
    for title, model in models.items():
        print(f"### Errors of {title}\n")
        print("| blasts | leukocytes | blasts flagged | IG flagged | corrected limits hold the blasts | … the IG |")
        print("| --- | --- | --- | --- | --- | --- |")
        for share in BLASTS:
            for size in SIZES:
                generator = np.random.default_rng([seed, size, round(1000 * share)])
                drawn = [_drawn(model, share, size, generator, smudge_cells) for _ in range(slides)]
                print(_simulated_row(share, size, drawn), flush=True)
        print()


def study() -> Ensemble:
    """The reference study as an ensemble: its errors are known, its weights are not. Slides do not differ in it."""
    checkpoint = Checkpoint("efficientnet_b1", TYPES, Preprocessing(256))
    member = Member(Path("unpublished"), 1.0, "", checkpoint)
    return Ensemble((member,), validation=ValidationResult(confusion_matrix=MATRIX))


def _drawn(
    model: Ensemble, blasts: float, size: int, generator: np.random.Generator, smudge_cells: int = 0
) -> ScoredCell:
    """One slide: normal cells, myeloblasts among them, called with the model's errors as they vary between slides.

    `smudge_cells`: their number for each 100 leukocytes.
    """
    validation = model.validation
    matrix = validation.graded_matrix
    assert matrix is not None
    types = len(model.cell_types)
    shares = {name: share * (1 - blasts) for name, share in NORMAL.items()} | {"myeloblast": blasts}
    true = dict(zip(shares, generator.multinomial(size, list(shares.values())).tolist(), strict=True))
    if smudge_cells:
        true["smudge_cell"] = round(size * smudge_cells / 100)
    called: list[Call] = []
    for name, count in true.items():
        position = model.cell_types.index(name)
        row = matrix[position] / matrix[position].sum()
        if validation.call_correlation:
            row = generator.dirichlet((row + 1e-9) * (1 / validation.call_correlation - 1))
        calls = generator.multinomial(count, row)
        for k, times in enumerate(calls.tolist()):
            called += [_simulated_call(model, position, k % types, k < types, generator) for _ in range(times)]
    return judge("simulated", called, shares, model)


def _simulated_call(model: Ensemble, true: int, called: int, sure: bool, generator: np.random.Generator) -> Call:
    """A call that counts, or not, in the test of its group as often as validation cells so called did."""
    name = model.cell_types[called]
    probabilities = np.zeros(len(model.cell_types))
    matrix = model.validation.graded_matrix
    group = next((group for group, members in cells.GROUPS.items() if name in members), "")
    found = model.validation.false_calls.get(group)
    if found is not None and matrix is not None:
        inside = cells.indices(model.cell_types, cells.GROUPS[group])
        of_sure, *of_others = matrix[true].reshape(-1, len(model.cell_types))[:, inside].sum(axis=1).tolist()
        counted = int(found.counted[true])
        # The sure calls are the first to be certain enough, then the others.
        share = min(1.0, counted / of_sure) if sure else max(0.0, counted - of_sure) / of_others[0]
        probabilities[called] = generator.random() < share
    return Call(name, Status.CLASSIFIED, name, float(sure), probabilities=tuple(probabilities.tolist()))


def judge(slide: str, calls: Sequence[Call], true: Mapping[str, float], model: Ensemble) -> ScoredCell:
    """What `classify` would say of a slide whose true shares are known."""
    differential = count_slide(slide, calls, model)
    return ScoredCell(true, differential, screen(differential, model))


def _simulated_row(share: float, size: int, drawn: Sequence[ScoredCell]) -> str:
    def among(holds: Callable[[ScoredCell], bool]) -> str:
        return rate(sum(holds(j) for j in drawn), len(drawn))

    def covered(group: str) -> str:
        shares = [(j, j.differential.shares[group]) for j in drawn]
        limits = [(j, share.corrected_low, share.corrected_high) for j, share in shares]
        inside = [
            low - _PRINTED <= percent(j.true, group) <= high + _PRINTED
            for j, low, high in limits
            if low is not None and high is not None
        ]
        return rate(sum(inside), len(inside)) if inside else "not corrected"

    columns = (
        among(lambda j: "blasts" in j.finding.flags),
        among(lambda j: "ig" in j.finding.flags),
        *(covered(group) for group in cells.GROUPS),
    )  # fmt: skip
    return f"| {100 * share:g}% | {size} | " + " | ".join(columns) + " |"


@app.command()
def slides(
    predictions: Annotated[Path, typer.Argument(help="predictions.csv of an evaluation.")],
    ensemble: EnsembleOption = None,
    normal_source: Annotated[str, typer.Option(help="Source whose normal cells make normal slides.")] = "pbc",
    normal_slides: int = 50,
    normal_size: Annotated[int, typer.Option(help="Cells of a normal slide; none twice in one.")] = 160,
    least: Annotated[int, typer.Option(help="Leukocytes by truth that a slide must have.")] = 50,
    seed: int = 0,
) -> None:
    """Real slides and composed normal ones, judged as `classify` would."""
    model = storage.load(ensemble or default_ensemble())
    found = read(predictions)
    real = list(_real_slides(found, model, least))
    normal = list(_normal_slides(found, model, normal_source, normal_slides, normal_size, np.random.default_rng(seed)))
    _print_slides(real)
    _print_rates(real, normal)
    _print_errors("real slides", real)
    _print_errors("composed normal slides", normal)


def _real_slides(found: Predictions, model: Ensemble, least: int) -> Iterator[ScoredCell]:
    for slide, here, _ in slides_of(found, least):
        yield judge(slide, calls_of(here), shares_of(here), model)


def read(path: Path) -> Predictions:
    """A file of predictions with their probabilities."""
    (found,) = of_tables([path], LabelRules())
    if found.probabilities is None:
        raise typer.BadParameter(f"{path} has no probabilities")
    return found


def slides_of(found: Predictions, least: int) -> Iterator[tuple[str, Predictions, Predictions]]:
    """Each slide of `least` leukocytes or more by truth: its name, its cells and all others."""
    slides = np.asarray(found.slides)
    leukocytes = cells.indices(found.cell_types, cells.LEUKOCYTES)
    for name in sorted(set(found.slides) - {""}):
        if np.isin(found.truth[slides == name], leukocytes).sum() >= least:
            yield name, found.where(slides == name), found.where(slides != name)


def shares_of(found: Predictions) -> dict[str, float]:
    """The true shares of the leukocyte types, 0–1."""
    true = [found.cell_types[i] for i in found.truth.tolist()]
    leukocytes = [name for name in true if name in cells.LEUKOCYTES]
    return {name: leukocytes.count(name) / len(leukocytes) for name in cells.LEUKOCYTES}


def _normal_slides(
    found: Predictions, model: Ensemble, source: str, count: int, size: int, generator: np.random.Generator
) -> Iterator[ScoredCell]:
    """Slides of `size` normal cells, none twice in one."""
    sources = np.asarray(found.sources)
    for number in range(count):
        chosen: list[int] = []
        for name, share in NORMAL.items():
            own = np.flatnonzero((sources == source) & (found.truth == found.cell_types.index(name)))
            if len(own) < round(share * size):
                raise typer.BadParameter(
                    f"{source} has only {len(own)} cells of {name}: choose a smaller --normal-size"
                )
            chosen += generator.choice(own, round(share * size), replace=False).tolist()
        yield judge(
            f"normal {number + 1}", calls_of(found.where(np.isin(np.arange(len(found.truth)), chosen))), NORMAL, model
        )


def calls_of(found: Predictions) -> list[Call]:
    """The calls as `classify` would have them."""
    assert found.probabilities is not None
    return calls_from(found.probabilities, found.called, found.cell_types)


def calls_from(probabilities: NDArray[np.float64], called: NDArray[np.int64], cell_types: Sequence[str]) -> list[Call]:
    """Calls of cells by their probabilities (N, K) and the types called (N,), -1 for unidentified."""
    names = [cell_types[i] if i >= 0 else "" for i in called.tolist()]
    return [
        Call(name, Status.CLASSIFIED if name else Status.UNIDENTIFIED, name, max(row), probabilities=tuple(row))
        for name, row in zip(names, probabilities.tolist(), strict=True)
    ]


def _print_slides(judged: Sequence[ScoredCell]) -> None:
    print(
        "| slide | leukocytes | blasts: true, counted, corrected % | IG: true, counted, corrected % | verdict | flags |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for j in judged:
        d = j.differential
        groups = " | ".join(_three(j, group) for group in cells.GROUPS)
        print(f"| {d.slide} | {d.leukocytes} | {groups} | {j.finding.verdict} | {', '.join(j.finding.flags)} |")
    print()


def _three(j: ScoredCell, group: str) -> str:
    share = j.differential.shares[group]
    corrected = "–" if share.corrected_percent is None else f"{share.corrected_percent:.1f}"
    return f"{percent(j.true, group):.1f}, {share.percent or 0:.1f}, {corrected}"


def _print_rates(real: Sequence[ScoredCell], normal: Sequence[ScoredCell]) -> None:
    print("| slides | flagged for blasts | urgent or review |")
    print("| --- | --- | --- |")
    chosen = {
        "real, blasts ≥ 10%": [j for j in real if percent(j.true, "blasts") >= 10],
        "real, blasts 0–10%": [j for j in real if 0 < percent(j.true, "blasts") < 10],
        "real, no blasts": [j for j in real if percent(j.true, "blasts") == 0],
        "composed, normal": list(normal),
    }
    for title, judged in chosen.items():
        blasts = sum("blasts" in j.finding.flags for j in judged)
        seen = sum(j.finding.verdict in ("urgent", "review") for j in judged)
        print(f"| {title} | {rate(blasts, len(judged))} | {rate(seen, len(judged))} |")
    print()


def _print_errors(title: str, judged: Sequence[ScoredCell]) -> None:
    print(f"Mean absolute error in percentage points, {len(judged)} {title}:\n")
    print("| type or group | mean true % | counted | corrected |")
    print("| --- | --- | --- | --- |")
    for name in NAMES:
        true = np.asarray([percent(j.true, name) for j in judged])
        shares = [j.differential.shares[name] for j in judged]
        counted = np.asarray([s.percent or 0.0 for s in shares])
        corrected = np.asarray(
            [s.percent or 0.0 if s.corrected_percent is None else s.corrected_percent for s in shares]
        )
        errors = (np.abs(side - true).mean() for side in (counted, corrected))
        print(f"| {cells.DISPLAY_NAMES[name]} | {true.mean():.1f} | " + " | ".join(f"{e:.2f}" for e in errors) + " |")
    print()


def percent(true: Mapping[str, float], name: str) -> float:
    """Of the leukocytes, for a type or group."""
    return 100 * sum(true.get(member, 0.0) for member in members_of(name))


def rate(count: int, total: int) -> str:
    """With its exact 95% limits."""
    if not total:
        return "–"
    limits: Interval[float] = clopper_pearson(count, total)
    return f"{count} of {total} ({100 * limits.low:.1f}–{100 * limits.high:.1f}%)"


if __name__ == "__main__":
    app()
