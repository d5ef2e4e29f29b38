"""The hours at which the documentation starts a night are there once on every day, also when clocks are changed."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest

ROOT = Path(__file__).parents[1]
TIMES = (
    r"^(?P<minute>\d+) (?P<hour>\d+) \* \* \* ",  # cron
    r"^OnCalendar=\*-\*-\* (?P<hour>\d+):(?P<minute>\d+)",  # systemd
    r"-Daily -At (?P<hour>\d+)am",  # PowerShell
    r"/SC DAILY /ST (?P<hour>\d+):(?P<minute>\d+)",  # Task Scheduler
)


def times_in(text: str) -> set[tuple[int, int]]:
    """Hours and minutes at which a text starts a command every day."""
    found = (match.groupdict() for pattern in TIMES for match in re.finditer(pattern, text, re.MULTILINE))
    return {(int(each["hour"]), int(each.get("minute", 0))) for each in found}


def changed_at(hour: int, minute: int, zone: str) -> list[datetime]:
    """The days on which clocks do not show a time, or show it twice."""
    first = datetime(2026, 1, 1, hour, minute, tzinfo=ZoneInfo(zone))
    days = (first + timedelta(days=day) for day in range(5 * 365))
    return [day for day in days if day.utcoffset() != day.replace(fold=1).utcoffset()]


def test_no_night_is_skipped_or_done_twice_when_clocks_change() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    times = {page.relative_to(ROOT).as_posix(): times_in(page.read_text(encoding="utf-8")) for page in pages}
    how_to = {f"docs/how-to/{name}.md" for name in ("nightly", "windows", "adapt")}
    assert {name for name, found in times.items() if found} >= {"README.md", *how_to}
    zones = [zone for zone in sorted(available_timezones()) if zone.startswith(("Africa/", "America/", "Europe/"))]
    if "Europe/Berlin" not in zones:
        pytest.skip("this system has no time zones")
    assert len(changed_at(2, 0, "Europe/Berlin")) == 10  # of the kind that is looked for
    for time in set().union(*times.values()):
        assert [zone for zone in zones if changed_at(*time, zone)] == []
