"""The common part of the progress displays: a bar on standard error, where it disturbs no script."""

from types import TracebackType
from typing import Self

from rich.markup import escape
from rich.progress import Progress, ProgressColumn

from slidescreen import output
from slidescreen.errors import UnreadableNote


class ProgressDisplay:
    """A progress bar that appears at the first call of `show`. So an early error appears without a bar.

    Attributes:
        unreadable: whether a note was about images that could not be read.
    """

    def __init__(self, *columns: ProgressColumn, quiet: bool = False) -> None:
        self.unreadable = False
        self.console = output.console(error=True, quiet=quiet)
        self._bar = Progress(*columns, console=self.console, disable=quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def note(self, text: str) -> None:
        """Print a message."""
        self.unreadable |= isinstance(text, UnreadableNote)
        self.console.print(escape(text), soft_wrap=not self.console.is_terminal)

    def show(self) -> None:
        """Let the bar appear; later calls change nothing."""
        self._bar.start()
