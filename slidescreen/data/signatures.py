"""What a person signs with a slide: its pictures, and the types that the page showed of them."""

import hashlib
import json
from collections.abc import Iterable, Mapping

from slidescreen.data.correction_table import SHORT


def signed_content(contents: Mapping[str, str]) -> str:
    """The content that a signature signs: a hash of all pictures of a slide, by name if their content is unknown.

    Args:
        contents: the SHA-256 of each picture by its name; empty text if unknown.
    """
    told = sorted(content or image for image, content in contents.items())
    return _hash(told, "\0")


def signed_types(contents: Mapping[str, str], types: Mapping[str, str]) -> str:
    """The types that a signature signs: a hash of a line for each cell. The page's `typesOf` makes the same.

    A line holds the beginning of the picture's SHA-256, or its name as in JSON if that is unknown, a space and the
    cell's type. The lines are sorted.

    Args:
        contents: as in `signed_content`.
        types: each cell's type, or that it has none, by the picture's name.
    """
    lines = sorted(f"{contents[image][:SHORT] or json.dumps(image)} {cell_type}" for image, cell_type in types.items())
    return _hash(lines, "\n")


def _hash(told: Iterable[str], between: str) -> str:
    return hashlib.sha256(between.join(told).encode("utf-8", "surrogateescape")).hexdigest()
