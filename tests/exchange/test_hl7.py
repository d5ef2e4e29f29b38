"""HL7 v2.5.1 messages: read back by libraries that did not write them."""

import re
from collections.abc import Callable
from pathlib import Path

import hl7
import pytest
from drawn_slides import (
    LEUKAEMIC,
    ONLY_PLATELETS,
    WEIGHTS,
    message,
    of_twelve_types,
    results,
    run_of,
    segments,
    slide_of,
    unescaped,
)
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hl7apy.validation import Validator
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_screening import NORMAL

from slidescreen import cells
from slidescreen.exchange.fault_checks import message_faults
from slidescreen.exchange.hl7 import escaped
from slidescreen.exchange.laboratory_report import identifier
from slidescreen.files.writing import printable
from slidescreen.research_use import RESEARCH_USE
from slidescreen.screening.results import renamed

SLIDE = slide_of("26-0001", LEUKAEMIC)
URGENT = message(run_of(SLIDE))

NAMES = st.one_of(
    st.text(min_size=1, max_size=60),
    st.text(st.sampled_from("|^~\\&\r\n\t\x0b\x1c\x85\u2028aé漢ш"), min_size=1, max_size=12),
    st.sampled_from(["a|b^c~d\\e&f", "\\.br\\", "\\E\\", "a\r\nMSH|", "x" * 400, "Ångström 陳", "\udcff\udcfe"]),
)


def validate(text: str) -> None:
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    Validator.validate(parsed)


def test_a_message_has_seven_kinds_of_segments_in_the_standards_order(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("slide,patient\n26-0001,12345\n")
    kinds = [line[:3] for line in message(run_of(SLIDE), orders=tmp_path / "orders.csv").split("\r")[:-1]]
    assert list(dict.fromkeys(kinds)) == ["MSH", "SFT", "PID", "OBR", "NTE", "OBX", "SPM"]
    assert kinds == sorted(kinds, key=list(dict.fromkeys(kinds)).index)


def test_the_header_declares_version_structure_and_encoding() -> None:
    (header,) = segments(URGENT, "MSH")
    assert (header[2], header[9], header[12], header[18]) == ("^~\\&", "ORU^R01^ORU_R01", "2.5.1", "UNICODE UTF-8")
    assert re.fullmatch(r"[0-9a-f]{20}", header[10])
    assert header[7] == "20261123020410+0000"  # the slide's time in the run's record


def test_segments_end_with_a_carriage_return_and_nothing_else_does() -> None:
    assert URGENT.endswith("\r")
    assert "\n" not in URGENT
    assert len(URGENT.splitlines()) == URGENT.count("\r")


@pytest.mark.parametrize("slide", [SLIDE, slide_of("S", NORMAL), slide_of("S", {}), slide_of("S", ONLY_PLATELETS)])
def test_hl7apy_finds_no_fault(slide: object) -> None:
    validate(message(run_of(slide)))


FAULTS: dict[str, Callable[[str], str]] = {
    "no panel's code": lambda text: text.replace("69738-3^^LN^differential^Leukocyte differential^99SLS", "", 1),
    "a date that is none": lambda text: text.replace("20261123020410+0000||HM", "2026-11-23||HM", 1),
    "a code too long": lambda text: text.replace("26505-8^", f"{'9' * 300}^", 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_hl7apy_finds_a_planted_fault(fault: str) -> None:
    with pytest.raises(Exception, match=r".+"):
        validate(FAULTS[fault](URGENT))


OVERLOOKED = {
    "'abc' is no number": ("|8.|", "|abc|"),
    "OBX-11 is 'Q'": ("|||P|", "|||Q|"),
    "OBX-11 is 'F'": ("|||P|", "|||F|"),
    "OBR-25 is 'F'": ("|HM|R", "|HM|F"),
    "OBX-8 is 'N'": ("||A|||P", "||N|||P"),
    "OBX-5 is '' where OBX-11 is P": ("|urgent|", "||"),
}


@pytest.mark.parametrize("fault", OVERLOOKED)
def test_what_hl7apy_overlooks_is_found(fault: str) -> None:
    good, bad = OVERLOOKED[fault]
    text = URGENT.replace(results(URGENT)["neutrophil_percent"][5], "8.", 1) if good == "|8.|" else URGENT
    assert good in text
    planted = text.replace(good, bad, 1)
    validate(planted)
    assert message_faults(planted)[0] == fault
    assert not message_faults(URGENT)


@given(text=NAMES)
def test_any_text_comes_back_from_a_field(text: str) -> None:
    written = escaped(text)
    assert unescaped(written) == text
    assert not re.search("[|^~&\x00-\x1f\x7f-\x9f\u2028\u2029]", written)
    written.encode("utf-8")


@settings(max_examples=30)
@given(name=NAMES)
def test_any_name_comes_back_from_a_message(name: str) -> None:
    """By python-hl7, and by the reader of these tests."""
    text = message(run_of(renamed(SLIDE, name)))
    expected = printable(name) if len(escaped(printable(name))) < 200 else identifier(name)
    parsed = hl7.parse(text)
    assert parsed.unescape(str(parsed.segment("OBR")[3])) == expected
    assert parsed.unescape(str(parsed.segment("SPM")[2][0][1])) == expected
    assert unescaped(segments(text, "OBR")[0][3]) == expected
    assert len(parsed.segments("OBX")) == len(segments(URGENT, "OBX"))


@given(names=st.tuples(st.text(min_size=50, max_size=300), st.text(min_size=50, max_size=300)))
def test_names_are_as_long_as_the_standard_allows_and_differ(names: tuple[str, str]) -> None:
    first, second = names
    assert len(escaped(identifier(first))) < 200
    assert len(escaped(identifier("&" * 100 + first))) < 200
    assert (identifier(first) == identifier(second)) == (printable(first) == printable(second))


@settings(max_examples=30)
@example(name="&" * 150)
@given(name=NAMES)
def test_hl7apy_finds_no_fault_whatever_a_slide_is_called(name: str) -> None:
    """In the segments that have names; it takes half a second over all others."""
    lines = message(run_of(renamed(SLIDE, name))).split("\r")
    validate("\r".join(line for line in lines if not re.match(r"OBX\|\d\d", line)))


def test_python_hl7_finds_a_name_that_was_not_escaped() -> None:
    planted = message(run_of(renamed(SLIDE, "a|b"))).replace("a\\F\\b", "a|b")
    order = hl7.parse(planted).segment("OBR")
    assert str(order[3]) != "a|b"
    assert str(order[25]) != "R"


def test_counted_percentages_are_the_values_and_the_rest_stands_with_them() -> None:
    found, share = results(URGENT), SLIDE.differential.shares["blasts"]
    blasts = found["blasts_percent"]
    assert blasts[3] == "26446-5^^LN^blasts_percent^Blasts^99SLS"
    assert float(blasts[5]) == pytest.approx(share.percent, abs=0.0005)
    assert (blasts[2], blasts[6]) == ("NM", "%^^UCUM")
    assert found["blasts_count"][5] == str(share.count)
    assert float(found["blasts_low"][5]) == pytest.approx(share.low, abs=0.0005)
    assert float(found["blasts_corrected_percent"][5]) == pytest.approx(share.corrected_percent, abs=0.0005)
    assert found["blasts_count"][4] == f"{blasts[4]}.1"


def test_zero_is_zero_and_undefined_is_empty_and_cancelled() -> None:
    lymphoblasts = results(URGENT)["lymphoblast_percent"]
    assert (lymphoblasts[5], lymphoblasts[11]) == ("0", "P")
    found = results(message(run_of(slide_of("S", ONLY_PLATELETS))))
    for name in ("neutrophil_percent", "blasts_percent", "erythroblast_per_100"):
        assert (found[name][5], found[name][11], found[name][8]) == ("", "X", "")
    assert "neutrophil_low" not in found
    assert (found["leukocytes"][5], found["leukocytes"][11]) == ("0", "P")


def test_an_ensemble_of_twelve_types_says_nothing_of_the_others() -> None:
    found = results(message(run_of(of_twelve_types(slide_of("S", NORMAL)), types=cells.LEUKOCYTES)))
    assert not [name for name in found if name.endswith("_per_100")]
    assert "neutrophil_percent" in found


def test_what_was_flagged_is_abnormal_and_nothing_is_normal() -> None:
    abnormal = {name for name, fields in results(URGENT).items() if fields[8]}
    assert {"blasts_percent", "verdict"} <= abnormal
    assert {fields[8] for fields in results(URGENT).values()} == {"", "A"}
    assert {fields[8] for fields in results(message(run_of(slide_of("S", NORMAL)))).values()} == {""}


def test_notes_tell_verdict_reasons_and_what_the_results_are_not() -> None:
    notes = [unescaped(each[3]) for each in segments(URGENT, "NTE")]
    assert notes[0] == "Verdict: urgent"
    assert notes[1:-1] == list(SLIDE.finding.reasons)
    assert notes[-1] == RESEARCH_USE


def test_the_software_and_all_its_weights_are_told() -> None:
    (software,) = segments(URGENT, "SFT")
    assert software[2] == "0.1.0"
    for file, digest in WEIGHTS.items():
        assert f"{file} SHA-256 {digest}" in software[5]


def test_no_patient_is_invented() -> None:
    assert not segments(URGENT, "PID")
