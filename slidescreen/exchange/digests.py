"""A digest stands for data that is compared on later nights, but not stored."""

import hashlib


def digest(told: object) -> str:
    """The digest of plain data: texts, numbers, and containers of them."""
    return hashlib.sha256(repr(told).encode("utf-8", "backslashreplace")).hexdigest()
