"""The program's footprint on its machine. Its libraries write only to the cache or where the user allows it."""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Collection
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
    wanted = {name: library for name, library in _LIBRARIES.items() if name not in os.environ}
    if not wanted:
        return
    folder = _folder_of(wanted.values())
    if folder is not None:
        os.environ.update({name: str(folder / library) for name, library in wanted.items()})


def _folder_of(libraries: Collection[str]) -> Path | None:
    """A folder in the cache, or else a temporary one that ends with this process. It holds a folder for each library.

    None if neither can be made.
    """
    with contextlib.suppress(RuntimeError, OSError):  # no home folder, or nothing can be made there
        return _with_folders(cache_folder() / "libraries", libraries)
    with contextlib.suppress(OSError):
        folder = Path(tempfile.mkdtemp(prefix="slidescreen-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return _with_folders(folder, libraries)
    return None


def _with_folders(folder: Path, libraries: Collection[str]) -> Path:
    """The folder, after the libraries' folders in it were made: permissions alone do not tell whether that is possible.

    Raises:
        OSError: a folder cannot be made, or not be written to. PyTorch would fail at its import.
    """
    for library in libraries:
        place = folder / library
        place.mkdir(parents=True, exist_ok=True)
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(f"{place} cannot be written to")
    return folder
