"""Which order a slide belongs to, and what becomes of slides of one accession number."""

from pathlib import Path

import pytest
from drawn_slides import (
    LEUKAEMIC,
    bundle,
    exported,
    message,
    observations,
    refused,
    resources,
    results,
    run_of,
    segments,
    slide_of,
)
from test_screening import NORMAL

from slidescreen.errors import InputError
from slidescreen.exchange.formats import Exporter
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.statistics.intervals import clopper_pearson

PATTERN = r"^(?P<accession>\d\d-\d{4})"
FIRST, SECOND = slide_of("26-0001_a", NORMAL), slide_of("26-0001_b", LEUKAEMIC)
OTHER = slide_of("26-0002_a", NORMAL)


def orders(folder: Path, text: str) -> Path:
    path = folder / "orders.csv"
    path.write_text(text, encoding="utf-8")
    return path


def warnings(*slides: object, **options: object) -> list[str]:
    exporter = Exporter(ExportOptions((ExportFormat.HL7,), **options))
    return list(exporter.warnings(exporter.files(run_of(*slides))))


def accession_of(text: str) -> str:
    return segments(text, "OBR")[0][3]


def test_a_slides_name_is_its_accession_number_unless_something_tells_another(tmp_path: Path) -> None:
    table = orders(tmp_path, "slide,accession\n26-0001_a,A77\n")
    assert accession_of(message(run_of(FIRST))) == "26-0001_a"
    assert accession_of(message(run_of(FIRST), order_pattern=PATTERN)) == "26-0001"
    assert accession_of(message(run_of(FIRST), order_pattern=PATTERN, orders=table)) == "A77"


def test_the_specimen_keeps_the_slides_name() -> None:
    assert segments(message(run_of(FIRST), order_pattern=PATTERN), "SPM")[0][2] == "^26-0001_a"
    (specimen,) = resources(bundle(run_of(FIRST), order_pattern=PATTERN), "Specimen")
    assert specimen["identifier"][0]["value"] == "26-0001_a"
    assert specimen["accessionIdentifier"]["value"] == "26-0001"


def test_an_order_names_placer_and_patient(tmp_path: Path) -> None:
    table = orders(tmp_path, "Slide;Accession;Placer;Patient;leukocytes_per_nl\n26-0001_a;A77;P|5;0042^x;3,1\n")
    text, found = message(run_of(FIRST), orders=table), bundle(run_of(FIRST), orders=table)
    (patient,), (order,) = segments(text, "PID"), segments(text, "OBR")
    assert (patient[3], patient[5], order[2], order[3]) == ("0042\\S\\x", "^^^^^^U", "P\\F\\5", "A77")
    (report,) = resources(found, "DiagnosticReport")
    assert report["basedOn"][0]["identifier"]["value"] == "P|5"
    for each in (report, *resources(found, "Observation"), *resources(found, "Specimen")):
        assert each["subject"]["identifier"]["value"] == "0042^x"


def test_a_slide_without_an_order_is_exported_without_a_patient_and_said(tmp_path: Path) -> None:
    table = orders(tmp_path, "slide,patient\n26-0001_a,42\n")
    assert not segments(message(run_of(OTHER), orders=table), "PID")
    (said,) = warnings(FIRST, OTHER, orders=table)
    assert "26-0002_a" in said
    assert "26-0001_a" not in said


def test_a_pattern_that_does_not_match_is_said() -> None:
    (said,) = warnings(FIRST, slide_of("odd", NORMAL), order_pattern=PATTERN)
    assert said.startswith("--order-pattern does not match odd: ")


def test_slides_of_one_accession_number_are_refused_and_others_are_not() -> None:
    run = run_of(FIRST, SECOND, OTHER)
    assert {name.partition(".")[0] for name in exported(run, order_pattern=PATTERN)} == {"26-0002_a"}
    (refusal,) = refused(run, order_pattern=PATTERN)
    assert "26-0001_a, 26-0001_b" in refusal.why
    assert "--sum-accessions" in refusal.why


def test_slides_of_one_accession_number_are_added_up_if_that_is_asked_for() -> None:
    files = exported(run_of(FIRST, SECOND), order_pattern=PATTERN, sum_accessions=True)
    assert {*files} == {"26-0001_a+26-0001_b.fhir.json", "26-0001_a+26-0001_b.hl7"}
    found = results(files["26-0001_a+26-0001_b.hl7"].decode())
    cells = sum({**NORMAL}.values()) + 330  # of the second: as many, and 130 immature
    blasts = clopper_pearson(90, cells)
    assert found["leukocytes"][5] == str(cells)
    assert float(found["blasts_percent"][5]) == pytest.approx(100 * 90 / cells, abs=0.0005)
    assert float(found["blasts_high"][5]) == pytest.approx(100 * blasts.high, abs=0.0005)
    assert float(found["erythroblast_per_100"][5]) == pytest.approx(100 * 12 / cells, abs=0.0005)
    assert found["verdict"][5] == "urgent"  # that of the slide to be seen first
    assert "blasts_corrected_percent" not in found


def test_a_report_of_two_slides_has_two_specimens_and_tells_the_reasons_of_each() -> None:
    options = {"order_pattern": PATTERN, "sum_accessions": True}
    found, text = bundle(run_of(FIRST, SECOND), **options), message(run_of(FIRST, SECOND), **options)
    assert len(resources(found, "Specimen")) == len(segments(text, "SPM")) == 2
    (report,) = resources(found, "DiagnosticReport")
    assert len(report["specimen"]) == 2
    for slide in (FIRST, SECOND):
        assert f"{slide.name}: {slide.finding.verdict}" in report["conclusion"].split("\n")
    assert "specimen" not in observations(found)["blasts_percent"]


def test_two_patients_are_never_added_up(tmp_path: Path) -> None:
    table = orders(tmp_path, "slide,accession,patient\n26-0001_a,A1,42\n26-0001_b,A1,43\n")
    (refusal,) = refused(run_of(FIRST, SECOND), orders=table, sum_accessions=True)
    assert "different orders or patients" in refusal.why
    assert exported(run_of(FIRST, SECOND), orders=table, sum_accessions=True) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accession\nA1\n", "lacks the column slide"),
        ("slide,patient\nS,1\nS,2\n", "line 3: another line says otherwise of the slide 'S'"),
        ("slide,patient\n,1\n", "line 2: no slide is named"),
    ],
)
def test_a_table_of_orders_that_cannot_be_used_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        Exporter(ExportOptions((ExportFormat.HL7,), orders=orders(tmp_path, text)))


@pytest.mark.parametrize("text", ["", "\ufeff \r\n", "sep=;\n"])
def test_an_empty_file_is_a_table_of_orders_without_lines(text: str, tmp_path: Path) -> None:
    (said,) = warnings(FIRST, orders=orders(tmp_path, text))
    assert said.startswith("--orders has no line for 26-0001_a: ")


def test_a_name_that_a_spreadsheet_would_run_is_found(tmp_path: Path) -> None:
    table = orders(tmp_path, "slide,patient\n'=S,42\n")
    assert segments(message(run_of(slide_of("=S", NORMAL)), orders=table), "PID")[0][3] == "42"


@pytest.mark.parametrize("pattern", ["(", "26-(?P<order>.*)", ""])
def test_a_pattern_without_accession_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="--order-pattern"):
        ExportOptions((ExportFormat.HL7,), order_pattern=pattern)
