"""Options that several subcommands share."""

from typing import Annotated

import typer

DeviceOption = Annotated[str, typer.Option("--device", "-d", help="auto, cuda or cpu.")]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option("--leave-out", help="Pass over images of this label; may be given several times."),
]
UnspecifiedBlastsOption = Annotated[
    str | None,
    typer.Option("--unspecified-blasts", help="What a blast without lineage counts as: myeloblast or lymphoblast."),
]
