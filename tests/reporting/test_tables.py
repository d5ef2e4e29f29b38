"""cells.csv and differential.csv: what is written comes back."""

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide
from slidescreen.errors import InputError
from slidescreen.reporting.tables import read_calls, read_differentials, write_cells, write_differentials
from slidescreen.screening.results import SlideResult, judge
from slidescreen.screening.thresholds import default_thresholds

LEADING = ("slide", "images", "classified", "unidentified", "unreadable", "duplicates", "leukocytes")
ENDING = ("unfamiliar_count", "unfamiliar_percent")


def result(calls: list[Call], name: str = "S1") -> SlideResult:
    return judge(Slide(name, Path("/somewhere") / "x", ()), tuple(calls), ensemble(measured()), default_thresholds())


def blast_slide(name: str = "S1") -> SlideResult:
    counts = {**NORMAL, "myeloblast": 90, "promyelocyte": 40, "smudge_cell": 9}
    return result([Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, k in counts.items() for i in range(k)], name)


def test_the_columns_are_the_contracts(tmp_path: Path) -> None:
    write_differentials(tmp_path / "d.csv", [blast_slide()])
    write_cells(tmp_path / "c.csv", [blast_slide()], cells.CELL_TYPES)
    header = (tmp_path / "d.csv").read_text().splitlines()[0].split(",")
    counted = [
        f"{n}_{p}"
        for n in (*cells.LEUKOCYTES, "blasts", "immature_granulocytes")
        for p in ("count", "percent", "low", "high")
    ]
    corrected = [
        f"{n}_corrected_{p}"
        for n in (*cells.LEUKOCYTES, "blasts", "immature_granulocytes")
        for p in ("percent", "low", "high")
    ]
    others = [f"{n}_per_100" for n in cells.OTHER_OBJECTS]
    assert header == [*LEADING, *counted, *corrected, *others, "verdict", "flags", "reasons", *ENDING]
    header = (tmp_path / "c.csv").read_text().splitlines()[0].split(",")
    assert header == [
        "slide",
        "image",
        "status",
        "cell_type",
        "probability",
        "reported_type",
        *(f"p_{n}" for n in cells.CELL_TYPES),
        "unfamiliarity",
    ]


def test_a_differential_comes_back(tmp_path: Path) -> None:
    written = blast_slide()
    write_differentials(tmp_path / "d.csv", [written])
    ((differential, finding),) = read_differentials(tmp_path / "d.csv")
    assert finding == written.finding
    for name, share in written.differential.shares.items():
        assert differential.shares[name].count == share.count
        assert differential.shares[name].corrected_high == pytest.approx(share.corrected_high, abs=1e-3)
    assert differential.per_100 == pytest.approx(written.differential.per_100, abs=1e-3)


def test_unfamiliarity_comes_back(tmp_path: Path) -> None:
    calls = [
        Call(f"{n}", Status.CLASSIFIED, "monocyte", 0.5, "", (0.5, *[0.5 / 15] * 15), unfamiliarity=u)
        for n, u in enumerate((0.25, 1.0, 7.5, None))
    ]
    write_cells(tmp_path / "c.csv", [result(calls)], cells.CELL_TYPES)
    write_differentials(tmp_path / "d.csv", [result(calls)])
    assert [call.unfamiliarity for call in read_calls(tmp_path / "c.csv")[0]["S1"]] == [0.25, 1.0, 7.5, None]
    ((differential, _),) = read_differentials(tmp_path / "d.csv")
    assert (differential.unfamiliar, differential.compared) == (2, 3)
    assert differential.unfamiliar_percent == pytest.approx(200 / 3)


def test_tables_of_earlier_releases_have_no_unfamiliarity(tmp_path: Path) -> None:
    calls = [Call("a", Status.CLASSIFIED, "monocyte", 0.5, "", (0.5, *[0.5 / 15] * 15), unfamiliarity=0.25)]
    write_cells(tmp_path / "c.csv", [result(calls)], cells.CELL_TYPES)
    write_differentials(tmp_path / "d.csv", [result(calls)])
    for name, columns in (("c", 1), ("d", 2)):
        path = tmp_path / f"{name}.csv"
        rows = [row[:-columns] for row in csv.reader(path.open())]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    assert {call.unfamiliarity for call in read_calls(tmp_path / "c.csv")[0]["S1"]} == {None}
    assert read_differentials(tmp_path / "d.csv")[0][0].unfamiliar_percent is None


def test_an_empty_slide_has_empty_percentages(tmp_path: Path) -> None:
    write_differentials(tmp_path / "d.csv", [result([Call("a", Status.UNREADABLE, reason="x")])])
    (row,) = csv.DictReader((tmp_path / "d.csv").open())
    assert (row["blasts_count"], row["blasts_percent"], row["blasts_corrected_low"]) == ("0", "", "")
    assert row["verdict"] == "insufficient"
    assert read_differentials(tmp_path / "d.csv")[0][0].shares["blasts"].percent is None


printable_names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(printable_names, st.lists(printable_names, min_size=1, max_size=4, unique=True))
def test_any_names_come_back_and_no_cell_is_a_formula(tmp_path: Path, slide: str, images: list[str]) -> None:
    calls = [Call(name, Status.CLASSIFIED, "monocyte", 0.5, "blast", (0.5, *[0.5 / 15] * 15)) for name in images]
    write_cells(tmp_path / "c.csv", [result(calls, slide)], cells.CELL_TYPES)
    found, types = read_calls(tmp_path / "c.csv")
    assert types == cells.CELL_TYPES
    assert [call.image for call in found[slide]] == images
    with (tmp_path / "c.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            assert not [text for text in row if text.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "slide,image,status,cell_type,probability,reported_type\nS,i,eaten,,,\n"]
)
def test_a_foreign_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=r"lacks the column|line 2"):
        read_calls(tmp_path / "c.csv")
