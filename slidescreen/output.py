"""Robust standard output and error: they survive a closed pipe, a full disk and characters that a terminal lacks."""

import codecs
import contextlib
import errno
import io
import os
import select
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.text import Text

_NAMES = {"stdout": "standard output", "stderr": "standard error"}
_READER_GONE = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO, errno.EINVAL}  # Windows reports EINVAL
_PLAIN = {
    **dict.fromkeys("–—−", "-"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("‘’", "'"),
    "…": "...",
    "·": "-",
    "→": "->",
    "×": "x",
    "±": "+-",
    "≥": ">=",
    "≤": "<=",
    "κ": "kappa",
    "²": "^2",
    "∞": "inf",
    "µ": "u",
    "▲": "!!",
    "◆": "!",
    "○": "?",
    "✓": "ok",
}


def _spell(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler. It replaces a character by plain letters, or by an escape like \\u0416."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


_HANDLER = "slidescreen.spell"
codecs.register_error(_HANDLER, _spell)


class _Sink(io.RawIOBase):
    """Writes to a raw stream. If a write fails, its data is dropped. `problem` keeps the first reason."""

    def __init__(self, raw: Any, name: str) -> None:
        self._raw, self._name = raw, name
        self.problem: str | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        try:
            return bool(self._raw.isatty())
        except (OSError, ValueError):
            return False

    def write(self, data: Any) -> int:
        try:
            while (written := self._raw.write(data)) is None:  # a non-blocking stream is full
                select.select([], [self.fileno()], [], 1.0)
        except (OSError, ValueError) as error:
            if self.problem is None and not self._reader_is_gone(error):
                reason = getattr(error, "strerror", None) or str(error)
                self.problem = f"{_NAMES.get(self._name, self._name)} could not be written: {reason}"
            return len(data)
        return int(written)

    def _reader_is_gone(self, error: Exception) -> bool:
        """Whether the reader has gone, as with `| head -1`. False for other errors, such as a full disk."""
        if not isinstance(error, OSError):
            return True  # the stream was closed
        try:
            to_a_file = stat.S_ISREG(os.fstat(self.fileno()).st_mode)
        except (OSError, ValueError):
            return True
        return error.errno in _READER_GONE and not to_a_file


_sinks: list[_Sink] = []


def problems() -> Sequence[str]:
    """The streams that could not be written, and why. A reader that went away does not count."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(ValueError):
                stream.flush()
    return [sink.problem for sink in _sinks if sink.problem]


@contextlib.contextmanager
def unbreakable() -> Iterator[None]:
    """Printing never fails inside this context. In a real process that holds until the process ends.

    Standard streams that were closed from the start lead to the null device, so no other file can take their number.
    """
    _fill_gaps()
    _sinks.clear()
    before = {name: getattr(sys, name) for name in _NAMES}
    for name, stream in before.items():
        setattr(sys, name, _guarded(stream, name))
    try:
        yield
    finally:
        problems()
        for name, stream in before.items():
            if stream is not getattr(sys, f"__{name}__"):  # not the process's own stream, as in a test
                setattr(sys, name, stream)


def _fill_gaps() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)


def _guarded(stream: TextIO | None, name: str) -> TextIO:
    if stream is None:
        raw, encoding = io.FileIO(os.devnull, "w"), "utf-8"
    elif (buffer := getattr(stream, "buffer", None)) is None:
        return stream  # a text stream without bytes, for instance in memory
    else:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        raw, encoding = getattr(buffer, "raw", buffer), stream.encoding
    sink = _Sink(raw, name)
    _sinks.append(sink)
    return io.TextIOWrapper(io.BufferedWriter(sink), encoding, _HANDLER, line_buffering=name == "stderr")


def spelled(text: str, encoding: str) -> str:
    """A text as an output of this encoding shows it: characters that it lacks are replaced. It may become longer."""
    return text.encode(encoding, _HANDLER).decode(encoding)


class _Console(Console):
    """A console that replaces unsupported characters before it lays out lines and columns."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(spelled(text, self.encoding), **options)


def console(error: bool = False, quiet: bool = False) -> Console:
    """A console on standard output, or on standard error."""
    return _Console(stderr=error, quiet=quiet, highlight=False, emoji=False)


def echo(text: str) -> None:
    """Print a line on standard output unchanged."""
    print(text, flush=True)


def say(kind: str, message: str) -> None:
    """Print one line on standard error: `error` or `warning`, then the message."""
    style = "bold red" if kind == "error" else "bold yellow"
    line = " ".join(message.split())
    console(error=True).print(f"[{style}]{kind}:[/] {escape(line)}", soft_wrap=True)
