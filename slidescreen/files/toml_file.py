"""Read a TOML file that a laboratory wrote."""

import tomllib
from pathlib import Path
from typing import Any

from slidescreen.errors import InputError
from slidescreen.files.writing import printable


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InputError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error.strerror}") from error
    except ValueError as error:  # TOML or UTF-8 errors
        raise InputError(f"{printable(path)} is not a TOML file: {error}") from error
