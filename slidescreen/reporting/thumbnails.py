"""Small pictures of cells, inside the page itself."""

import base64
import io
from pathlib import Path

from PIL import Image

from slidescreen.errors import UnreadableImageError
from slidescreen.images import decode, read_bytes

SIDE = 96


def thumbnail(path: Path) -> str | None:
    """A cell image as a data URI, at most 96 pixels a side; None where the file cannot be read any more."""
    try:
        image = decode(read_bytes(path))
    except UnreadableImageError:
        return None
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
