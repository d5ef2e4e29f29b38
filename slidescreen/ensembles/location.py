"""The folder of the default ensemble."""

import os
from pathlib import Path

from slidescreen.errors import InputError
from slidescreen.files.existence import sees_file

VARIABLE = "SLIDESCREEN_ENSEMBLE"


def default_ensemble() -> Path:
    """The default ensemble's folder: named by an environment variable, else the one that ships with the package.

    Raises:
        InputError: there is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    shipped = shipped_ensemble()
    if shipped is None:
        raise InputError(f"no ensemble was found: name its folder with --ensemble, or in {VARIABLE}")
    return shipped


def shipped_ensemble() -> Path | None:
    """The folder of the ensemble that ships, in the package or beside its source; None if it does not exist."""
    package = Path(__file__).resolve().parents[1]
    places = [package / "weights" / "default", package.parent / "weights" / "default"]
    return next((place for place in places if sees_file(place / "ensemble.json")), None)
