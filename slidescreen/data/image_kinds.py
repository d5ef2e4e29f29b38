"""The kind of an image file, recognised by its first bytes, whatever its name."""

import os
import re
import stat
from pathlib import Path

_HEAD = 512  # bytes
READ_KINDS = frozenset({"JPEG", "PNG", "BMP", "TIFF", "WebP"})
OTHER_SUFFIXES = frozenset(
    {
        *(".gif", ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpf", ".jpx", ".jxl", ".jxr", ".hdp", ".wdp"),
        *(".tga", ".psd", ".pcx", ".ppm", ".pgm", ".pbm", ".pnm", ".dcm", ".exr", ".svs", ".ndpi"),
    }
)
"""Suffixes of image kinds that slidescreen does not read."""

_BEGINNINGS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (kind, re.compile(pattern, re.DOTALL))
    for kind, pattern in (
        ("JPEG", rb"\xff\xd8\xff"),
        ("PNG", rb"\x89PNG\r\n\x1a\n"),
        ("BMP", rb"BM.{8}.{3}\x00[\x0c-\x7c]\x00\x00\x00"),  # where pixels begin, and the size of a known header
        ("TIFF", rb"II[*+]\x00|MM\x00[*+]"),
        ("WebP", rb"RIFF.{4}WEBP"),
        ("GIF", rb"GIF8[79]a"),
        ("HEIF", rb".{4}ftyp(hei[cfmsx]|hev[cmsx]|mi[fa][12]|msf1)"),
        ("AVIF", rb".{4}ftypavi[fs]"),
        ("JPEG 2000", rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
        ("JPEG XL", rb"\x00\x00\x00\x0cJXL \r\n\x87\n|\xff\x0a"),
        ("JPEG XR", rb"II\xbc[\x00\x01]"),
        ("Photoshop", rb"8BPS\x00[\x01\x02]\x00{6}"),
        ("DICOM", rb".{128}DICM"),
        ("OpenEXR", rb"\x76\x2f\x31\x01"),
        ("PNM", rb"P[1-6][\r\n]\s*(#[^\n]*\n\s*)*\d+\s+(#[^\n]*\n\s*)*\d+\s"),
        ("PCX", rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08].{60}\x00"),
        ("QOI", rb"qoif.{8}[\x03\x04][\x00\x01]"),
        ("FITS", rb"SIMPLE  =\s+T"),
    )
)


def image_kind(head: bytes) -> str:
    """The kind of image that begins with these bytes; empty if unknown."""
    return next((kind for kind, pattern in _BEGINNINGS if pattern.match(head)), "")


def head_of(path: Path) -> bytes:
    """The first bytes of a regular file; empty for anything else or if unreadable. A pipe or device never blocks it."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b""
        handle = os.open(path, flags)
    except OSError:
        return b""
    try:
        return os.read(handle, _HEAD) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(handle)


def refusal(kind: str) -> str:
    """Why an image of this kind is not read; empty if it is read."""
    if not kind or kind in READ_KINDS:
        return ""
    return f"a {kind} image: only JPEG, PNG, BMP, TIFF and WebP are read"
