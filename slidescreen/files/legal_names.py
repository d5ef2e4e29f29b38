"""Names for files and folders that are legal on Linux, Windows, macOS, and on shares between them."""

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence

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


def distinct_names(texts: Sequence[str], suffix: str, known: Collection[str] = ()) -> list[str]:
    """A unique legal name for each of different texts, even on file systems that ignore letter case.

    If texts differ only in letter case, the names of those with capitals get a part of the text's digest.

    Args:
        texts: the texts.
        suffix: a legal suffix to append.
        known: names that were given earlier. A text keeps its name among them, and no new name differs from one of
            them only in letter case.
    """
    kept = _kept_names(texts, suffix, known)
    new = {text: legal_name(text, suffix) for text in texts if text not in kept}
    looks = Counter(map(_look, new.values()))
    earlier = set(map(_look, known))
    taken = set(earlier)
    for text, name in new.items():
        alike = _look(name) in earlier or (looks[_look(name)] > 1 and text != _look(text))
        tries = (legal_name(f"{text}-{number}", suffix) for number in itertools.count(2))
        first = _marked(text, suffix) if alike else name
        new[text] = next(found for found in itertools.chain([first], tries) if _look(found) not in taken)
        taken.add(_look(new[text]))
    return [kept.get(text) or new[text] for text in texts]


def _kept_names(texts: Sequence[str], suffix: str, known: Collection[str]) -> dict[str, str]:
    """The earlier name of each text that had one. No two names differ only in letter case."""
    kept: dict[str, str] = {}
    taken: set[str] = set()
    for text in texts:
        for name in (_marked(text, suffix), legal_name(text, suffix)):
            if text not in kept and name in known and _look(name) not in taken:
                kept[text] = name
                taken.add(_look(name))
    return kept


def _marked(text: str, suffix: str) -> str:
    """A legal name that also tells letter case: it ends with a part of the text's digest."""
    return legal_name(text, f"-{_digest(text)}{suffix}")


def _look(name: str) -> str:
    """A name in the form by which some file systems compare names: with composed accents and without capitals."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _fits(name: str) -> bool:
    return len(name.encode()) <= LONGEST
