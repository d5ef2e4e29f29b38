"""The exit codes that tell a script the outcome of a command."""

from collections.abc import Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every subcommand. `MEANINGS` explains them."""

    DONE = 0
    DEFECT = 1
    BAD_INPUT = 2
    SOME_UNREADABLE = 3
    NOTHING_CLASSIFIED = 4
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Mapping[int, str] = {
    ExitCode.DONE: "done",
    ExitCode.DEFECT: "a defect of slidescreen; `--debug` shows the traceback",
    ExitCode.BAD_INPUT: "bad input or usage, an output that cannot be written, or too little memory",
    ExitCode.SOME_UNREADABLE: "finished, but some images could not be read, a slide has no images, a share seems not "
    "to be mounted, an earlier slide is lost, orders or codes could not be used, or a side file (log, history, "
    "status, record, exported result, redirected output) could not be written",
    ExitCode.NOTHING_CLASSIFIED: "nothing could be classified",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); finished work is kept",
    ExitCode.TERMINATED: "ended by SIGTERM; finished work is kept",
}
"""The meanings in `slidescreen info` and docs/reference/exit-codes.md."""
