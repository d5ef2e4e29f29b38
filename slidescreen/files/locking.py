"""One run at a time in a folder, also where its file system has no locks."""

import contextlib
import errno
import itertools
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from slidescreen.errors import InputError, OutputError
from slidescreen.files.damaged import set_aside
from slidescreen.files.writing import printable, share, write_whole

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NAME, _STAND_IN = ".lock", ".lock-held"
_HELD = {errno.EAGAIN, errno.EWOULDBLOCK}
if sys.platform == "win32":
    _HELD |= {errno.EACCES, errno.EDEADLK}
_LONGEST_NAME = 400  # bytes: what is longer is no name
_BEAT = 2.0  # seconds between two signs of life
_PATIENCE = 20.0  # seconds without one after which nobody lives: a loaded machine or a slow share may delay some


@contextlib.contextmanager
def locked(folder: Path, note: Callable[[str], None] = lambda _: None) -> Iterator[bool]:
    """Hold a folder for this process alone, and give whether the file system locks it.

    Where it does the system lets go of the folder when the process ends, however it ends. Where it does not, a file
    stands in that is written anew every two seconds: who finds it watches for some time whether it still is.

    Args:
        folder: that is there.
        note: told why it takes long.

    Raises:
        InputError: another process holds it; it is named.
        OutputError: the folder cannot be written to.
    """
    with contextlib.ExitStack() as stack:
        try:
            for path in filter(Path.is_dir, (folder / _NAME, folder / _STAND_IN)):
                note(f"{printable(path)} is a folder: kept as {set_aside(path).name}")
            holder = _take(folder / _NAME, stack)
            by_system = holder is not None
            if holder is None:
                holder = _take_stand_in(folder / _STAND_IN, stack, note)
        except OSError as error:
            raise OutputError(f"cannot write {printable(folder / _NAME)}: {error.strerror}") from error
        if holder:
            raise InputError(f"{printable(folder)} is in use by {holder}: wait for it to end, or choose another --out")
        yield by_system


def _myself() -> str:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {platform.node()} since {started}"


def _take(path: Path, stack: contextlib.ExitStack) -> str | None:
    """Lock a file; who holds it, empty if it is this process, None if it cannot be locked at all."""
    try:
        file = stack.enter_context(path.open("ab+", buffering=0))
        share(path)
        writable = True
    except PermissionError:  # another user's
        file = stack.enter_context(path.open("rb", buffering=0))
        writable = False
    taken = _lock(file)
    if taken is None:
        return None
    if not taken:
        file.seek(0)
        return _named(file.read(_LONGEST_NAME))
    if writable:
        file.truncate(0)
        file.write(_myself().encode())
        stack.callback(_forget, file)
        return ""
    try:
        write_whole(path, lambda _: None)  # one of this user's takes its place, and both are held
    except OutputError:
        return ""
    return _take(path, stack)


def _named(written: bytes) -> str:
    """Who holds a lock, by what is written there."""
    return printable(written.decode("utf-8", "replace").strip()) or "another process"


def _lock(file: IO[bytes]) -> bool | None:
    """Lock an open file, without waiting; False if another process has, None if nobody can."""
    try:
        if sys.platform == "win32":
            file.seek(1 << 20)  # beyond the text, which stays readable to others
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def _forget(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.truncate(0)  # nothing is left of this process


def _take_stand_in(path: Path, stack: contextlib.ExitStack, note: Callable[[str], None]) -> str:
    """Make the file that stands in for a lock; who holds it, empty if it is this process."""
    myself = _myself()
    while True:
        try:
            with path.open("xb") as file:
                file.write(_sign(myself, 0))
            break
        except FileExistsError:
            found = path.read_bytes()
        holder = _named(found[:_LONGEST_NAME].partition(b";")[0])
        note(f"checking for {_PATIENCE:.0f} s whether {holder} is still at work in {printable(path.parent)}")
        if _changes(path, found):
            return holder
        path.unlink(missing_ok=True)
    share(path)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, myself, ended), name="lock", daemon=True)
    beating.start()
    stack.callback(_give_back, path, myself, ended, beating)
    return ""


def _changes(path: Path, found: bytes) -> bool:
    """Whether somebody writes into a file. Nothing is taken from clocks, which differ between machines."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        time.sleep(_BEAT / 4)
        try:
            if path.read_bytes() != found:
                return True
        except FileNotFoundError:
            return False
    return False


def _beat(path: Path, myself: str, ended: threading.Event) -> None:
    for number in itertools.count(1):
        if ended.wait(_BEAT):
            return
        with contextlib.suppress(OSError):
            if _is_of(path, myself):
                with path.open("rb+") as file:  # closed at once: other machines see it then
                    file.write(_sign(myself, number))


def _give_back(path: Path, myself: str, ended: threading.Event, beating: threading.Thread) -> None:
    ended.set()
    beating.join(_BEAT)  # and no longer, if the share does not answer
    with contextlib.suppress(OSError):
        if _is_of(path, myself):  # and of nobody who gave this process up, as after a machine's sleep
            path.unlink()


def _sign(myself: str, number: int) -> bytes:
    return f"{myself}; sign of life {number}".encode()


def _is_of(path: Path, holder: str) -> bool:
    return path.read_bytes().startswith(f"{holder};".encode())
