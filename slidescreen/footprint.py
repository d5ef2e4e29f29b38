"""The program's footprint on its machine: its libraries write nowhere unasked."""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Where each library keeps what it may make again, by the variable that names the place.
_LIBRARIES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torch", "CUDA_CACHE_PATH": "cuda"}


def cache_folder() -> Path:
    """Where this program, and nobody else, keeps what can be made again.

    It lies in SLIDESCREEN_CACHE if that is set, which may hold others' files too, else where the system keeps caches.

    Raises:
        RuntimeError: this user has no home.
    """
    if named := os.environ.get("SLIDESCREEN_CACHE"):
        return Path(named).absolute() / "slidescreen-cache"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "slidescreen"


def keep_libraries_in_cache() -> None:
    """Let libraries that are not imported yet keep their files in `cache_folder`, or in a folder that goes with them.

    What the user has set for a library himself stays.
    """
    os.environ.setdefault("MPL_IGNORE_SYSTEM_FONTS", "1")  # its own suffice, and a search writes into the home
    if all(name in os.environ for name in _LIBRARIES):
        return
    folder = _folder_of_libraries()
    for name, library in _LIBRARIES.items():
        if folder is not None:
            os.environ.setdefault(name, str(folder / library))


def _folder_of_libraries() -> Path | None:
    """In the cache; where that cannot be, a folder that goes with this process; None where there is no place at all."""
    with contextlib.suppress(RuntimeError):  # no home
        folder = cache_folder() / "libraries"
        if _can_be_made(folder):
            return folder
    try:
        folder = Path(tempfile.mkdtemp(prefix="slidescreen-"))
    except OSError:
        return None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _can_be_made(folder: Path) -> bool:
    """Whether this user may make a folder, or write into it where it is there."""
    for place in (folder, *folder.parents):
        try:
            if place.exists():
                return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
        except OSError:  # this user may not even look
            continue
    return False
