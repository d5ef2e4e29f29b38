"""Options that several subcommands share."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.errors import InputError


class Format(StrEnum):
    """How a result is shown on standard output."""

    TEXT = "text"
    JSON = "json"


DeviceOption = Annotated[str, typer.Option("--device", "-d", help="auto, cuda or cpu.")]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option("--leave-out", help="Pass over images of this label; may be given several times."),
]
UnspecifiedBlastsOption = Annotated[
    str | None,
    typer.Option("--unspecified-blasts", help="What a blast without lineage counts as: myeloblast or lymphoblast."),
]
DropDuplicatesOption = Annotated[
    bool,
    typer.Option(
        "--drop-duplicates",
        help="Of an image that is listed more than once keep one, and none of one under two labels, instead of "
        "refusing.",
    ),
]
EnsembleOption = Annotated[
    Path | None,
    typer.Option("--ensemble", "-e", help="Ensemble folder. \\[default: $SLIDESCREEN_ENSEMBLE, or weights/default]"),
]
FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="text, or json for scripts: nothing else goes to standard output.")
]


def default_ensemble() -> Path:
    """The ensemble to use: named by the environment, else the one that ships, in the package or beside its source.

    Raises:
        InputError: there is none.
    """
    named = os.environ.get("SLIDESCREEN_ENSEMBLE")
    if named:
        return Path(named)
    package = Path(__file__).resolve().parents[1]
    places = [package / "weights" / "default", package.parent / "weights" / "default"]
    for place in places:
        if (place / "ensemble.json").is_file():
            return place
    raise InputError("no ensemble was found: name its folder with --ensemble, or in SLIDESCREEN_ENSEMBLE")
