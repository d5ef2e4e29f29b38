"""The command line: parse, call, show. It computes nothing, and imports heavy modules only for their use."""

import os
import signal


def main() -> None:
    """Run the command line. Every way out goes through one exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a shell's background process ignores Ctrl-C; leave that so
        signal.signal(signal.SIGINT, _leave)
    from slidescreen.cli.app import run

    signal.signal(signal.SIGINT, before)
    run()


def _leave(number: int, frame: object) -> None:
    """End at once. No work has begun, and a library could swallow an exception during an import."""
    try:
        os.write(2, b"error: interrupted\n")
    finally:  # also if standard error is closed
        os._exit(130)
