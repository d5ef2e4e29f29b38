"""Expected errors, which are not defects of the program. Each message is one line that says what to do."""

import errno

_OUT_OF_MEMORY = (
    "bad_alloc",
    "can't alloc",
    "can't start new thread",
    "Cannot allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "out of memory",
    "Resource temporarily unavailable",
    "Broken promise",  # OpenVINO could not start a thread
)


class SlidescreenError(Exception):
    """Base of the expected errors: shown as one line, without a traceback.

    Attributes:
        own: whether the error happened in this process alone, and the command's other processes do not know of it.
    """

    own = False


class InputError(SlidescreenError):
    """The command was asked for something it cannot do: a bad option, file or folder."""


class UnavailableError(InputError):
    """A file cannot be read at present, but may be undamaged: a server is down, or a permission is missing."""


class EmptyFileError(InputError):
    """A file that should hold text or a table holds nothing."""


class StoppedError(InputError):
    """A run cannot continue. What it finished is kept."""


class DivergedError(InputError):
    """A training reached values that are not finite. Its options do not suit its images."""


class OutputError(SlidescreenError):
    """A result could not be written: a full disk, a folder without permission."""


class NothingClassifiedError(SlidescreenError):
    """The input was understood, but none of its images could be classified."""


class UnreadableImageError(SlidescreenError):
    """One image file could not be used. The message gives the reason, without the file's name."""


class UnreadableNote(str):
    """A message about images that could not be read and were left out. The command then ends with exit code 3."""

    __slots__ = ()


def memory_ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out. Libraries report that in many ways."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN)):
        return True
    return isinstance(error, RuntimeError | ImportError) and any(text in str(error) for text in _OUT_OF_MEMORY)
