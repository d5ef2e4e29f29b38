"""Names for files and folders that are legal on Linux, Windows, macOS, and on shares between them."""

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST = 100  # characters, and bytes; Windows takes 260 characters for a whole path, others 255 bytes for a name
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)


def legal_name(text: str, suffix: str = "") -> str:
    """A legal name made from a text. It is the text itself if that is legal on every system.

    Otherwise the name ends with a part of the text's digest, so that two texts never get one name.

    Args:
        text: the name of a folder or slide. Lone surrogates stand for undecodable bytes.
        suffix: a legal suffix to append.
    """
    name = _FORBIDDEN.sub("_", text)
    if not name.strip(". ") or name.endswith((".", " ")):
        name = name.rstrip(". ") + "_"
    if _RESERVED.fullmatch(name.partition(".")[0].rstrip()):
        name = f"_{name}"
    if name == text and _fits(name + suffix):
        return name + suffix
    ending = f"-{_digest(text)}{suffix}"
    while not _fits(name + ending):
        name = name[:-1]
    return name + ending


def distinct_names(texts: Sequence[str], suffix: str) -> list[str]:
    """A unique legal name for each text, even on file systems that ignore letter case.

    If texts differ only in letter case, the names of those with capitals get a part of the text's digest.
    """
    names = [legal_name(text, suffix) for text in texts]
    looks = Counter(map(_look, names))
    taken: set[str] = set()
    for place, text in enumerate(texts):
        if looks[_look(names[place])] > 1 and text != _look(text):
            names[place] = legal_name(text, f"-{_digest(text)}{suffix}")
        for number in itertools.count(2):
            if _look(names[place]) not in taken:
                break
            names[place] = legal_name(f"{text}-{number}", suffix)
        taken.add(_look(names[place]))
    return names


def _look(name: str) -> str:
    """A name in the form by which some file systems compare names: with composed accents and without capitals."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _fits(name: str) -> bool:
    return len(name.encode()) <= LONGEST
