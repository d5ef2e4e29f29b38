"""Faults that validators of FHIR and HL7 overlook: wrong status words, invalid numbers, references to nothing."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from slidescreen.errors import OutputError
from slidescreen.exchange.result_status import ResultStatus

_REPORTS = {ResultStatus.REPORT}
_OBSERVATIONS = {ResultStatus.MEASURED, ResultStatus.NOT_OBTAINED}
_FHIR_STATUS = {
    "DiagnosticReport": {status.fhir for status in _REPORTS},
    "Observation": {status.fhir for status in _OBSERVATIONS},
}
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_OBR_STATUS, _OBX_TYPE, _OBX_VALUE, _OBX_ABNORMAL, _OBX_STATUS = 25, 2, 5, 8, 11


def invalid(fault: str) -> OutputError:
    """The error for a fault. An invalid result is not written."""
    return OutputError(f"not written, because the result would not be valid ({fault}): a defect, please report it")


def bundle_faults(bundle: Mapping[str, Any]) -> list[str]:
    """The faults of a bundle, even if its structure is valid; empty if there are none."""
    entries = bundle.get("entry", ())
    known = {entry.get("fullUrl") for entry in entries}
    faults = [f"no resource has the address {url}" for url in _references(bundle) if url not in known]
    if len(known) != len(entries):
        faults.append("two resources have one address")
    for entry in entries:
        faults += _resource_faults(entry["resource"])
    return faults


def _resource_faults(resource: Mapping[str, Any]) -> Iterator[str]:
    kind, status = resource["resourceType"], resource.get("status")
    if kind in _FHIR_STATUS and status not in _FHIR_STATUS[kind]:
        yield f"{kind} has the status {status!r}"
    if kind != "Observation":
        return
    cancelled = status == ResultStatus.NOT_OBTAINED.fhir
    valued = any(key.startswith("value") for key in resource)
    if (valued and (cancelled or "dataAbsentReason" in resource)) or (cancelled and "dataAbsentReason" not in resource):
        yield "an observation has a value and is cancelled, or neither a value nor a reason"
    for part in (resource, *resource.get("component", ())):
        number = part.get("valueQuantity", {"value": 0}).get("value")
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            yield f"{number!r} is no number"
    for each in resource.get("interpretation", ()):
        if [coding.get("code") for coding in each.get("coding", ())] != ["A"]:
            yield f"an interpretation is {each!r}"


def _references(found: Any) -> Iterator[str]:
    """All addresses to which a resource and its parts refer."""
    if isinstance(found, Mapping):
        if "reference" in found:
            yield found["reference"]
        for each in found.values():
            yield from _references(each)
    elif isinstance(found, list):
        for each in found:
            yield from _references(each)


def message_faults(message: str) -> list[str]:
    """The faults of an HL7 message, even if its structure is valid; empty if there are none."""
    faults = []
    for segment in message.split("\r"):
        fields = [*segment.split("|"), *[""] * _OBR_STATUS]
        if fields[0] == "OBR" and fields[_OBR_STATUS] not in {status.hl7 for status in _REPORTS}:
            faults.append(f"OBR-25 is {fields[_OBR_STATUS]!r}")
        elif fields[0] == "OBX":
            faults += _observation_faults(fields)
    return faults


def _observation_faults(fields: list[str]) -> Iterator[str]:
    status, value = fields[_OBX_STATUS], fields[_OBX_VALUE]
    if status not in {each.hl7 for each in _OBSERVATIONS}:
        yield f"OBX-11 is {status!r}"
    if (status == ResultStatus.NOT_OBTAINED.hl7) != (value == ""):
        yield f"OBX-5 is {value!r} where OBX-11 is {status}"
    if fields[_OBX_TYPE] == "NM" and value and not _NUMBER.fullmatch(value):
        yield f"{value!r} is no number"
    if fields[_OBX_ABNORMAL] not in ("", "A"):
        yield f"OBX-8 is {fields[_OBX_ABNORMAL]!r}"
