"""A laboratory's own limits: read where they are right, refused by name where they are not."""

from dataclasses import fields
from pathlib import Path

import pytest
from conftest import Command, write_cells
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.errors import InputError
from slidescreen.screening.thresholds import _KEYS, Thresholds, default_thresholds, read_thresholds


def test_the_defaults_are_those_of_the_published_rules() -> None:
    found = default_thresholds()
    assert (found.blasts_acute, found.ig_raised, found.ig_high, found.error_rate) == (20, 2, 3, 0.01)


def test_every_threshold_has_one_key() -> None:
    keys = [key.field for table in _KEYS.values() for key in table.values()]
    assert sorted(keys) == sorted(field.name for field in fields(Thresholds))


def test_what_a_file_leaves_out_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("[blasts]\nworkup = 1\n")
    found = read_thresholds(tmp_path / "lab.toml")
    assert found.blasts_workup == 1
    assert vars(found) == {**vars(default_thresholds()), "blasts_workup": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[blast]\nacute = 20", r"lab.toml: blast is not a table of thresholds: use \[test\]"),
        ("acute = 20", "acute is not a table of thresholds"),
        ("[blasts]\nfive = 5", "blasts.five is not a threshold: .blasts. knows workup, acute"),
        ("[blasts]\nacute = 'many'", "blasts.acute must be a number from 0 to 100, not 'many'"),
        ("[blasts]\nacute = 120", "blasts.acute must be a number from 0 to 100, not 120"),
        ("[blasts]\nalways_seen = 25", "blasts.always_seen must be a number from 0 to 20, not 25"),
        ("[blasts]\nacute = nan", "blasts.acute must be a number"),
        ("[blasts]\nacute = true", "blasts.acute must be a number"),
        ("[cells]\nleast_leukocytes = 10.5", "cells.least_leukocytes must be a whole number"),
        ("[blasts]\nworkup = 30", "blasts.workup must not be above blasts.acute"),
        ("[blasts", "is not a TOML file"),
    ],
)
def test_a_bad_file_is_refused_by_its_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lab.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_thresholds(tmp_path / "lab.toml")


@given(st.floats(5, 100), st.floats(0, 3))
def test_any_allowed_number_is_taken(tmp_path_factory: pytest.TempPathFactory, acute: float, raised: float) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(f"[blasts]\nacute = {acute!r}\n[immature_granulocytes]\nraised = {raised!r}\n")
    found = read_thresholds(path)
    assert (found.blasts_acute, found.ig_raised) == (acute, raised)


def test_classify_goes_by_the_laboratorys_own_and_records_them(command: Command) -> None:
    write_cells(Path("S1"), 3)
    Path("lab.toml").write_text("[cells]\nleast_leukocytes = 0\nusual_leukocytes = 0\n")
    assert command("classify", "S1", "--out", "run", "--thresholds", "lab.toml").code == 0
    assert '"least_leukocytes": 0' in Path("run/run.json").read_text()
    assert "too_few_cells" not in Path("run/differential.csv").read_text()
    refused = command("classify", "S1", "--out", "other", "--thresholds", "none.toml")
    assert (refused.code, refused.err) == (2, "error: cannot read none.toml: No such file or directory\n")
