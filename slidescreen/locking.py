"""One run at a time in a folder."""

import contextlib
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from slidescreen.errors import InputError, OutputError
from slidescreen.files import printable

_NAME = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone. The system lets go of it when the process ends, however it ends.

    Raises:
        InputError: another process holds it; it is named.
        OutputError: the folder cannot be written to.
    """
    path = folder / _NAME
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("ab+", buffering=0))
            taken = _take(file)
            if taken:
                file.truncate(0)
                started = datetime.now(UTC).isoformat(timespec="seconds")
                file.write(f"process {os.getpid()} on {platform.node()} since {started}".encode())
            else:
                file.seek(0)
                holder = file.read().decode("utf-8", "replace").strip() or "another process"
        except OSError as error:
            raise OutputError(f"cannot write {printable(path)}: {error.strerror}") from error
        if not taken:
            raise InputError(f"{printable(folder)} is in use by {holder}: wait for it to end, or choose another --out")
        yield


def _take(file: IO[bytes]) -> bool:
    """Lock an open file, without waiting; False if another process has."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            file.seek(1 << 20)  # beyond the text, which stays readable to others
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
