"""What can go wrong through no defect of the program. Each message is one line that says what to do."""


class SlidescreenError(Exception):
    """Base of the expected errors: shown as one line, without a traceback."""


class InputError(SlidescreenError):
    """The command was asked for something it cannot do: a bad option, file or folder."""


class OutputError(SlidescreenError):
    """A result could not be written: a full disk, a folder without permission."""


class NothingClassifiedError(SlidescreenError):
    """The input was understood, but not a single image of it could be classified."""


class UnreadableImageError(SlidescreenError):
    """One image file could not be used; the message is the reason, without the file's name."""
