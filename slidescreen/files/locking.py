"""Allow one run at a time in a folder, and one process at a time at a file, even if the file system has no locks."""

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
_LONGEST_NAME = 400  # bytes that are read of the holder's name
_BEAT = 2.0  # seconds between two signs of life
_BETWEEN_TRIES = 0.1  # seconds
_PATIENCE = 20.0  # seconds without a sign after which the holder is dead; busy machines and slow shares delay signs


@contextlib.contextmanager
def locked(folder: Path, note: Callable[[str], None] = lambda _: None) -> Iterator[bool]:
    """Reserve a folder for this process. Yields whether the file system has locks.

    A folder that is held only for a moment is waited for. With locks, the system releases the folder when the process
    ends, even if it is killed. Without locks, this process rewrites a file every two seconds. Another process that
    finds the file watches for some time whether it changes.

    Args:
        folder: an existing folder.
        note: receives the reason if the lock takes long.

    Raises:
        InputError: another process holds the folder. The message names it.
        OutputError: the folder cannot be written to.
    """
    with contextlib.ExitStack() as stack:
        try:
            for path in filter(Path.is_dir, (folder / _NAME, folder / _STAND_IN)):
                note(f"{printable(path)} is a folder: kept as {set_aside(path).name}")
            holder = _take_in_time(folder / _NAME, stack)
            by_system = holder is not None
            if holder is None:
                holder = _take_stand_in(folder / _STAND_IN, stack, note)
        except OSError as error:
            raise OutputError(f"cannot write {printable(folder / _NAME)}: {error.strerror}") from error
        if holder:
            raise InputError(f"{printable(folder)} is in use by {holder}: wait for it to end, or choose another --out")
        yield by_system


@contextlib.contextmanager
def in_turn(path: Path, limit: float) -> Iterator[None]:
    """Reserve a file for this process, as soon as no other process holds it.

    A hidden file beside it serves as the lock, and stays: `.history.csv.lock`.

    Args:
        path: the file; it need not exist.
        limit: seconds to wait at most.

    Raises:
        OutputError: another process still holds the file, or its folder cannot be written to.
    """
    lock, deadline = path.with_name(f".{path.name}{_NAME}"), time.monotonic() + limit
    with contextlib.ExitStack() as stack:
        try:
            while holder := _take_file(lock, stack):
                if time.monotonic() > deadline:
                    raise OutputError(f"cannot write {printable(path)}: it is in use by {holder}")
                time.sleep(_BETWEEN_TRIES)
        except OSError as error:
            raise OutputError(f"cannot write {printable(path)}: {error.strerror}") from error
        yield


def _take_file(lock: Path, stack: contextlib.ExitStack) -> str:
    """Lock a file, even if its file system has no locks. Returns its holder; empty for this process."""
    with contextlib.ExitStack() as attempt:
        holder = _take(lock, attempt)
        if holder is None:
            holder = _take_stand_in(lock.with_name(f"{lock.name}-held"), attempt, lambda _: None)
        if not holder:
            stack.push(attempt.pop_all())
        return holder


def _myself() -> str:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {platform.node()} since {started}"


def _take_in_time(path: Path, stack: contextlib.ExitStack) -> str | None:
    """Lock a file as `_take` does, as soon as no other process holds it, but wait for two seconds at most.

    A report holds its run's folder while it writes the page.
    """
    deadline = time.monotonic() + _BEAT
    while (holder := _take(path, stack)) and time.monotonic() < deadline:
        time.sleep(_BETWEEN_TRIES)
    return holder


def _take(path: Path, stack: contextlib.ExitStack) -> str | None:
    """Lock a file. Returns its holder: empty for this process, None if the file system has no locks."""
    try:
        file = stack.enter_context(path.open("ab+", buffering=0))
        share(path)
        writable = True
    except PermissionError:  # another user's file
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
        write_whole(path, lambda _: None)  # a file of this user replaces it; both are locked
    except OutputError:
        return ""
    return _take(path, stack)


def _named(written: bytes) -> str:
    """The holder of a lock, as written in its file."""
    return printable(written.decode("utf-8", "replace").strip()) or "another process"


def _lock(file: IO[bytes]) -> bool | None:
    """Lock an open file without waiting. False if another process holds it, None if there are no locks."""
    try:
        if sys.platform == "win32":
            file.seek(1 << 20)  # beyond the text, so that other processes can read it
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def _forget(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.truncate(0)  # erase this process's name


def _take_stand_in(path: Path, stack: contextlib.ExitStack, note: Callable[[str], None]) -> str:
    """Make the file that replaces a lock. Returns the folder's holder; empty for this process."""
    myself = _myself()
    while True:
        try:
            with path.open("xb") as file:
                file.write(_sign(myself, 0))
            break
        except FileExistsError:
            try:
                found = path.read_bytes()
            except FileNotFoundError:  # the holder has just given it back
                continue
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
    """Whether another process writes to a file. File times are not used, because clocks differ between machines."""
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
                with path.open("rb+") as file:  # other machines see the change only after closing
                    file.write(_sign(myself, number))


def _give_back(path: Path, myself: str, ended: threading.Event, beating: threading.Thread) -> None:
    ended.set()
    beating.join(_BEAT)  # a limit, because a dead share never answers
    with contextlib.suppress(OSError):
        if _is_of(path, myself):  # another process may have taken over, as after a machine's sleep
            path.unlink()


def _sign(myself: str, number: int) -> bytes:
    return f"{myself}; sign of life {number}".encode()


def _is_of(path: Path, holder: str) -> bool:
    return path.read_bytes().startswith(f"{holder};".encode())
