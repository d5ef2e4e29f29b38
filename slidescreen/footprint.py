"""The program's footprint on its machine. Its libraries write only to the cache or where the user allows it."""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

# For each environment variable that sets a library's cache: the folder's name in our cache.
_LIBRARIES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torch", "CUDA_CACHE_PATH": "cuda"}


def cache_folder() -> Path:
    """This program's own cache folder. Everything in it can be made again.

    The folder lies in SLIDESCREEN_CACHE if that is set, which may hold other files too. Otherwise it lies in the
    system's place for caches.

    Raises:
        RuntimeError: this user has no home folder.
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
    """Make libraries keep their files in `cache_folder`, or else in a temporary folder. Call it before their import.

    A variable that the user has set keeps its value.
    """
    os.environ.setdefault("MPL_IGNORE_SYSTEM_FONTS", "1")  # a search for fonts writes into the home folder
    if all(name in os.environ for name in _LIBRARIES):
        return
    folder = _folder_of_libraries()
    for name, library in _LIBRARIES.items():
        if folder is not None:
            os.environ.setdefault(name, str(folder / library))


def _folder_of_libraries() -> Path | None:
    """A folder in the cache, or else a temporary one that ends with this process. None if neither can be made."""
    with contextlib.suppress(RuntimeError):  # no home folder
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
    """Whether this user may make the folder, or write into it if it exists."""
    for place in (folder, *folder.parents):
        try:
            if place.exists():
                return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
        except OSError:  # this user may not even look
            continue
    return False
