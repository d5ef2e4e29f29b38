"""Names for files and folders that every system takes: Linux, Windows, macOS, and shares between them."""

import hashlib
import re

LONGEST = 100  # characters, and bytes; Windows takes 260 characters for a whole path, others 255 bytes for a name
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)


def legal_name(text: str, suffix: str = "") -> str:
    """A name made of some text, the text itself where that is legal everywhere.

    Else it ends with some of the text's digest, so that two texts never come to one name.

    Args:
        text: as a folder or a slide is called; lone surrogates stand for bytes that are no letters.
        suffix: legal, put behind it.
    """
    name = _FORBIDDEN.sub("_", text)
    if not name.strip(". ") or name.endswith((".", " ")):
        name = name.rstrip(". ") + "_"
    if _RESERVED.fullmatch(name.partition(".")[0].rstrip()):
        name = f"_{name}"
    if name == text and _fits(name + suffix):
        return name + suffix
    ending = f"-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}{suffix}"
    while not _fits(name + ending):
        name = name[:-1]
    return name + ending


def _fits(name: str) -> bool:
    return len(name.encode()) <= LONGEST
