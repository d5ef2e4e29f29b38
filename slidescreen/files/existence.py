"""Whether there is a file or a folder in a place, also where a file system refuses to tell.

`Path.exists`, `is_file` and `is_dir` raise for a server that is down or a folder that nobody may enter, and on some
versions of Python they take it for absence. Here it is an `UnavailableError`; the functions `sees_…` answer no.
"""

import errno
import os
import stat
from pathlib import Path

from slidescreen.errors import UnavailableError
from slidescreen.files.writing import printable

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}
_ABSENT_ON_WINDOWS = {21, 123, 1921}  # a drive without a disk, a name that no file can have, a link to itself


def exists(path: Path) -> bool:
    """Whether there is something in a place.

    Raises:
        UnavailableError: the file system does not tell.
    """
    return _mode(path) != 0


def is_file(path: Path) -> bool:
    """Whether there is a regular file in a place. Raises as `exists` does."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Whether there is a folder in a place. Raises as `exists` does."""
    return stat.S_ISDIR(_mode(path))


def sees(path: Path) -> bool:
    """Whether this process sees something in a place."""
    return os.path.exists(path)  # noqa: PTH110  # never raises


def sees_file(path: Path) -> bool:
    """Whether this process sees a regular file in a place."""
    return os.path.isfile(path)  # noqa: PTH113  # never raises


def sees_folder(path: Path) -> bool:
    """Whether this process sees a folder in a place."""
    return os.path.isdir(path)  # noqa: PTH112  # never raises


def unavailable(path: Path, error: OSError) -> UnavailableError:
    """The error about a file that cannot be read, in words."""
    return UnavailableError(f"cannot read {printable(path)}: {error.strerror or error}")


def _mode(path: Path) -> int:
    """The kind and the permissions of what is in a place; 0 if there is nothing."""
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in _ABSENT or getattr(error, "winerror", None) in _ABSENT_ON_WINDOWS:
            return 0
        raise unavailable(path, error) from error
    except ValueError:  # a name that no file can have
        return 0
