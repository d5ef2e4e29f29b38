"""Lines of a table belong to the slides of their names, also if these are spelt in another way."""

import unicodedata

import pytest

from slidescreen.data.line_names import lines_by_slide
from slidescreen.data.unique_names import unique_names

ACCENTED = unicodedata.normalize("NFC", "Müller_01")


@pytest.mark.parametrize(
    ("line", "slide"),
    [
        (unicodedata.normalize("NFD", ACCENTED), ACCENTED),
        (ACCENTED, unicodedata.normalize("NFD", ACCENTED)),
        ("s1 ", "s1"),
        ("S1", "s1"),
        ("day\\s1", "day/s1"),
    ],
)
def test_a_line_whose_name_looks_like_that_of_one_slide_is_of_this_slide(line: str, slide: str) -> None:
    assert lines_by_slide({line: 1, "other": 2}, [slide, "s2"]) == {slide: 1, "other": 2}


@pytest.mark.parametrize(
    ("lines", "slides"),
    [
        ({"s1": 1}, ["S1", "s1"]),  # the line is of the other slide
        ({"s1": 1, "S1 ": 2}, ["S1"]),  # which of them?
        ({"s1 ": 1}, ["S1", "s1"]),
        ({"S1": 1, "s1": 2}, ["S1", "s1"]),
    ],
)
def test_a_line_is_never_guessed(lines: dict[str, int], slides: list[str]) -> None:
    assert lines_by_slide(lines, slides) == lines


MARKED = unique_names(["Meier  1", "Meier 1"])[0]


def test_a_line_with_a_folders_name_is_of_the_slide_whose_name_has_a_mark() -> None:
    assert MARKED != "Meier  1"
    assert lines_by_slide({"Meier  1": 1, "Meier 1": 2}, [MARKED, "Meier 1"]) == {MARKED: 1, "Meier 1": 2}
    assert lines_by_slide({"Meier  1": 1}, [MARKED, "Meier  1"]) == {"Meier  1": 1}


def test_a_line_is_not_of_a_slide_that_looks_like_a_marked_one() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    for line in (composed, composed.upper(), f"{composed} "):
        assert decomposed not in lines_by_slide({line: 1}, [decomposed, f"{composed} #0123abcd"])


def test_a_line_with_a_folders_name_is_of_the_slide_whose_name_has_escapes() -> None:
    folder, shown = "\u5c71\u7530\u3000\u592a\u90ce", "\u5c71\u7530\\u3000\u592a\u90ce"
    assert unique_names([folder]) == [shown]
    for line in (folder, f"{folder} ", shown):
        assert lines_by_slide({line: 1}, [shown, "s2"]) == {shown: 1}
    assert lines_by_slide({folder: 1, shown: 2}, [shown]) == {folder: 1, shown: 2}
