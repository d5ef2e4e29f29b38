"""No result leaves as a final one, whatever was found and whatever is asked for."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn_slides import BOTH, LEUKAEMIC, ONLY_PLATELETS, exported, of_twelve_types, run_of, segments, slide_of
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.exchange.formats import ExportedFile, Exporter
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.exchange.result_status import ResultStatus
from slidescreen.screening.finding import Verdict
from slidescreen.screening.slide_review import CellReview, SlideReview, reviewed_shares

# HL7's own maps from v2 to FHIR, of the tables 0123 (Result Status) and 0085 (Observation Result Status).
TABLE_0123 = {"R": "partial", "P": "preliminary", "F": "final", "C": "corrected", "X": "cancelled"}
TABLE_0085 = {"P": "preliminary", "X": "cancelled", "F": "final", "C": "corrected", "D": "entered-in-error"}

RUNS = {
    "clear": run_of(slide_of("S1", NORMAL)),
    "urgent": run_of(slide_of("S1", LEUKAEMIC)),
    "unreliable": run_of(slide_of("S1", {"neutrophil": 20}, unidentified=30, unreadable=2)),
    "no leukocytes": run_of(slide_of("S1", ONLY_PLATELETS)),
    "no images": run_of(slide_of("S1", {})),
    "twelve types": run_of(of_twelve_types(slide_of("S1", NORMAL)), types=cells.LEUKOCYTES),
    "two slides": run_of(slide_of("S1", NORMAL), slide_of("S2", LEUKAEMIC)),
    "drift": run_of(slide_of("final", NORMAL), drift=["colours departed"]),
}


def option_sets(folder: Path) -> Iterator[dict[str, Any]]:
    """Each option left out and given, in all combinations."""
    orders, codes = folder / "orders.csv", folder / "codes.toml"
    orders.write_text("slide,accession,placer,patient\nS1,A1,P1,12345\nfinal,F,F,F\n")
    codes.write_text('[codes]\nverdict = { system = "slidescreen", code = "F" }\n')
    choices: list[list[dict[str, Any]]] = [
        [{}, {"orders": orders}],
        [{}, {"codes": codes}],
        [{}, {"order_pattern": "(?P<accession>S|final)"}],
        [{}, {"sum_accessions": True}],
    ]
    for chosen in itertools.product(*choices):
        yield {key: value for each in chosen for key, value in each.items()}


def statuses_of_message(text: str) -> tuple[list[str], list[str]]:
    return [each[25] for each in segments(text, "OBR")], [each[11] for each in segments(text, "OBX")]


def statuses_of_bundle(found: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Of reports, and of observations but the panel, which HL7 v2 has as the order itself."""
    inside = [entry["resource"] for entry in found["entry"]]
    reports = [each["status"] for each in inside if each["resourceType"] == "DiagnosticReport"]
    singles = [each for each in inside if each["resourceType"] == "Observation" and "hasMember" not in each]
    statuses = []
    for each in singles:  # what is a component in FHIR is an OBX of its own in HL7 v2
        statuses += [each["status"]] * (1 + len(each.get("component", ())))
    return reports, statuses


@pytest.mark.parametrize("what", RUNS)
def test_every_output_is_unverified_and_both_formats_say_the_same(what: str, tmp_path: Path) -> None:
    for options in option_sets(tmp_path):
        files = exported(RUNS[what], BOTH, **options)
        for name in (name for name in files if name.endswith(".hl7")):
            reports, results = statuses_of_message(files[name].decode())
            bundle = json.loads(files[name.removesuffix(".hl7") + ".fhir.json"])
            assert reports == ["R"]
            assert {*results} <= {"P", "X"}
            assert statuses_of_bundle(bundle) == ([TABLE_0123[r] for r in reports], [TABLE_0085[r] for r in results])
            panel = next(e["resource"] for e in bundle["entry"] if "hasMember" in e["resource"])
            assert panel["status"] == "preliminary"


def test_there_is_no_word_for_a_final_result() -> None:
    assert {(each.fhir, each.hl7) for each in ResultStatus} == {
        ("partial", "R"),
        ("preliminary", "P"),
        ("cancelled", "X"),
    }


def verdicts() -> dict[str, Verdict]:
    return {what: run.slides[0].finding.verdict for what, run in RUNS.items()}


def test_the_runs_tried_have_every_verdict() -> None:
    assert {*verdicts().values()} >= {Verdict.CLEAR, Verdict.URGENT, Verdict.INSUFFICIENT}


def test_a_review_is_sent_to_who_got_the_slide_without_it() -> None:
    slide = slide_of("S1", NORMAL)
    review = SlideReview({}, (), ("A",), "", True, (), reviewed_shares(slide.calls, {}))
    outcomes = {
        file.outcome
        for each in (slide, replace(slide, review=review), replace(slide, review=replace(review, signed=False)))
        for file in Exporter(ExportOptions((ExportFormat.HL7,))).files(run_of(each))
        if isinstance(file, ExportedFile)
    }
    assert len(outcomes) == 2


@pytest.mark.parametrize(("signed", "words"), [(True, "Reviewed and signed in the page"), (False, "not signed")])
def test_a_signed_review_is_told_in_words_and_makes_nothing_final(signed: bool, words: str) -> None:
    slide = slide_of("S1", LEUKAEMIC)
    said = {call.image: CellReview("monocyte", "A|B") for call in slide.calls if call.cell_type == "myeloblast"}
    shares = reviewed_shares(slide.calls, said)
    review = SlideReview(said, tuple(said), ("A|B",), "2026-11-24T08:00:00+00:00", signed, (), shares)
    files = exported(run_of(replace(slide, review=review)), BOTH)
    told = {
        f"{words} by A|B (2026-11-24T08:00:00+00:00): by the reviewed cell types blasts 0.0%, immature granulocytes "
        f"{shares['immature_granulocytes'].percent:.1f}%. All other figures here are the software's"
        if signed
        else f"Reviewed in part, {words}, by A|B"
    }
    text = files["S1.hl7"].decode()
    bundle = json.loads(files["S1.fhir.json"])
    reports = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    notes = [each[3].replace("\\F\\", "|") for each in segments(text, "NTE")]
    for sentence in told:
        assert any(sentence in note for note in notes)
        assert sentence in reports[0]["conclusion"]
    assert statuses_of_message(text)[0] == ["R"]
    assert {*statuses_of_message(text)[1]} <= {"P", "X"}
    assert reports[0]["status"] == "partial"
