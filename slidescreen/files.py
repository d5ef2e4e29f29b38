"""Writing files that appear whole or not at all, and hashing them."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slidescreen.errors import OutputError

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(path: Path) -> Path:
    """Create `path` and its parents.

    Raises:
        OutputError: it cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {printable(path)}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise OutputError(f"cannot write to the folder {printable(path)}: give permission or choose another")
    return path


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place: a reader never sees half of it.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to; `path` is then as it was.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {printable(path)}: {reason}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder nobody else writes to now."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole; newlines as given."""
    write_whole(path, lambda temporary: temporary.write_bytes(text.encode("utf-8")))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def printable(name: str | os.PathLike[str]) -> str:
    """A file's name as valid, one-line text: undecodable bytes and control characters are escaped."""
    text = os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def neutralise(text: str) -> str:
    """Text that a spreadsheet will show and not run: what looks like a formula gets a leading apostrophe.

    So does text that has one already, so that `denature` can always undo it.
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def denature(text: str) -> str:
    """Undo `neutralise`."""
    return text.removeprefix("'")
