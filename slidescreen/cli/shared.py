"""Options that several subcommands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.engine.options import Device


class Format(StrEnum):
    """How a result is shown on standard output."""

    TEXT = "text"
    JSON = "json"


DeviceOption = Annotated[Device, typer.Option("--device", "-d", help="Where networks run.")]
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
