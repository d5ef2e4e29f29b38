"""Names that every system takes, made of names that some do not."""

import os
import re
import shutil
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from conftest import Command, write_cells
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.files.legal_names import LONGEST, distinct_names, legal_name

WINDOWS = Path(__file__).parents[2] / "docs" / "how-to" / "windows.md"


@pytest.mark.parametrize(
    "text", ["26-0001", "Signed slides", "Färbung ✓", "a.b.c", ".finished", "CONTROL", "COM", "COM10"]
)
def test_a_legal_name_stays_as_it_is(text: str) -> None:
    assert legal_name(text) == text


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("26:0001", "26_0001-"), ("a.", "a_-"), ("a ", "a_-"), ("a. .", "a_-"), ("", "_-"), (".", "_-"), ("..", "_-"),
        ("nul", "_nul-"), ("Aux.slides", "_Aux.slides-"), ("COM1", "_COM1-"), ("LPT².x", "_LPT².x-"),
        ("con .a", "_con .a-"),
        ("a/b\\c", "a_b_c-"), ("tab\t", "tab_-"), ("what?*", "what__-"), (os.fsdecode(b"\xff\xfe"), "__-"),
        ("x" * 300, "x" * 90), ("é" * 80, "é" * 45),
    ],
)  # fmt: skip
def test_an_illegal_name_becomes_a_legal_one_that_is_like_it(text: str, begins: str) -> None:
    assert legal_name(text).startswith(begins)
    assert legal_name(legal_name(text)) == legal_name(text)


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=120),
    st.from_regex(r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9])[ .a-z]*", fullmatch=True),
    st.binary(max_size=20).map(os.fsdecode),
)


@given(NAMES)
def test_any_name_becomes_legal_everywhere(text: str) -> None:
    name = legal_name(text, ".csv")
    assert not PureWindowsPath(name).is_reserved()
    assert PureWindowsPath(name).name == name
    assert not set(name) & set('<>:"/\\|?*')
    assert name.isprintable() or all(ord(c) >= 32 for c in name)
    assert len(name.encode("utf-8")) <= LONGEST
    assert name.removesuffix(".csv").strip(". ")


@given(NAMES, NAMES)
def test_two_names_never_become_one(first: str, second: str) -> None:
    assert len({legal_name(first), legal_name(second)}) == len({first, second})


@given(st.lists(NAMES | st.sampled_from(["s", "S", "é", "e\u0301"]), unique=True, max_size=8), st.integers(0, 8))
def test_names_stay_when_others_join_them(texts: list[str], count: int) -> None:
    before = distinct_names(texts[:count], ".csv")
    after = distinct_names(texts, ".csv", before)
    assert after[:count] == before
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in after}) == len(texts)
    assert distinct_names(texts[::-1], ".csv", after) == after[::-1]


def test_runs_write_only_names_that_are_legal_and_short_on_windows(command: Command) -> None:
    """Whatever its slides are called where they lie. Windows takes 260 characters for a path, its folder's included."""
    for slide in ("26:0001", "CON", "ends. ", 'quo"ted', "long " + "x" * 200, os.fsdecode(b"\xff")):
        write_cells(Path("in: ") / slide, 1)
    out, export = Path("out"), ("--export", "hl7")
    assert command("classify", "in: ", "--quiet").code == 0
    assert command("classify", "in: ", "--out", out, "--quiet", *export).code == 0
    for slide in Path("in: ").iterdir():
        if slide.name != "26:0001":
            shutil.rmtree(slide)
    assert command("classify", "in: ", "--out", out, "--quiet", "--keep", "0").code == 0
    paths = [path for folder in (Path("slidescreen-out"), out) for path in folder.rglob("*")]
    for path in paths:
        for part in path.parts:
            assert legal_name(part) == part
    written = {path.relative_to(out) for path in out.rglob("*")}
    assert {path.name for path in written} >= {"cells.csv", "report.html"}
    longest = {
        folder: max(len(str(path)) for path in written if path.parts[0] == folder) for folder in ("export", "archive")
    }
    assert longest["export"] > LONGEST
    assert longest["archive"] > 80  # whole hashes and times
    (most,) = re.findall(r"adds at most (\d+) characters", WINDOWS.read_text(encoding="utf-8"))
    assert max(1 + len(str(path)) for path in written) <= int(most) < 120
