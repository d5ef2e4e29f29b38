"""Options of the export: the formats, and how slides are joined to orders. Imports nothing heavy."""

import importlib.util
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from slidescreen.choices import check_choice
from slidescreen.errors import InputError

ACCESSION = "accession"


class ExportFormat(StrEnum):
    """The formats that a laboratory's system can read."""

    FHIR = "fhir"
    HL7 = "hl7"


def export_formats(text: str) -> tuple[ExportFormat, ...]:
    """The formats in the value of `--export`, separated by commas. Each counts once.

    Raises:
        InputError: a format is unknown.
    """
    names = (name.strip() for name in text.split(","))
    return tuple(dict.fromkeys(check_choice("--export", name, ExportFormat) for name in names))


@dataclass(frozen=True)
class ExportOptions:
    """The user's options for the export.

    `order_pattern` is a regular expression whose group `accession` finds the accession number in a slide's name.
    `orders` is a table that joins slides to orders. `codes` is a file with the laboratory's own codes. `sum_accessions`
    adds up slides of one accession number; without it they are refused.

    Raises:
        InputError: the pattern is not valid, or a format needs a package that is not installed.
    """

    formats: tuple[ExportFormat, ...]
    order_pattern: str | None = None
    orders: Path | None = None
    codes: Path | None = None
    sum_accessions: bool = False

    def __post_init__(self) -> None:
        if self.order_pattern is not None:
            _check_pattern(self.order_pattern)
        if ExportFormat.FHIR in self.formats and not _is_installed("fhir.resources"):
            raise InputError(
                "--export fhir needs the package fhir.resources, which is not installed: pip install fhir.resources"
            )


def export_options(
    export: str | None, orders: Path | None, order_pattern: str | None, sum_accessions: bool, codes: Path | None
) -> ExportOptions | None:
    """The options of the export; None if nothing is to be exported.

    Raises:
        InputError: a value cannot be used, or --export is missing.
    """
    if export is not None:
        return ExportOptions(export_formats(export), order_pattern, orders, codes, sum_accessions)
    given = {"order-pattern": order_pattern, "sum-accessions": sum_accessions, "codes": codes}
    for option, value in given.items():
        if value:
            raise InputError(f"--{option} needs --export fhir or --export hl7")
    return None


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise InputError(f"--order-pattern is no regular expression ({error}): {pattern}") from error
    if ACCESSION not in groups:
        raise InputError(f"--order-pattern needs a group (?P<{ACCESSION}>…), and {pattern} has none")


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
