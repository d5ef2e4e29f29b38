"""`slidescreen info`: what is installed here."""

import json
from typing import Annotated

import typer

from slidescreen.cli.exit_codes import MEANINGS, ExitCode
from slidescreen.cli.shared import EnsembleOption


def info(
    ensemble: EnsembleOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: one JSON object.")] = False,
) -> None:
    """Show what is installed: version, ensembles, engines, cell types, flags and exit codes.

    Checks that the ensemble is whole. Ends with exit code 2 where the one that would be used is not.
    """
    from slidescreen.output import echo
    from slidescreen.reporting.installation import describe_installation, show_installation

    found = describe_installation(ensemble, MEANINGS)
    if as_json:
        echo(json.dumps(found, indent=2))
    else:
        show_installation(found)
    if not found["ensembles"] or found["ensembles"][0]["problem"]:
        raise typer.Exit(ExitCode.BAD_INPUT)
