"""Every flag is explained: on the page, in the terminal's list, and in the reference."""

import re
from pathlib import Path

from slidescreen.reporting.flag_words import MEANINGS, short_flags
from slidescreen.screening.finding import Flag

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "flags.md"


def test_every_flag_is_explained_on_the_page() -> None:
    assert list(MEANINGS) == list(Flag)


def test_the_reference_explains_every_flag_as_the_page_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == dict(MEANINGS)


def test_every_flag_has_words_in_the_list() -> None:
    for flag in Flag:
        alone = short_flags((flag,))
        assert "_" not in alone
        assert bool(alone) is (flag not in (Flag.BLASTS_5, Flag.BLASTS_20))  # told with the flag of blasts


def test_an_unknown_flag_is_shown_as_it_is() -> None:
    assert short_flags(("ig", "of_another_release")) == "IG, of_another_release"
