"""Lines of a table belong to the slides of their names, also if these are spelt in another way."""

import unicodedata

import pytest

from slidescreen.data.line_names import lines_by_slide

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
