"""How a command tells a script what came of it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every subcommand."""

    DONE = 0
    DEFECT = 1
    """A fault of the program itself."""
    BAD_INPUT = 2
    """A usage error, bad input, an output that cannot be written, or too little memory."""
    SOME_UNREADABLE = 3
    """FinishedSlide, but some images or slides could not be read, or a side file could not be written."""
    NOTHING_CLASSIFIED = 4
    INTERRUPTED = 130
    """What was finished is kept."""
    TERMINATED = 143
    """The same, by SIGTERM."""
