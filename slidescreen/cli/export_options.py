"""The options of `classify` and `report` that export results to the laboratory's system."""

from pathlib import Path
from typing import Annotated

import typer

from slidescreen.exchange.options import ExportFormat

_PANEL = "For the laboratory's system"


def _formats(incomplete: str) -> list[str]:
    """The completions of a list of formats."""
    begun, comma, last = incomplete.rpartition(",")
    return [begun + comma + each for each in ExportFormat if each.startswith(last) and each not in begun.split(",")]


ExportOption = Annotated[
    str | None,
    typer.Option(
        "--export",
        metavar="|".join(ExportFormat),
        help="Write a file for each slide: a FHIR R4 bundle, an HL7 v2.5.1 message, or both (fhir,hl7). "
        "No result is ever final.",
        autocompletion=_formats,
        rich_help_panel=_PANEL,
    ),
]
OrdersOption = Annotated[
    Path | None,
    typer.Option(
        "--orders",
        metavar="FILE",
        help="CSV file with the column slide, and any of accession, placer, patient, leukocytes_per_nl: joins slides "
        "to orders, groups a patient's slides, and marks blood with few leukocytes.",
        rich_help_panel=_PANEL,
    ),
]
OrderPatternOption = Annotated[
    str | None,
    typer.Option(
        "--order-pattern",
        metavar="REGEX",
        help="Regular expression with a group named accession: finds the accession number in a slide's name. "
        "\\[default: the name is the number]",
        rich_help_panel=_PANEL,
    ),
]
SumAccessionsOption = Annotated[
    bool,
    typer.Option(
        "--sum-accessions",
        help="Add up slides of one accession number. Without this they are not exported.",
        rich_help_panel=_PANEL,
    ),
]
CodesOption = Annotated[
    Path | None,
    typer.Option(
        "--codes",
        metavar="FILE",
        help="TOML file with your laboratory's codes. \\[default: LOINC]",
        rich_help_panel=_PANEL,
    ),
]
