"""Read the text of a file that another program saved, whatever its encoding.

Spreadsheets save text as UTF-8, as UTF-16 or in a Windows code page, with or without a byte-order mark.
"""

import codecs
import re
from pathlib import Path

from slidescreen.errors import EmptyFileError, InputError
from slidescreen.files.existence import unavailable
from slidescreen.files.writing import printable

LINE_END = re.compile(r"\r\n|\r|\n")
_MARKS = {  # UTF-32 comes first, because its mark begins with the mark of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WINDOWS = "cp1252"
_FOREIGN = {
    b"PK\x03\x04": "a workbook (Excel, Calc) or an archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF",
}
_MOST_BYTES = 2 * 1024**3
_REMEDY = "save it as CSV (UTF-8)"


def read_text(path: Path) -> tuple[str, str]:
    """A file's text without its byte-order mark, and Python's name of its encoding. Line ends stay as they are.

    Raises:
        UnavailableError: the file cannot be read.
        EmptyFileError: the file is empty.
        InputError: the file is not text, or damaged. The message names the damaged line.
    """
    content, name = _content(path), printable(path)
    encoding = _encoding(content, name)
    binary = f"{name} is not text (it contains zero bytes): {_REMEDY}"
    if b"\0" in content and not encoding.startswith(("utf-16", "utf-32")):
        raise InputError(binary)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = 1 + len(LINE_END.findall(content[: error.start].decode(encoding, "replace")))
        byte = f"the byte 0x{content[error.start]:02x}"
        raise InputError(f"{name}, line {line}: {byte} is not a character of {spoken(encoding)}: {_REMEDY}") from error
    if "\0" in text:
        raise InputError(binary)
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        raise InputError(f"{name} is a web page or XML, not a table: {_REMEDY}")
    if not text.strip("\ufeff \t\r\n"):
        raise EmptyFileError(f"{name} is empty")
    return text.removeprefix("\ufeff"), encoding


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise unavailable(path, error) from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"{printable(path)} is larger than 2 GB: too large for a table")
    return content


def _encoding(content: bytes, name: str) -> str:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    for start, what in _FOREIGN.items():
        if content.startswith(start):
            raise InputError(f"{name} is {what}, not text: {_REMEDY}")
    return _without_mark(content)


def _without_mark(content: bytes) -> str:
    """The encoding of text without a byte-order mark.

    Zero bytes mean UTF-16. Text that is not valid UTF-8 is read as Windows' Western code page. The exception is text
    with some valid UTF-8 letters: it is damaged UTF-8, and would turn into gibberish.
    """
    head = content[:4096]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 1 and head[first::2].count(0) > len(head) / 4 and head[1 - first :: 2].count(0) == 0:
            return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "utf-8" if not content.decode("utf-8", "ignore").isascii() else WINDOWS
    return "utf-8"


def spoken(encoding: str) -> str:
    """An encoding's name for messages."""
    return "Windows-1252" if encoding == WINDOWS else encoding.removesuffix("-sig").upper()
