"""Runs and archives whose slides come from ensembles with different cell types."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_matching import JUDGED, call, left, run_of, scored

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.label_options import LabelOptions
from slidescreen.errors import InputError
from slidescreen.evaluation import evaluate
from slidescreen.evaluation.run_truth import of_run
from slidescreen.runs.archive import read_archive
from slidescreen.runs.uncertain_cells import write_uncertain
from slidescreen.screening.slide_record import FinishedSlide, Provenance, RecordBody, write_finished

CALLED = ("monocyte", "band_neutrophil", "lymphocyte")
BACKWARDS = tuple(reversed(cells.CELL_TYPES))


def calls_of(types: Sequence[str], called: Sequence[str] = CALLED) -> tuple[Call, ...]:
    """Cells that the laboratory reported as they were called, each with a probability of 0.8."""
    rest = 0.2 / (len(types) - 1)
    return tuple(
        Call(
            f"{number}.jpg", Status.CLASSIFIED, name, 0.8, name,
            tuple(0.8 if each == name else rest for each in types),
            digest=hashlib.sha256(f"{types} {name}".encode()).hexdigest(),
        )
        for number, name in enumerate(called)
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The folder of a run whose archive gets slides from `put`."""
    return tmp_path / "run"


def put(
    archive: Path, slide: str, types: tuple[str, ...], calls: Sequence[Call], where: str = "gone", day: int = 1
) -> None:
    """Put the record of a slide into the archive. Its images lay in a folder `where` beside the run's."""
    folder = archive / "archive" / "2026-01" / "finished-slides"
    folder.mkdir(parents=True, exist_ok=True)
    counted = {**JUDGED.differential.__dict__, "slide": slide, "images": len(calls), "classified": len(calls)}
    record = FinishedSlide(
        folder / f"{slide}-{day}.json", slide, archive.parent / where / slide, Provenance("", "", ""),
        f"2026-01-0{day}T00:00:00+00:00",
        "", (), types, type(JUDGED.differential)(**counted), JUDGED.finding,
    )  # fmt: skip
    write_finished(record, RecordBody(tuple(calls), ("",) * len(calls)), "")


@pytest.mark.parametrize("other", [BACKWARDS, cells.LEUKOCYTES, cells.LEUKOCYTES[::-1]])
def test_every_probability_of_an_archive_stands_under_its_type(archive: Path, other: tuple[str, ...]) -> None:
    put(archive, "A", cells.CELL_TYPES, calls_of(cells.CELL_TYPES))
    put(archive, "B", other, calls_of(other))
    found = of_run(read_archive(archive / "archive"), "reported", LabelOptions())
    assert found.cell_types == cells.CELL_TYPES
    assert found.probabilities is not None
    assert [found.cell_types[n] for n in found.called] == [*CALLED, *CALLED]
    np.testing.assert_allclose(found.probabilities[np.arange(6), found.called], 0.8)
    unknown = cells.indices(cells.CELL_TYPES, set(cells.CELL_TYPES) - set(other))
    assert not found.probabilities[3:, unknown].any()
    (model,) = evaluate([found]).models
    assert model.calibration is not None
    assert model.calibration.expected_error == pytest.approx(0.2)


def test_a_slide_of_an_ensemble_with_further_types_is_not_evaluated(tmp_path: Path) -> None:
    """An earlier night had 16 types. The table of tonight's cells has columns of the leukocytes alone."""
    earlier = [
        Call(c.image, c.status, c.cell_type, c.probability, "monocyte", c.probabilities[: len(cells.LEUKOCYTES)])
        for c in calls_of(cells.CELL_TYPES, ("monocyte", "artefact"))
    ]
    run = run_of(tmp_path, {"A": earlier, "B": calls_of(cells.LEUKOCYTES)}, write=False)
    found = of_run(replace(run, cell_types=cells.LEUKOCYTES), "reported", LabelOptions())
    assert found.slides == ("B",) * 3
    assert left(found)["other_types"] == (2, ("A/0.jpg", "A/1.jpg"))


@pytest.mark.parametrize("truth", ["reported", "truth.csv"])
def test_labels_of_types_that_an_ensemble_does_not_know_are_not_evaluated(tmp_path: Path, truth: str) -> None:
    """The ensemble calls leukocytes alone. The laboratory also reports smudge cells."""
    calls = [call(f"{n}.jpg", reported=name) for n, name in enumerate(("monocyte", "smudge_cell", "smudge_cell"))]
    table = tmp_path / "truth.csv"
    table.write_text("file,label\n" + "".join(f"A/{each.image},{each.reported_type}\n" for each in calls))
    run = replace(run_of(tmp_path, {"A": calls}), cell_types=cells.LEUKOCYTES)
    found = of_run(run, truth if truth == "reported" else table, LabelOptions())
    assert scored(found) == {"A/0.jpg": "monocyte"}
    assert left(found) == {"unknown_type": (2, ("A/1.jpg", "A/2.jpg"))}
    only = replace(run, slides=tuple(replace(slide, calls=calls[1:]) for slide in run.slides))
    with pytest.raises(InputError, match=r"types that the ensemble does not know: 2 \(first A/1.jpg\)"):
        of_run(only, truth if truth == "reported" else table, LabelOptions())


def test_a_type_that_only_the_ensemble_of_another_slide_knows_is_not_evaluated(archive: Path) -> None:
    put(archive, "A", cells.CELL_TYPES, calls_of(cells.CELL_TYPES, ("artefact", "monocyte")))
    one, other = calls_of(cells.LEUKOCYTES, ("basophil", "monocyte"))
    put(archive, "B", cells.LEUKOCYTES, [replace(one, reported_type="artefact"), other])
    found = of_run(read_archive(archive / "archive"), "reported", LabelOptions())
    assert scored(found) == {"A/0.jpg": "artefact", "A/1.jpg": "monocyte", "B/1.jpg": "monocyte"}
    assert left(found) == {"unknown_type": (1, ("B/0.jpg",))}


def test_cells_worth_a_look_come_from_all_slides_of_an_archive(archive: Path) -> None:
    """Their order on the page is that of the most probable types, by the types of each slide's own ensemble."""
    for slide, types in (("A", cells.CELL_TYPES), ("B", BACKWARDS), ("C", cells.LEUKOCYTES)):
        put(archive, slide, types, calls_of(types))
    path, count = write_uncertain(archive / "archive", 9, archive / "page")
    assert count == 9
    text = path.read_text()
    places = [[text.index(f"{slide}/{number}.jpg") for slide in "ABC"] for number in (1, 0, 2)]
    assert places == sorted(places), places
    assert max(places[0]) < min(places[1]) <= max(places[1]) < min(places[2])
