"""The command line: parse, call, show. Nothing is computed here, and nothing heavy is imported before it is used."""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from slidescreen import __version__
from slidescreen.cli.classify import classify
from slidescreen.cli.ensemble import ensemble
from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.report import report
from slidescreen.cli.train import train
from slidescreen.errors import NothingClassifiedError, SlidescreenError, memory_ran_out

# click's own, or that of the copy of click inside newer releases of typer
_UsageProblem: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_terminated: list[int] = []  # the signals that asked this process to end

app = typer.Typer(
    name="slidescreen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"slidescreen {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """Classify the leukocytes of blood-smear slides and say which slides a morphologist must see first.

    A screening aid for research use only: no medical device.
    """
    if debug:
        os.environ["SLIDESCREEN_DEBUG"] = "1"


app.command()(classify)
app.command()(report)
app.command()(train)
app.command()(ensemble)


def main() -> None:
    """Run the command line; every way out goes through one exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        code = _explain(error)
    except KeyboardInterrupt:  # older releases of typer let it through, newer ones return 130
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        _say("interrupted; what was finished is kept")
        if _terminated:
            code = ExitCode.TERMINATED
    sys.exit(int(code or 0))


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, with what is finished written first, but for the exit code."""
    _terminated.append(number)
    raise KeyboardInterrupt


def _explain(error: Exception) -> ExitCode:
    """Show an error as one line on standard error, and give its exit code."""
    if os.environ.get("SLIDESCREEN_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, typer.Abort):
        return ExitCode.INTERRUPTED
    if isinstance(error, _UsageProblem):
        _say(getattr(error, "format_message", error.__str__)())
        return ExitCode.BAD_INPUT
    if isinstance(error, NothingClassifiedError):
        _say(str(error))
        return ExitCode.NOTHING_CLASSIFIED
    if isinstance(error, SlidescreenError):
        _say(str(error))
        return ExitCode.BAD_INPUT
    if memory_ran_out(error):
        error.with_traceback(None)  # lets go of what it holds, and nothing is left for a coloured line
        message = "memory ran out; what was finished is kept: free some, and give the same command again"
        print("error:", message, file=sys.stderr)
        return ExitCode.BAD_INPUT
    _say(f"a defect of slidescreen, please report it: {type(error).__name__}: {error} (--debug shows where)")
    return ExitCode.DEFECT


def _say(message: str) -> None:
    line = " ".join(message.split())
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]error:[/] {escape(line)}")
