"""The command line: parse, call, show. Nothing is computed here, and nothing heavy is imported before it is used."""

import os
import signal


def main() -> None:
    """Run the command line; every way out goes through one exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # whoever ignores Ctrl-C, as a shell does for its background, goes on so
        signal.signal(signal.SIGINT, _leave)
    from slidescreen.cli.app import run

    signal.signal(signal.SIGINT, before)
    run()


def _leave(number: int, frame: object) -> None:
    """End at once: nothing has begun, and an exception amid imports could get lost in a library."""
    try:
        os.write(2, b"error: interrupted\n")
    finally:  # also where nobody is there to read it
        os._exit(130)
