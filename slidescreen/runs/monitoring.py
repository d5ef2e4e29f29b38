"""A run's log of JSON lines, and its status file for monitoring.

Neither may stop the run: a failure to write is reported once, and the run goes on.
"""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from slidescreen import output
from slidescreen.errors import InputError, OutputError
from slidescreen.files.writing import printable, share, write_text
from slidescreen.screening.results import SlideResult

_BETWEEN_UPDATES = 2.0  # seconds


class RunObserver(Protocol):
    """Shows a run's progress."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def start(self, slides: int, cells: int) -> None: ...

    def cells(self, count: int) -> None: ...

    def slide(self, result: SlideResult) -> None: ...


class LogFile:
    """A file to which lines are appended at once. If the file is moved away, a new one is started."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._torn = False  # the last line may have been written in part

    def add(self, line: str) -> None:
        """Add a line.

        Raises:
            OutputError: the line could not be written.
        """
        text = f"\n{line}\n" if self._torn else f"{line}\n"
        self._torn = True
        try:
            is_new = not self.path.exists()
            with self.path.open("ab") as file:
                file.write(text.encode())
            if is_new:
                share(self.path)
        except OSError as error:
            raise OutputError(f"cannot write {printable(self.path)}: {error.strerror or error}") from error
        self._torn = False


class Monitor:
    """A display that records all events, and passes them on to another display.

    `warnings` are sentences for the run's operator. `unwritten` names the files that could not be written: side files
    such as histories and logs, and tables that were written under another name.
    """

    def __init__(self, display: RunObserver, log: LogFile | None = None) -> None:
        self._display = display
        self._log = log
        self.warnings: list[str] = []
        self.unwritten: list[str] = []
        self._status_path: Path | None = None
        self._written = 0.0
        self._begun = time.monotonic()
        self._status: dict[str, Any] = {
            "state": "starting",
            "process": os.getpid(),
            "host": platform.node(),
            "started": _now(),
            "slides": 0,
            "slides_done": 0,
            "images": 0,
            "images_done": 0,
        }

    def follow(self, path: Path) -> None:
        """Keep a status file from here on."""
        self._status_path = path
        self._update(at_once=True)

    def event(self, name: str, **details: Any) -> None:
        """Write a line to the log."""
        if self._log is not None:
            with self.side_file(self._log.path):
                self._log.add(json.dumps({"time": _now(), "event": name, **details}))

    def warn(self, text: str) -> None:
        """Report a problem that does not stop the run."""
        if text not in self.warnings:
            self.warnings.append(text)
            self._display.warn(text)
            self.event("warning", text=text)

    def troubles(self) -> dict[str, list[str]]:
        """The warnings and unwritten files, for the run's record."""
        return {"warnings": [*self.warnings, *output.problems()], "unwritten_files": list(self.unwritten)}

    @contextlib.contextmanager
    def side_file(self, path: Path) -> Iterator[None]:
        """Report an error in writing a side file. The run continues."""
        try:
            yield
        except (InputError, OutputError) as error:
            self.not_written(path, str(error))
        except OSError as error:
            self.not_written(path, f"cannot write {printable(path)}: {error.strerror}")

    def not_written(self, path: Path, why: str) -> None:
        """Report once that a file could not be written."""
        name = printable(path)
        if name not in self.unwritten:
            self.unwritten.append(name)
            self.warn(why)

    def note(self, text: str) -> None:
        """Show a remark."""
        self._display.note(text)
        self.event("note", text=text)

    def start(self, slides: int, cells: int) -> None:
        """Begin, with the numbers of slides and cell images to classify."""
        self._display.start(slides, cells)
        self.event("started", slides=slides, images=cells)
        self._begun = time.monotonic()
        self._status.update(state="running", slides=slides, images=cells)
        self._update(at_once=True)

    def cells(self, count: int) -> None:
        """Count newly finished cells."""
        self._display.cells(count)
        self._status["images_done"] += count
        self._update()

    def slide(self, result: SlideResult) -> None:
        """Count a finished slide."""
        self._display.slide(result)
        for image, reason in result.not_cells:
            self.event("not_a_cell", slide=result.name, image=image, reason=reason)
        for image, reason in result.failures:
            self.event("unreadable", slide=result.name, image=image, reason=reason)
        found = result.differential
        self.event("slide", slide=result.name, verdict=result.finding.verdict, images=found.images)
        self._status["slides_done"] += 1
        self._update(at_once=True)

    def speed(self) -> float | None:
        """Images per second since the start, reading and writing included; None without images."""
        done = self._status["images_done"]
        return round(done / max(time.monotonic() - self._begun, 1e-3), 1) if done else None

    def end(self, state: str, **details: Any) -> None:
        """Record the end of the run: `done`, `interrupted` or `failed`."""
        self.event(state, **details)
        self._status.update(state=state, **details)
        self._update(at_once=True)

    def _update(self, at_once: bool = False) -> None:
        if self._status_path is None or (not at_once and time.monotonic() - self._written < _BETWEEN_UPDATES):
            return
        self._written = time.monotonic()
        self._status["updated"] = _now()
        with self.side_file(self._status_path):
            write_text(self._status_path, json.dumps(self._status, indent=2) + "\n")


@contextlib.contextmanager
def monitored(display: RunObserver, log_file: Path | None) -> Iterator[Monitor]:
    """A monitor that writes to a log file, if one is wanted, and records how the run ended."""
    monitor = Monitor(display, LogFile(log_file) if log_file else None)
    try:
        yield monitor
    except KeyboardInterrupt:
        monitor.end("interrupted")
        raise
    except Exception as error:
        monitor.end("failed", error=" ".join(str(error).split()))
        raise
    monitor.end("done")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
