"""A cache of files that take long to make: a folder of files by key, in the program's cache folder.

The cache never stops a run: if it cannot be read or written, it is not used. It changes only its own files: it has its
own folder, and recognises its files by their names and first bytes.
"""

import hashlib
import re
from pathlib import Path

from slidescreen.errors import OutputError
from slidescreen.files.writing import make_folder, write_whole
from slidescreen.footprint import cache_folder

_DIGEST = hashlib.sha256
_MOST = 12  # files; this holds two or three networks for each of four ensembles, precisions or releases
_MARK = b"slidescreen cache 1\n"
_NAME = re.compile(r"[0-9a-f]{64}\.network")


def folder() -> Path:
    """The cache's folder.

    Raises:
        RuntimeError: this user has no home folder.
    """
    return cache_folder() / "networks"


def key_of(*parts: object) -> str:
    """The key of a file that depends only on `parts`."""
    return _DIGEST(repr(parts).encode()).hexdigest()


def recall(key: str) -> bytes | None:
    """The content stored under a key; None if it is missing or damaged."""
    try:
        content = _path(key).read_bytes()
    except (OSError, RuntimeError):
        return None
    start = len(_MARK) + _DIGEST().digest_size
    kept = content[start:]
    return kept if content[:start] == _MARK + _DIGEST(kept).digest() else None


def keep(key: str, content: bytes) -> bool:
    """Store content and its digest under a key, and remove the oldest files. Returns whether that was possible."""
    try:
        path = _path(key)
        make_folder(path.parent)
        write_whole(path, lambda temporary: temporary.write_bytes(_MARK + _DIGEST(content).digest() + content))
        own = sorted(filter(_own, path.parent.iterdir()), key=lambda file: file.stat().st_mtime)
        for old in own[:-_MOST]:
            old.unlink(missing_ok=True)
    except (OSError, RuntimeError, OutputError):
        return False
    return True


def _path(key: str) -> Path:
    return folder() / f"{key}.network"


def _own(path: Path) -> bool:
    """Whether a file is one that `keep` wrote."""
    if not _NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK
