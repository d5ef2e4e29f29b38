"""The lines of a slide's record: one JSON array with a line for each of its parts.

So each part can be read without the others, and a record appears whole or not at all. The first line holds a checksum
of each part, which reveals damage.
"""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

ROWS, BODY = 2, 3  # the numbers of two parts' lines, below the line of checksums; the head is the first
_OPENING = b'["'


def content_of(parts: Iterable[bytes]) -> bytes:
    """A record's content from its parts, each JSON in one line."""
    lines = list(parts)
    checks = " ".join(map(_checksum, lines)).encode("ascii")
    return b",\n".join([_OPENING + checks + b'"', *lines]) + b"\n]\n"


def head(path: Path) -> bytes:
    """The line of a record's head; empty if it is damaged."""
    with path.open("rb") as file:
        line, sound = next(read(file), (b"", False))
    return line if sound else b""


def head_of_whole(path: Path) -> bytes:
    """The same, but empty if any part of the record is damaged. The file is read once."""
    content = path.read_bytes()
    start = content.find(b"\n") + 1
    return content[start : content.find(b"\n", start)].rstrip(b",") if is_whole(content) else b""


def read(file: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The three lines of a record below the first, and whether each is undamaged. Empty for any other file."""
    for check in _checksums(file.readline()):
        line = file.readline().rstrip(b",\n")
        yield line, _checksum(line) == check


def is_whole(content: bytes) -> bool:
    """Whether a whole file is an undamaged record. No line is copied: every night checks hundreds of megabytes."""
    view, end = memoryview(content), content.find(b"\n")
    checks = _checksums(content[: end + 1])
    for check in checks:
        start = end + 1
        end = content.find(b"\n", start)
        if _checksum(view[start : end - content.endswith(b",", start, end)]) != check:
            return False
    return bool(checks)


def _checksums(opening: bytes) -> list[str]:
    """The checksums in a record's first line; none in any other file."""
    found = opening[len(_OPENING) : -len(b'",\n')].decode("ascii", "replace").split(" ")
    return found if opening.startswith(_OPENING) and len(found) == BODY else []


def _checksum(line: bytes | memoryview) -> str:
    return f"{zlib.crc32(line):08x}"
