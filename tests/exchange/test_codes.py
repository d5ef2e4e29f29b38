"""Codes: those that ship, and a laboratory's own."""

import re
from pathlib import Path

import pytest
from drawn_slides import LEUKAEMIC, bundle, message, observations, results, run_of, segments, slide_of

from slidescreen.errors import InputError
from slidescreen.exchange.codes import default_codes, names, read_codes
from slidescreen.reporting.tables import differential_table

NPU = """
[systems]
npu = { url = "urn:oid:1.2.208.176.2.1", hl7 = "NPU" }
[codes]
neutrophil_percent = { system = "npu", code = "NPU02902", unit = "1" }
differential = { system = "npu", code = "NPU|1" }
platelet_per_100 = { system = "npu", code = "NPU3" }
"""
SLIDE = slide_of("S", LEUKAEMIC)


def written(folder: Path, text: str) -> Path:
    path = folder / "codes.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_loinc_codes_have_their_check_digit() -> None:
    """By Luhn's formula, as LOINC's manual has it: a slip in a digit is found."""
    found = [code.code for code in default_codes().by_name.values()]
    assert len(found) == len(set(found)) == 19
    for code in found:
        digits, check = code.split("-")
        doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(reversed(digits))]
        assert (10 - sum(n // 10 + n % 10 for n in doubled) % 10) % 10 == int(check)


def test_our_own_codes_are_columns_of_the_differential() -> None:
    columns = differential_table([SLIDE]).splitlines()[0].split(",")
    assert {*names()} - {*columns} == {"differential"}


def test_a_laboratorys_codes_take_the_place_of_loincs(tmp_path: Path) -> None:
    path = written(tmp_path, NPU)
    found, text = bundle(run_of(SLIDE), codes=path), message(run_of(SLIDE), codes=path)
    codings = observations(found)["neutrophil_percent"]["code"]["coding"]
    assert codings[0] == {"system": "urn:oid:1.2.208.176.2.1", "code": "NPU02902"}
    assert results(text)["neutrophil_percent"][3].startswith("NPU02902^^NPU^neutrophil_percent^")
    assert results(text)["platelet_per_100"][3].startswith("NPU3^^NPU^")
    assert segments(text, "OBR")[0][4].startswith("NPU\\F\\1^^NPU^")
    assert results(text)["blasts_percent"][3].startswith("26446-5^^LN^")  # what the file leaves out


def test_a_fraction_is_a_hundredth_and_so_is_all_that_stands_with_it(tmp_path: Path) -> None:
    plain, fraction = results(message(run_of(SLIDE))), results(message(run_of(SLIDE), codes=written(tmp_path, NPU)))
    for name in ("neutrophil_percent", "neutrophil_low", "neutrophil_corrected_high"):
        assert float(fraction[name][5]) == pytest.approx(float(plain[name][5]) / 100, abs=1e-9)
        assert fraction[name][6] == "1^^UCUM"
    assert fraction["neutrophil_count"][5] == plain["neutrophil_count"][5]
    assert fraction["blasts_percent"][5] == plain["blasts_percent"][5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[codes", "is not a TOML file"),
        ("[code]\n", "[code] is not known: a file of codes has [systems] and [codes]"),
        ("codes = 3", "codes is no table"),
        ('[codes]\nblast = { system = "loinc", code = "1" }', "codes.blast is no result"),
        ('[codes]\nflags = { system = "snomed", code = "1" }', "codes.flags: snomed is no system"),
        ('[codes]\nflags = { system = "loinc", code = "" }', "codes.flags.code must be a text"),
        ('[codes]\nflags = { system = "loinc", code = 7 }', "codes.flags.code must be a text"),
        ("[codes]\nflags = 7", "codes.flags must be a table with system and code"),
        ('[codes]\nflags = { system = "loinc", code = "1", status = "F" }', "codes.flags.status is not known"),
        ('[codes]\nflags = { system = "loinc", code = "1", unit = "%" }', "codes.flags.unit can be"),
        ('[codes]\nblasts_percent = { system = "loinc", code = "1", unit = "g" }', "codes.blasts_percent.unit can be"),
        ('[systems]\nx = { url = "x y", hl7 = "X" }', "systems.x.url must be an address"),
        (f'[systems]\nx = {{ url = "urn:x", hl7 = "{"X" * 21}" }}', "systems.x.hl7 must have 20 characters at most"),
    ],
)
def test_a_file_of_codes_that_cannot_be_used_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        read_codes(written(tmp_path, text))


def test_a_file_of_codes_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_codes(tmp_path / "none.toml")
