"""The common part of the progress displays: a bar on standard error, where it disturbs no script."""

from types import TracebackType
from typing import Self

from rich.progress import Progress, ProgressColumn

from slidescreen import output


class ProgressDisplay:
    """A progress bar that appears at the first call of `show`. So an early error appears without a bar."""

    def __init__(self, *columns: ProgressColumn, quiet: bool = False) -> None:
        self.console = output.console(error=True, quiet=quiet)
        self._bar = Progress(*columns, console=self.console, disable=quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def show(self) -> None:
        """Let the bar appear; later calls change nothing."""
        self._bar.start()
