"""FHIR R4: a bundle of a slide's report, observations and specimens, and of the program that made them."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from slidescreen.exchange.codes import PANEL, CodeTable
from slidescreen.exchange.fault_checks import bundle_faults, invalid
from slidescreen.exchange.laboratory_report import LaboratoryReport, Measurement
from slidescreen.exchange.result_status import ResultStatus

SUFFIX = ".fhir.json"
_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_UCUM = "http://unitsofmeasure.org"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")  # characters that a FHIR string must not hold

Resource = dict[str, Any]


def bundle_file(report: LaboratoryReport, codes: CodeTable) -> bytes:
    """A bundle as JSON in UTF-8, checked by `fhir.resources` and by `fault_checks`.

    Raises:
        OutputError: the bundle would not be valid, which is a defect of this program.
    """
    bundle = bundle_of(report, codes)
    _check(bundle)
    return (json.dumps(bundle, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def bundle_of(report: LaboratoryReport, codes: CodeTable) -> Resource:
    """The resources of a report, in a bundle of type `collection`."""
    writer = _BundleWriter(report, codes)
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{report.content_identifier()}"},
        "type": "collection",
        "timestamp": report.time.isoformat(),
        "entry": [{"fullUrl": writer.url(role), "resource": resource} for role, resource in writer.resources()],
    }


def _check(bundle: Resource) -> None:
    from fhir.resources.R4B.bundle import Bundle  # takes most of a second
    from pydantic import ValidationError

    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    faults = bundle_faults(bundle)
    if faults:
        raise invalid(faults[0])


class _BundleWriter:
    """Makes a report's resources. Each has a role, by which other resources refer to it."""

    def __init__(self, report: LaboratoryReport, codes: CodeTable) -> None:
        self._report, self._codes = report, codes

    def url(self, role: str) -> str:
        return f"urn:uuid:{self._report.identifier(role)}"

    def resources(self) -> Iterator[tuple[str, Resource]]:
        report = self._report
        yield "report", self._diagnostic_report()
        yield "device", self._device()
        for slide in report.slides:
            yield f"specimen {slide}", self._specimen(slide)
        yield "panel", self._panel()
        for measurement in report.measurements:
            yield measurement.name, self._observation(measurement)

    def _diagnostic_report(self) -> Resource:
        report, order = self._report, self._report.order
        resource = {
            "resourceType": "DiagnosticReport",
            "identifier": [_identifier(order.accession, "FILL")],
            "status": ResultStatus.REPORT.fhir,
            "category": [{"coding": [{"system": f"{_TERMINOLOGY}/v2-0074", "code": "HM"}]}],
            "code": self._concept(PANEL, "Leukocyte differential"),
            **self._subject(),
            "issued": report.time.isoformat(),
            "specimen": self._specimens(),
            "result": [self._reference("panel")],
            "conclusion": "\n".join(map(_string, report.remarks)),
        }
        if order.placer:
            resource["basedOn"] = [{"type": "ServiceRequest", "identifier": _identifier(order.placer, "PLAC")}]
        if report.flags:
            resource["conclusionCode"] = [{"coding": [self._own(flag)], "text": _string(flag)} for flag in report.flags]
        return resource

    def _device(self) -> Resource:
        software = self._report.software
        versions = [{"type": {"text": "software"}, "value": _string(software.version)}]
        for file, digest in software.weights:
            versions.append({"type": {"text": _string(f"weights {file}, SHA-256")}, "value": _string(digest)})
        name = {"name": "slidescreen", "type": "model-name"}
        return {"resourceType": "Device", "deviceName": [name], "version": versions}

    def _specimen(self, slide: str) -> Resource:
        return {
            "resourceType": "Specimen",
            "identifier": [{"value": _string(slide)}],
            "accessionIdentifier": _identifier(self._report.order.accession, "ACSN"),
            "type": {"coding": [{"system": f"{_TERMINOLOGY}/v2-0487", "code": "BLD"}], "text": "blood smear"},
            **self._subject(),
        }

    def _panel(self) -> Resource:
        members = [self._reference(measurement.name) for measurement in self._report.measurements]
        resource = self._observed(ResultStatus.MEASURED, PANEL, "Leukocyte differential")
        return {**resource, "hasMember": members}

    def _observation(self, measurement: Measurement) -> Resource:
        resource = self._observed(measurement.status, measurement.name, measurement.words)
        resource |= _value(measurement)
        if measurement.abnormal:
            resource["interpretation"] = [{"coding": [{"system": _INTERPRETATION, "code": "A"}]}]
        if measurement.details:
            resource["component"] = [
                {"code": self._concept(detail.name, detail.words), **_value(detail)} for detail in measurement.details
            ]
        return resource

    def _observed(self, status: ResultStatus, name: str, words: str) -> Resource:
        resource = {
            "resourceType": "Observation",
            "status": status.fhir,
            "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "laboratory"}]}],
            "code": self._concept(name, words),
            **self._subject(),
            "issued": self._report.time.isoformat(),
            "device": self._reference("device"),
        }
        if len(self._report.slides) == 1:  # an observation can have only one specimen; the report lists several
            resource["specimen"] = self._specimens()[0]
        return resource

    def _subject(self) -> Resource:
        patient = self._report.order.patient
        return {"subject": {"type": "Patient", "identifier": _identifier(patient, "MR")}} if patient else {}

    def _specimens(self) -> Sequence[Resource]:
        return [self._reference(f"specimen {slide}") for slide in self._report.slides]

    def _reference(self, role: str) -> Resource:
        return {"reference": self.url(role)}

    def _own(self, code: str, words: str = "") -> Resource:
        coding = {"system": self._codes.own.url, "code": _string(code)}
        return coding | ({"display": _string(words)} if words else {})

    def _concept(self, name: str, words: str) -> Resource:
        """The code of a result, and our own code. LOINC's names are left out, because they change between releases."""
        code = self._codes.by_name.get(name)
        others = [{"system": code.system.url, "code": code.code}] if code else []
        return {"coding": [*others, self._own(name, words)], "text": _string(words)}


def _value(measurement: Measurement) -> Resource:
    if measurement.value is None:
        absent = {"system": f"{_TERMINOLOGY}/data-absent-reason", "code": "not-performed"}
        return {"dataAbsentReason": {"coding": [absent]}}
    if measurement.unit is None:
        return {"valueString": _string(measurement.value)}
    number = float(measurement.value)
    return {
        "valueQuantity": {
            "value": int(number) if number.is_integer() else number,
            "unit": measurement.unit,
            "system": _UCUM,
            "code": measurement.unit,
        }
    }


def _identifier(value: str, kind: str) -> Resource:
    """An identifier and its kind (table 0203)."""
    return {"type": {"coding": [{"system": f"{_TERMINOLOGY}/v2-0203", "code": kind}]}, "value": _string(value)}


def _string(text: str) -> str:
    """Text that FHIR allows. Forbidden characters are written as their codes."""
    return _NO_TEXT.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
