"""FHIR R4 bundles: read by libraries that did not write them."""

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from drawn_slides import (
    BOTH,
    LEUKAEMIC,
    ONLY_PLATELETS,
    WEIGHTS,
    bundle,
    exported,
    observations,
    of_twelve_types,
    resources,
    run_of,
    slide_of,
)
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from pydantic import ValidationError
from test_hl7 import NAMES
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.exchange.fault_checks import bundle_faults
from slidescreen.exchange.laboratory_report import identifier
from slidescreen.exchange.options import ExportFormat
from slidescreen.research_use import RESEARCH_USE
from slidescreen.screening.results import renamed

SLIDE = slide_of("26-0001", LEUKAEMIC)
URGENT = bundle(run_of(SLIDE))
LOINC = "http://loinc.org"

NODE = """
const {Fhir} = require('fhir');
const found = new Fhir().validate(JSON.parse(require('fs').readFileSync(0, 'utf8')), {errorOnUnexpected: true});
const faults = found.messages.filter(each => each.severity === 'error' || each.severity === 'fatal');
console.log(JSON.stringify({valid: found.valid, faults}));
"""


def test_a_bundle_holds_report_panel_observations_specimen_and_device() -> None:
    assert URGENT["type"] == "collection"
    kinds = [entry["resource"]["resourceType"] for entry in URGENT["entry"]]
    assert {kind: kinds.count(kind) for kind in kinds if kind != "Observation"} == {
        "DiagnosticReport": 1,
        "Device": 1,
        "Specimen": 1,
    }
    (report,), panel = resources(URGENT, "DiagnosticReport"), observations(URGENT)["differential"]
    urls = {entry["fullUrl"]: entry["resource"] for entry in URGENT["entry"]}
    assert urls[report["result"][0]["reference"]] == panel
    members = [urls[each["reference"]] for each in panel["hasMember"]]
    assert members == [each for each in resources(URGENT, "Observation") if each is not panel and each != panel]


def test_codes_are_loincs_without_a_name_and_ours_beside_them() -> None:
    codings = observations(URGENT)["myeloblast_percent"]["code"]["coding"]
    assert codings[0] == {"system": LOINC, "code": "30445-1"}
    assert codings[1]["code"] == "myeloblast_percent"
    for each in observations(URGENT).values():
        assert all("display" not in coding for coding in each["code"]["coding"] if coding["system"] == LOINC)
    discouraged = {"24318-8", "770-8", "58413-6"}
    assert not discouraged & {
        coding["code"] for each in observations(URGENT).values() for coding in each["code"]["coding"]
    }


def test_counted_percentages_are_the_values_and_the_rest_are_components() -> None:
    blasts, share = observations(URGENT)["blasts_percent"], SLIDE.differential.shares["blasts"]
    assert blasts["valueQuantity"] == {
        "value": round(share.percent or 0, 3),
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    parts = {each["code"]["coding"][0]["code"]: each["valueQuantity"] for each in blasts["component"]}
    assert parts["blasts_count"]["value"] == share.count
    assert parts["blasts_high"]["value"] == pytest.approx(share.high, abs=0.0005)
    assert parts["blasts_corrected_low"]["value"] == pytest.approx(share.corrected_low, abs=0.0005)


def test_zero_is_zero_and_undefined_is_cancelled_without_a_value() -> None:
    assert observations(URGENT)["lymphoblast_percent"]["valueQuantity"]["value"] == 0
    undefined = observations(bundle(run_of(slide_of("S", ONLY_PLATELETS))))["neutrophil_percent"]
    assert undefined["status"] == "cancelled"
    assert undefined["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert not {key for key in undefined if key.startswith(("value", "component", "interpretation"))}


def test_an_ensemble_of_twelve_types_says_nothing_of_the_others() -> None:
    found = observations(bundle(run_of(of_twelve_types(slide_of("S", NORMAL)), types=cells.LEUKOCYTES)))
    assert not [name for name in found if name.endswith("_per_100")]


def test_only_what_was_flagged_is_interpreted() -> None:
    found = observations(URGENT)
    assert found["blasts_percent"]["interpretation"][0]["coding"][0]["code"] == "A"
    assert "interpretation" not in found["neutrophil_percent"]
    assert not [
        each for each in observations(bundle(run_of(slide_of("S", NORMAL)))).values() if "interpretation" in each
    ]


def test_the_conclusion_tells_verdict_reasons_and_what_the_results_are_not() -> None:
    (report,) = resources(URGENT, "DiagnosticReport")
    assert report["conclusion"].split("\n") == ["Verdict: urgent", *SLIDE.finding.reasons, RESEARCH_USE]
    codes = [each["coding"][0]["code"] for each in report["conclusionCode"]]
    assert codes == [str(flag) for flag in SLIDE.finding.flags]


def test_the_device_tells_version_and_all_weights() -> None:
    (device,) = resources(URGENT, "Device")
    values = [each["value"] for each in device["version"]]
    assert values == ["0.1.0", *WEIGHTS.values()]


def test_times_are_the_slides() -> None:
    (report,) = resources(URGENT, "DiagnosticReport")
    assert report["issued"] == URGENT["timestamp"] == "2026-11-23T02:04:10+00:00"


def test_no_patient_is_invented() -> None:
    assert "subject" not in json.dumps(URGENT)


STRUCTURAL: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no status": lambda found: resources(found, "DiagnosticReport")[0].pop("status"),
    "no code": lambda found: resources(found, "Observation")[0].pop("code"),
    "an unknown field": lambda found: resources(found, "Specimen")[0].update(colour="blue"),
    "a list that is none": lambda found: resources(found, "Device")[0].update(version={"value": "1"}),
}


@pytest.mark.parametrize("fault", STRUCTURAL)
def test_fhir_resources_finds_a_planted_fault(fault: str) -> None:
    planted = copy.deepcopy(URGENT)
    STRUCTURAL[fault](planted)
    with pytest.raises(ValidationError):
        Bundle.model_validate(planted)


def plant(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: observations(found)[name].update(values)


OVERLOOKED: dict[str, Callable[[dict[str, Any]], None]] = {
    "Observation has the status 'nonsense'": plant("blasts_percent", status="nonsense"),
    "Observation has the status 'final'": plant("blasts_percent", status="final"),
    "DiagnosticReport has the status 'final'": lambda found: resources(found, "DiagnosticReport")[0].update(
        status="final"
    ),
    "'57.8' is no number": plant("blasts_percent", valueQuantity={"value": "57.8", "code": "%"}),
    "no resource has the address urn:uuid:0": plant("blasts_percent", device={"reference": "urn:uuid:0"}),
    "an observation has a value and is cancelled, or neither a value nor a reason": plant(
        "blasts_percent", status="cancelled"
    ),
    "an interpretation is {'coding': [{'code': 'N'}]}": plant(
        "neutrophil_percent", interpretation=[{"coding": [{"code": "N"}]}]
    ),
}


@pytest.mark.parametrize("fault", OVERLOOKED)
def test_what_fhir_resources_overlooks_is_found(fault: str) -> None:
    planted = copy.deepcopy(URGENT)
    OVERLOOKED[fault](planted)
    Bundle.model_validate(planted)
    assert bundle_faults(planted) == [fault]
    assert not bundle_faults(URGENT)


@settings(max_examples=15)
@given(name=NAMES)
def test_any_name_comes_back_from_a_bundle(name: str) -> None:
    (content,) = exported(run_of(renamed(SLIDE, name)), (ExportFormat.FHIR,)).values()
    found = Bundle.model_validate_json(content)
    specimen = next(e.resource for e in found.entry if e.resource.get_resource_type() == "Specimen")
    assert specimen.identifier[0].value == identifier(name)


def of_npm() -> list[str]:
    """How npm's package `fhir` is called; it brings FHIR R4's definitions along."""
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('fhir')"], capture_output=True, env=os.environ).returncode:
        pytest.skip("npm's package fhir is not installed: set NODE_PATH")
    return [node, "-e", NODE]


def validated_by_npm(found: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(of_npm(), input=json.dumps(found), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("counts", [LEUKAEMIC, NORMAL, ONLY_PLATELETS, {}])
def test_npms_validator_finds_no_fault(counts: dict[str, int]) -> None:
    assert validated_by_npm(bundle(run_of(slide_of("S", counts)))) == {"valid": True, "faults": []}


@pytest.mark.parametrize("fault", STRUCTURAL)
def test_npms_validator_finds_a_planted_fault(fault: str) -> None:
    planted = copy.deepcopy(URGENT)
    STRUCTURAL[fault](planted)
    assert not validated_by_npm(planted)["valid"]


def test_both_formats_have_the_same_bytes_whenever_they_are_made() -> None:
    slides = (slide_of("S1", NORMAL), slide_of("S2", LEUKAEMIC))
    assert exported(run_of(*slides), BOTH) == exported(run_of(*slides), BOTH)
    later = exported(run_of(*slides, finished="2026-12-01T00:00:00+00:00"), BOTH)
    assert later == exported(run_of(*slides), BOTH)  # a slide's own time counts
