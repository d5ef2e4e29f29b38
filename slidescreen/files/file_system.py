"""Features that a file system may lack, as CIFS, NFS or WebDAV shares do. Files are written all the same."""

import contextlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from slidescreen.files.writing import REFUSALS, new_file

_FLUSHING, _PERMISSIONS, _LOCKS = "flushing", "permissions", "locks"
_IN_WORDS = {
    _FLUSHING: "flushing to the disk (a power cut of its server may lose the latest data)",
    _PERMISSIONS: "permissions (who may read the results is set on its server)",
    _LOCKS: "locks (a file that is rewritten every two seconds replaces them)",
}


def missing_features(folder: Path, locks: bool) -> list[str]:
    """What the file system of a folder lacks: some of `flushing`, `permissions` and `locks`.

    Args:
        folder: a writable folder.
        locks: whether the file system has locks, as `locked` found.
    """
    found = [] if locks else [_LOCKS]
    with contextlib.suppress(OSError):  # other code reports a full disk
        path = new_file(folder)
        try:
            found += [name for name, trial in _TRIALS.items() if _is_refused(trial, path)]
        finally:
            path.unlink(missing_ok=True)
    return sorted(found)


def in_words(folder: str, lacks: Sequence[str]) -> str:
    """One line that says what a folder's file system lacks, and the consequences."""
    return f"the file system of {folder} lacks {', '.join(_IN_WORDS[name] for name in lacks)}"


def _is_refused(trial: Callable[[Path], None], path: Path) -> bool:
    try:
        trial(path)
    except OSError as error:
        return error.errno in REFUSALS
    return False


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _permit(path: Path) -> None:
    path.chmod(stat.S_IMODE(path.stat().st_mode))


_TRIALS: dict[str, Callable[[Path], None]] = {_FLUSHING: _flush, _PERMISSIONS: _permit}
