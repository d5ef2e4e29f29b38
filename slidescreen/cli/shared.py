"""Options that several subcommands share."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from slidescreen.cells import Blast
from slidescreen.data.label_options import LabelRules
from slidescreen.engine.options import Device
from slidescreen.errors import InputError

LABELS, MACHINE = "Labels", "Machine"
"""Headings of `--help`."""


class Format(StrEnum):
    """How a result is shown on standard output."""

    TEXT = "text"
    JSON = "json"


DeviceOption = Annotated[
    Device,
    typer.Option("--device", "-d", help="auto is a GPU where there is one, else the CPU.", rich_help_panel=MACHINE),
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--leave-out", metavar="LABEL", help="Leave out images of this label. Repeatable.", rich_help_panel=LABELS
    ),
]
UnspecifiedBlastsOption = Annotated[
    Blast | None,
    typer.Option(
        "--unspecified-blasts", help="Count blasts without a stated lineage as this type.", rich_help_panel=LABELS
    ),
]
DropDuplicatesOption = Annotated[
    bool,
    typer.Option(
        "--drop-duplicates",
        help="Keep one of an image listed twice; drop it if its labels differ. Without this, both are errors.",
        rich_help_panel=LABELS,
    ),
]
EnsembleOption = Annotated[
    Path | None,
    typer.Option(
        "--ensemble",
        "-e",
        metavar="FOLDER",
        help="The ensemble that classifies. \\[default: $SLIDESCREEN_ENSEMBLE, else the one that ships]",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="json is for scripts.")]


def label_rules(leave_out: list[str] | None, unspecified_blasts: Blast | None) -> LabelRules:
    """The label rules from two of these options."""
    return LabelRules(frozenset(leave_out or ()), unspecified_blasts)


def refuse(options: Mapping[str, object], why: str) -> None:
    """Refuse options that would do nothing.

    Args:
        options: whether the user gave each option, by its name.
        why: the rest of the message, after the option's name.

    Raises:
        InputError: an option was given.
    """
    for name, is_given in options.items():
        if is_given:
            raise InputError(f"{name} {why}")


def given_options(context: typer.Context) -> dict[str, str]:
    """The options of a command that stand on the command line: their names, by parameter."""
    found = {}
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.param_type_name == "option" and source is not None and source.name == "COMMANDLINE":
            found[str(parameter.name)] = parameter.opts[0]
    return found
