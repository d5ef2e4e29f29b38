"""Read one image file into everything that the pipeline needs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slidescreen.data.appearance import measure
from slidescreen.data.images import Pixels, prepare, read_bytes, read_picture
from slidescreen.data.no_cell import why_no_cell
from slidescreen.data.preprocessing import Preprocessing
from slidescreen.errors import UnreadableImageError

OUT_OF_MEMORY = "memory ran out while it was being read"


@dataclass(frozen=True)
class DecodedImage:
    """A file after reading: its content hash, and its pixels for each preprocessing or the reason for having none.

    `no_cell` says why the image cannot show a single cell; empty if it can. `remarks` say how the file was read.
    """

    digest: str = ""
    pixels: tuple[Pixels, ...] = ()
    appearance: tuple[float, ...] = ()
    reason: str = ""
    no_cell: str = ""
    remarks: tuple[str, ...] = ()


def load(path: Path, preprocessings: Sequence[Preprocessing]) -> DecodedImage:
    """Read, decode and prepare an image. An unreadable image raises no error; its `reason` says why."""
    digest = ""
    try:
        content = read_bytes(path)
        digest = hashlib.sha256(content).hexdigest()
        picture = read_picture(content)
        image, no_cell = picture.image, why_no_cell(picture.image)
        pixels = tuple(prepare(image, preprocessing) for preprocessing in preprocessings)
        appearance = measure(image) if _is_sampled(digest) and not no_cell else ()
        return DecodedImage(digest, pixels, appearance, no_cell=no_cell, remarks=picture.remarks)
    except UnreadableImageError as error:
        return DecodedImage(digest, reason=str(error))
    except MemoryError:  # no digest, so that the next run tries again
        return DecodedImage(reason=OUT_OF_MEMORY)


def _is_sampled(digest: str) -> bool:
    """Whether an image belongs to the quarter whose appearance is measured. Measuring all would take too long."""
    return int(digest[:2], 16) % 4 == 0
