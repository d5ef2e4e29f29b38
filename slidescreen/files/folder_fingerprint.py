"""The states of files, by which a change shows, and a hash of many. A light module, because a child process runs it."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TO_LOOK_FILES_UP = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


@dataclass(frozen=True)
class FolderFiles:
    """Files of one folder, and what else their hash depends on.

    Attributes:
        start: the files' path up to the file name.
        files: the file names.
        names: a name for each file, for readers.
        label: a word for all of them.
        refusals: for each file that must not be opened, the reason.
    """

    start: str
    files: Sequence[str]
    names: Sequence[str]
    label: str
    refusals: Mapping[str, str]


def state_of(path: str | Path) -> str:
    """Size and time of change of a file; empty if there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - faster for hundreds of thousands of files
    except OSError:
        return ""
    return f"{status.st_size},{status.st_mtime_ns}"


def fingerprint(folders: Iterable[FolderFiles]) -> str:
    """A hash of files: their names, labels, refusals and states."""
    told: list[str] = []
    for folder in folders:
        files = zip(folder.names, folder.files, _states_in(folder), strict=True)
        refusal = folder.refusals.get
        told += [f"{name}\n{folder.label}\n{refusal(file, '')}\n{state}" for name, file, state in files]
    return hashlib.sha256("\n\n".join(sorted(told)).encode()).hexdigest()


def _states_in(folder: FolderFiles) -> list[str]:
    """The states of the files. The system finds a file faster in an opened folder than by its path."""
    with contextlib.suppress(OSError, NotImplementedError), _opened(folder.start) as opened:
        found = [os.stat(name, dir_fd=opened) for name in folder.files]
        return [f"{status.st_size},{status.st_mtime_ns}" for status in found]  # a call each would take time
    return [state_of(f"{folder.start}{name}") for name in folder.files]  # one is missing, or the system cannot do this


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    """A folder in which to look files up.

    Raises:
        OSError: it cannot be opened. Windows opens no folder.
    """
    descriptor = os.open(folder, _TO_LOOK_FILES_UP)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def order_of(folders: Iterable[FolderFiles]) -> bytes:
    """A line that has `serve` make the fingerprint of these files. Names that are the files' own are sent once."""
    told = [
        (
            each.start,
            each.files,
            None if list(each.names) == list(each.files) else each.names,
            each.label,
            each.refusals,
        )
        for each in folders
    ]
    return json.dumps(told).encode("ascii") + b"\n"


def serve() -> None:
    """Answer each line of the standard input with a fingerprint, until the parent process closes it."""
    with contextlib.suppress(BrokenPipeError):  # the parent has ended
        for line in sys.stdin.buffer:
            folders = (
                FolderFiles(start, files, names or files, label, refusals)
                for start, files, names, label, refusals in json.loads(line)
            )
            sys.stdout.write(fingerprint(folders) + "\n")
            sys.stdout.flush()
    os._exit(0)
