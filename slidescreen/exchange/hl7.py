"""HL7 v2.5.1: an ORU^R01 message of a slide, in seven kinds of segments. All text goes through `escaped`.

If no order names the patient, the patient's segment is left out. The standard allows it to be absent, but not empty.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from slidescreen.exchange.codes import PANEL, CodeTable
from slidescreen.exchange.fault_checks import invalid, message_faults
from slidescreen.exchange.laboratory_report import LaboratoryReport, Measurement
from slidescreen.exchange.result_status import ResultStatus

SUFFIX = ".hl7"
_SEGMENT_END = "\r"
_ESCAPES = {"|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "\\": "\\E\\", "&": "\\T\\"}
# Characters that may end a line or a message for some receiver: all controls, and the line ends of Unicode.
_SPECIAL = re.compile("[|^~\\\\&\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_ID = 20  # characters
_UNKNOWN_NAME = "^^^^^^U"  # an unspecified name of a patient (table 0200)

Fields = Mapping[int, str]
"""A segment's escaped fields, by their numbers in the standard."""


def escaped(text: str) -> str:
    """Text in the form for a field: delimiters as escape letters, line ends and controls as bytes."""
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or _bytes_of(found[0]), text)


def _bytes_of(character: str) -> str:
    return f"\\X{character.encode('utf-8', 'surrogatepass').hex().upper()}\\"


def oru_message(report: LaboratoryReport, codes: CodeTable) -> bytes:
    """A message in UTF-8; each segment ends with a carriage return.

    Raises:
        OutputError: the message would not be valid, which is a defect of this program.
    """
    message = "".join(segment + _SEGMENT_END for segment in _segments(report, codes))
    faults = message_faults(message)
    if faults:
        raise invalid(faults[0])
    return message.encode()


def _segments(report: LaboratoryReport, codes: CodeTable) -> Iterator[str]:
    time = _time(report.time)
    yield _header(report, time)
    yield _segment("SFT", _software(report))
    if report.order.patient:
        yield _segment("PID", {1: "1", 3: escaped(report.order.patient), 5: _UNKNOWN_NAME})
    yield _segment("OBR", _order(report, codes, time))
    for number, remark in enumerate(report.remarks, start=1):
        yield _segment("NTE", {1: str(number), 2: "L", 3: escaped(remark)})
    for number, (place, measurement) in enumerate(_numbered(report.measurements), start=1):
        yield _segment("OBX", {1: str(number), 4: place, 19: time, **_observation(measurement, codes)})
    for number, slide in enumerate(report.slides, start=1):
        yield _segment("SPM", {1: str(number), 2: f"^{escaped(slide)}", 4: "BLD^^HL70487"})


def _header(report: LaboratoryReport, time: str) -> str:
    control = report.content_identifier().hex[:_CONTROL_ID]
    fields = {
        2: "^~\\&",
        3: "SLIDESCREEN",
        7: time,
        9: "ORU^R01^ORU_R01",
        10: control,
        11: "P",
        12: "2.5.1",
        18: "UNICODE UTF-8",
    }
    return _segment("MSH", {number - 1: text for number, text in fields.items()})  # field 1 is the separator itself


def _software(report: LaboratoryReport) -> Fields:
    """The software segment. Field 4 has 20 characters of a digest of all weights, field 5 the hash of each."""
    weights = "; ".join(f"{file} SHA-256 {digest}" for file, digest in report.software.weights)
    return {
        1: "slidescreen",
        2: escaped(report.software.version),
        3: "slidescreen",
        4: report.software.digest[:20],
        5: escaped(f"weights: {weights}"),
    }


def _order(report: LaboratoryReport, codes: CodeTable, time: str) -> Fields:
    return {
        1: "1",
        2: escaped(report.order.placer),
        3: escaped(report.order.accession),
        4: _coded(PANEL, "Leukocyte differential", codes),
        22: time,
        24: "HM",
        25: ResultStatus.REPORT.hl7,
    }


def _observation(measurement: Measurement, codes: CodeTable) -> Fields:
    return {
        2: "TX" if measurement.unit is None else "NM",
        3: _coded(measurement.name, measurement.words, codes),
        5: escaped(measurement.value or ""),
        6: f"{escaped(measurement.unit)}^^UCUM" if measurement.unit else "",
        8: "A" if measurement.abnormal else "",
        11: measurement.status.hl7,
    }


def _numbered(measurements: Sequence[Measurement]) -> Iterator[tuple[str, Measurement]]:
    """Each result with its number (OBX-4). A detail has the result's number, a point, and its own number."""
    for number, measurement in enumerate(measurements, start=1):
        yield str(number), measurement
        for place, detail in enumerate(measurement.details, start=1):
            yield f"{number}.{place}", detail


def _coded(name: str, words: str, codes: CodeTable) -> str:
    """The code of a result, and our own code. The words are ours, because LOINC's change between releases."""
    own = f"{escaped(name)}^{escaped(words)}^{escaped(codes.own.hl7)}"
    code = codes.by_name.get(name)
    return f"{escaped(code.code)}^^{escaped(code.system.hl7)}^{own}" if code else own


def _segment(name: str, fields: Fields) -> str:
    """A segment, without the empty fields at its end."""
    last = max((number for number, text in fields.items() if text), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def _time(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")
