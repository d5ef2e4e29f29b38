"""The program and its subcommands; signals, errors and exit codes."""

import atexit
import gc
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from slidescreen import __version__, output
from slidescreen.cli.classify import classify
from slidescreen.cli.ensemble import ensemble
from slidescreen.cli.exit_codes import ExitCode
from slidescreen.cli.help import PlainCommand, PlainGroup
from slidescreen.cli.info import info
from slidescreen.cli.report import report
from slidescreen.cli.train import train
from slidescreen.errors import NothingClassifiedError, SlidescreenError, memory_ran_out
from slidescreen.footprint import keep_libraries_in_cache
from slidescreen.training.launch import is_first

# the class of click, or of the copy of click in newer releases of typer
_UsageProblem: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_COMPLETION = "_SLIDESCREEN_COMPLETE"  # shells set it when they ask for completions
_received: list[int] = []  # the signals that asked this process to end

app = typer.Typer(
    name="slidescreen",
    no_args_is_help=True,
    cls=PlainGroup,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        output.echo(f"slidescreen {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from (a traceback).")] = False,
) -> None:
    """Classify the leukocytes of blood-smear slides and say which slides a morphologist must see first.

    For research use only: not a medical device.
    """
    if debug:
        os.environ["SLIDESCREEN_DEBUG"] = "1"


for command in (classify, report, train, ensemble, info):
    app.command(cls=PlainCommand)(command)


def run() -> None:
    """Run the command line. Every way out goes through one exit code."""
    keep_libraries_in_cache()
    _received.clear()
    for number in {signal.SIGTERM, getattr(signal, "SIGBREAK", signal.SIGTERM)}:  # SIGBREAK is Ctrl-Break on Windows
        signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's background process ignores Ctrl-C
        signal.signal(signal.SIGINT, _interrupt)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # closing the terminal must not end the run
    with output.unbreakable():
        code = _run()
        for problem in output.problems():
            output.say("warning", problem)
            code = code or ExitCode.SOME_UNREADABLE
    atexit.register(_leave_quickly)
    sys.exit(int(code))


def _leave_quickly() -> None:
    """Ignore signals while libraries shut down, for a second or two. The work is done, and the exit code stands.

    Python does not search all objects for cycles a last time. After thousands of slides that took 0.2 s.
    """
    gc.freeze()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _run() -> int:
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        # A library may turn a signal during an import into another error.
        lost = _received and not isinstance(error, SlidescreenError)
        code = ExitCode.INTERRUPTED if lost else _explain(error)
    except KeyboardInterrupt:  # older releases of typer raise it, newer ones return 130
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        if is_first():
            output.say("error", "interrupted; what was finished is kept")
        if set(_received) - {signal.SIGINT}:
            code = ExitCode.TERMINATED
    return int(code or 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt the run, so that it writes finished work and then ends."""
    _received.append(number)
    raise KeyboardInterrupt


def _explain(error: Exception) -> ExitCode:
    """Show an error as one line on standard error, and give its exit code."""
    if os.environ.get("SLIDESCREEN_DEBUG"):
        traceback.print_exception(error)
    if _COMPLETION in os.environ:  # a message would disturb the completion
        return ExitCode.DEFECT
    if isinstance(error, typer.Abort):
        return ExitCode.INTERRUPTED
    if isinstance(error, _UsageProblem):
        _say_once(error, getattr(error, "format_message", error.__str__)().replace("Value error, ", ""))
        return ExitCode.BAD_INPUT
    if isinstance(error, OSError) and "--install-completion" in sys.argv:
        output.say("error", f"completion cannot be installed: {error.strerror}: {error.filename}")
        return ExitCode.BAD_INPUT
    if isinstance(error, NothingClassifiedError):
        output.say("error", str(error))
        return ExitCode.NOTHING_CLASSIFIED
    if isinstance(error, SlidescreenError):
        _say_once(error, str(error))
        return ExitCode.BAD_INPUT
    if memory_ran_out(error):
        error.with_traceback(None)  # this frees memory; a coloured message would need too much
        message = "memory ran out; what was finished is kept: free some, and give the same command again"
        print("error:", message, file=sys.stderr)
        return ExitCode.BAD_INPUT
    message = f"a defect of slidescreen, please report it: {type(error).__name__}: {error} (--debug shows where)"
    output.say("error", message)
    return ExitCode.DEFECT


def _say_once(error: Exception, text: str) -> None:
    """Say an error. If torchrun started several processes, only the first says an error that all have."""
    if is_first() or getattr(error, "own", False):
        output.say("error", text)
