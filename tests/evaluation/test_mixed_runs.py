"""Runs and archives whose slides come from ensembles with different cell types."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from test_matching import JUDGED, left, run_of

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.label_options import LabelOptions
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


def put(archive: Path, slide: str, types: tuple[str, ...], calls: Sequence[Call]) -> None:
    """Put the record of a slide into the archive."""
    folder = archive / "archive" / "2026-01" / "finished-slides"
    folder.mkdir(parents=True, exist_ok=True)
    counted = {**JUDGED.differential.__dict__, "slide": slide, "images": len(calls), "classified": len(calls)}
    record = FinishedSlide(
        folder / f"{slide}.json", slide, archive / "gone" / slide, Provenance("", "", ""), "2026-01-01T00:00:00+00:00",
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
        Call(c.image, c.status, c.cell_type, c.probability, c.reported_type, c.probabilities[: len(cells.LEUKOCYTES)])
        for c in calls_of(cells.CELL_TYPES, ("monocyte", "artefact"))
    ]
    run = run_of(tmp_path, {"A": earlier, "B": calls_of(cells.LEUKOCYTES)}, write=False)
    found = of_run(type(run)(run.slides, cells.LEUKOCYTES, run.info), "reported", LabelOptions())
    assert found.slides == ("B",) * 3
    assert left(found)["other_types"] == (2, ("A/0.jpg", "A/1.jpg"))


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
