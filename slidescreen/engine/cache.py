"""What took long to make and can be made again: a folder of files by key, in the user's cache folder.

Nothing here may stop a run: a cache that cannot be read or written is passed over.
"""

import hashlib
import os
import sys
from pathlib import Path

from slidescreen.errors import OutputError
from slidescreen.files import make_folder, write_whole

_DIGEST = hashlib.sha256
_MOST = 12  # files: two or three networks for each of four ensembles, precisions or releases


def folder() -> Path:
    """SLIDESCREEN_CACHE if set, else slidescreen's folder where the system keeps caches."""
    if named := os.environ.get("SLIDESCREEN_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "slidescreen"


def key_of(*parts: object) -> str:
    """A file name for what depends on `parts` alone."""
    return _DIGEST(repr(parts).encode()).hexdigest()


def recall(key: str) -> bytes | None:
    """What was kept under a key; None if there is nothing, or not all of it as it was kept."""
    try:
        content = (folder() / key).read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        return None
    size = _DIGEST().digest_size
    kept = content[size:]
    return kept if _DIGEST(kept).digest() == content[:size] else None


def keep(key: str, content: bytes) -> bool:
    """Keep something under a key, beside a digest of it; the oldest make room. Returns whether that was possible."""
    try:
        make_folder(folder())
        write_whole(folder() / key, lambda path: path.write_bytes(_DIGEST(content).digest() + content))
        by_age = sorted(folder().iterdir(), key=lambda path: path.stat().st_mtime)
        for path in by_age[:-_MOST]:
            path.unlink()
    except (OSError, RuntimeError, OutputError):
        return False
    return True
