"""Where a file lies, as seen from a folder."""

import os
from pathlib import Path


def path_from(folder: Path, path: Path) -> str:
    """A path relative to a folder. It is the whole path if none leads there: to another drive or share of Windows."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:
        return str(path.absolute())
