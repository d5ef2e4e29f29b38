"""Write files so that they appear whole or not at all, on any file system, and hash them."""

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
from slidescreen.interruptible import interruptibly

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the last for East Asian spreadsheets
_TIME_LIMIT = 60.0  # seconds for reading one image, on a share that may no longer answer
_TEMPORARY = re.compile(r"\.slidescreen-[0-9a-f]{16}\.tmp")
# Errors by which a file system says that it lacks a feature. Shares by CIFS, NFS and WebDAV lack some.
REFUSALS = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
# Errors by which Windows, and its shares seen from Linux, say that another program holds a file.
_HOLDS = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY}
# On Windows a virus scanner or an indexer may hold a file for a moment. Seconds between tries.
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_of(path: Path) -> str:
    """The same; empty text if the file cannot be read in time."""
    try:
        return interruptibly(lambda: sha256_of(path), _TIME_LIMIT)
    except (OSError, ValueError):  # a time limit that has passed is an OSError
        return ""


def make_folder(path: Path) -> Path:
    """Create `path` and its parents, with the permissions of `share`.

    Raises:
        OutputError: the folder cannot be created or written to.
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
    """Let `write` fill a temporary file, then move it to `path`. A reader never sees half a file.

    Args:
        path: the final path.
        write: fills the file at the path that it is given. The file exists and is empty.
        or_beside: if another program holds `path`, as a spreadsheet does on Windows, use the first free fallback name:
            `cells.new.csv`, `cells.new-2.csv`, …

    Returns:
        The path of the written file.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to. `path` is then unchanged.
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
            remove_if_possible(temporary)


def write_text(path: Path, text: str, or_beside: bool = False) -> Path:
    """Write UTF-8 text as `write_whole` does. Newlines stay as given."""
    return write_whole(path, lambda temporary: temporary.write_bytes(text.encode("utf-8")), or_beside)


def behind_link(path: Path) -> Path:
    """The file that a link stands for, so that a new file takes its place and the link stays.

    It need not exist. A link to anything but a file, and any path that is no link, stays as it is.
    """
    # Unlike those of Path, these functions never raise: where nothing can be seen, writing says why.
    target = Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114
    return target if os.path.isfile(target) or not os.path.exists(target) else path  # noqa: PTH110, PTH113


def new_file(folder: Path) -> Path:
    """A new, empty temporary file, with the permissions that the user's mask allows."""
    path = _temporary(folder)
    path.touch(exist_ok=False)
    return path


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder inside a folder. It is removed at the end, with its content."""
    path = _temporary(folder)
    path.mkdir(0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _temporary(folder: Path) -> Path:
    """A unique temporary name that `sweep` recognises."""
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
    """Whether `other` is a fallback name of `name`, as `write_whole` gives them."""
    stem, suffix = (re.escape(part) for part in (Path(name).stem, Path(name).suffix))
    return re.fullmatch(rf"{stem}\.new(-[1-9][0-9]*)?{suffix}", other) is not None


def _is_free(path: Path) -> bool:
    return not os.path.lexists(path)


@contextlib.contextmanager
def as_far_as_possible() -> Iterator[None]:
    """Ignore errors that mean a feature which the file system lacks. A full or broken disk is still an error."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise


def share(path: Path) -> None:
    """Let a group read and write `path` if its folder belongs to the group, whatever the user's mask.

    So several users can work in one folder, one after the other. A folder belongs to its group if the group may write
    to it and others may not.
    """
    if sys.platform == "win32":  # on Windows the folder's permissions apply
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
    """Remove the temporary files that a killed process left in a folder. No other process may be writing to it.

    Files of other programs stay, and so do files that this user may not remove.
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
    """Text that a spreadsheet shows and does not run. Text that looks like a formula gets a leading apostrophe.

    Text that already begins with an apostrophe gets another, so that `denature` can always undo it.
    """
    return f"'{text}" if text.startswith(("'", *_FORMULA_STARTS)) or text.lstrip().startswith(_FORMULA_STARTS) else text


def denature(text: str) -> str:
    """Undo `neutralise`."""
    return text.removeprefix("'")


def remove_if_possible(path: Path) -> None:
    """Remove a file. One that is not there, or that cannot be removed, is no error."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
