"""Writing files that appear whole or not at all, whatever the file system lacks, and hashing them."""

import contextlib
import errno
import hashlib
import itertools
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from slidescreen.errors import OutputError

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the last for East Asian spreadsheets
_TEMPORARY = re.compile(r"\.slidescreen-[0-9a-f]{16}\.tmp")
# How file systems say that they cannot do a thing at all, as shares by CIFS, NFS, WebDAV and others do.
REFUSALS = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
# How they say that another program holds a file: Windows, and its shares seen from Linux.
_HOLDS = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY}
# On Windows a virus scanner or an indexer may hold a file for a moment. Seconds between tries.
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(path: Path) -> Path:
    """Create `path` and its parents, shared as `share` says.

    Raises:
        OutputError: it cannot be created or written to.
    """
    try:
        missing = [place for place in (path, *path.parents) if not place.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for made in reversed(missing):
            share(made)
    except OSError as error:
        raise OutputError(f"cannot create the folder {printable(path)}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise OutputError(f"cannot write to the folder {printable(path)}: give permission or choose another")
    return path


def write_whole(path: Path, write: Callable[[Path], Any], or_beside: bool = False) -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in place: a reader never sees half of it.

    Args:
        path: where it is to be.
        write: fills the file that it is given, which is there and empty.
        or_beside: where another program holds `path`, as a spreadsheet does on Windows, put it beside it under a second
            name that is free: `cells.new.csv`, or `cells.new-2.csv`, …

    Returns:
        Where it is.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to; `path` is then as it was.
    """
    temporary: Path | None = None
    try:
        temporary = new_file(path.parent)
        write(temporary)
        with temporary.open("rb+") as file, as_far_as_possible():
            os.fsync(file.fileno())
        share(temporary)
        return _put(temporary, path, or_beside)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {printable(path)}: {reason}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, or_beside: bool = False) -> Path:
    """Write UTF-8 text as `write_whole` does; newlines as given."""
    return write_whole(path, lambda temporary: temporary.write_bytes(text.encode("utf-8")), or_beside)


def new_file(folder: Path) -> Path:
    """An empty temporary file of this process alone, with the permissions that the user's mask allows."""
    path = _temporary(folder)
    path.touch(exist_ok=False)
    return path


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder in a folder, which goes with what it holds."""
    path = _temporary(folder)
    path.mkdir(0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _temporary(folder: Path) -> Path:
    """A name that nobody has, and that `sweep` knows."""
    return folder / f".slidescreen-{secrets.token_hex(8)}.tmp"


def _put(temporary: Path, path: Path, or_beside: bool) -> Path:
    for wait in (*_WAITS, None):
        try:
            return temporary.replace(path)
        except OSError as error:
            if error.errno not in _HOLDS or path.is_dir() or (wait is None and not or_beside):
                raise
            if wait is not None:
                time.sleep(wait)
    return temporary.replace(next(filter(_is_free, _names_beside(path))))


def _names_beside(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.stem}.new{path.suffix}")
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}.new-{number}{path.suffix}")


def is_beside(other: str, name: str) -> bool:
    """Whether a name is one of those that `write_whole` gives beside another."""
    stem, suffix = (re.escape(part) for part in (Path(name).stem, Path(name).suffix))
    return re.fullmatch(rf"{stem}\.new(-[1-9][0-9]*)?{suffix}", other) is not None


def _is_free(path: Path) -> bool:
    return not (path.exists() or path.is_symlink())


@contextlib.contextmanager
def as_far_as_possible() -> Iterator[None]:
    """Within it, what a file system cannot do at all is left undone; a disk that is full or broken is an error."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise


def share(path: Path) -> None:
    """Let a group read and write what lies in a folder of its own, whatever the mask of the user who made it.

    So several users can work on one folder, one after the other. A folder is a group's where the group may write to
    it and others may not.
    """
    if sys.platform == "win32":  # permissions are those of the folder there
        return
    above, own = path.parent.stat(), path.stat()
    if not above.st_mode & stat.S_IWGRP or above.st_mode & stat.S_IWOTH:
        return
    folder = stat.S_IXGRP | stat.S_ISGID if stat.S_ISDIR(own.st_mode) else 0
    wanted = stat.S_IMODE(own.st_mode) | stat.S_IRGRP | stat.S_IWGRP | folder
    with as_far_as_possible():
        if own.st_gid != above.st_gid:
            os.chown(path, -1, above.st_gid)
        if wanted != stat.S_IMODE(own.st_mode):
            path.chmod(wanted)


def sweep(folder: Path) -> None:
    """Remove what is temporary and was left by a killed process in a folder that nobody else writes to now.

    What is not this program's stays, and so does what this user may not remove.
    """
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if not _TEMPORARY.fullmatch(path.name):
                continue
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def printable(name: str | os.PathLike[str]) -> str:
    """A file's name as valid, one-line text: undecodable bytes and control characters are escaped."""
    text = os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def neutralise(text: str) -> str:
    """Text that a spreadsheet will show and not run: what looks like a formula gets a leading apostrophe.

    So does text that has one already, so that `denature` can always undo it.
    """
    return f"'{text}" if text.startswith(("'", *_FORMULA_STARTS)) or text.lstrip().startswith(_FORMULA_STARTS) else text


def denature(text: str) -> str:
    """Undo `neutralise`."""
    return text.removeprefix("'")
