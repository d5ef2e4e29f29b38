"""The processor time that a Linux container may use, by the quota of its control groups.

Versions 1 and 2 of control groups are supported, also both at once. A group's quota holds for all groups below it. So
the smallest quota between this process's group and the root counts. Source: Linux, Documentation/admin-guide,
cgroup-v1 and cgroup-v2; proc(5).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROCESS = Path("/proc/self")
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class _Hierarchy:
    """A mounted tree of control groups: its mount point, the mounted part, and whether it is version 2."""

    mounted: Path
    root: str
    unified: bool


def processors() -> float | None:
    """The number of processors whose time this process may use, for instance 1.5; None without a limit.

    An unreadable quota is no error and sets no limit.
    """
    groups = _groups()
    found = [
        limit
        for hierarchy in _hierarchies()
        if (group := groups.get(hierarchy.unified)) is not None
        for folder in _upwards(hierarchy, group)
        if (limit := _limit(folder, hierarchy.unified)) is not None
    ]
    return min(found, default=None)


def _groups() -> dict[bool, str]:
    """This process's group in the tree of version 2 (True), and in version 1's tree for processors (False)."""
    found = {}
    for line in _lines(_PROCESS / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found[True] = path
        elif "cpu" in controllers.split(","):
            found[False] = path
    return found


def _hierarchies() -> Iterator[_Hierarchy]:
    for line in _lines(_PROCESS / "mountinfo"):
        mount, _, source = line.partition(" - ")
        fields, kind = mount.split(), source.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        unified = kind[0] == "cgroup2"
        if unified or (kind[0] == "cgroup" and "cpu" in kind[2].split(",")):
            yield _Hierarchy(Path(_plain(fields[4])), _plain(fields[3]), unified)


def _upwards(hierarchy: _Hierarchy, group: str) -> Iterator[Path]:
    """The folders of a group and of the groups above it, as far as they are mounted.

    In a container its own group may be the root of the mounted tree, or have another name than the system gives it.
    Then only the mount point is used.
    """
    root = hierarchy.root.rstrip("/")
    inside = group.removeprefix(root) if group == root or group.startswith(f"{root}/") else ""
    parts = [part for part in inside.split("/") if part]
    if ".." in parts:
        parts = []
    for count in range(len(parts), -1, -1):
        yield hierarchy.mounted.joinpath(*parts[:count])


def _limit(folder: Path, unified: bool) -> float | None:
    if unified:
        words = _words(folder / "cpu.max")
    else:
        words = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
    try:
        quota, period = (int(word) for word in words)
    except ValueError:  # `max`, or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _plain(field: str) -> str:
    """A decoded field of mountinfo, which writes blanks as octal numbers."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)
