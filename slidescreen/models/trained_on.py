"""Which images a checkpoint was trained on, as it records them: the first bytes of the SHA-256 of each file."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_KEY = "trained_on"
_BYTES = 8  # of a SHA-256; among millions of images, two alike have a chance of one in a million


@dataclass(frozen=True)
class TrainedOn:
    """The images that a checkpoint's networks learnt from.

    `complete` says whether all of them are recorded: checkpoints of earlier releases record none. `as_given` says
    whether the table of a training had a column `split`.
    """

    images: frozenset[bytes] = frozenset()
    complete: bool = False
    as_given: bool = False

    def holds(self, sha256: str) -> bool:
        """Whether an image with this SHA-256 (hexadecimal) is recorded."""
        return _short(sha256) in self.images


def record(sha256s: Iterable[str], earlier: TrainedOn = TrainedOn()) -> dict[str, str]:
    """The entry of a checkpoint's provenance for images with these SHA-256, and for those of an `earlier` training."""
    images = sorted({*map(_short, sha256s), *earlier.images})
    return {_KEY: base64.b64encode(b"".join(images)).decode("ascii")}


def signed_record(sha256s: Iterable[str], before: Mapping[str, Any]) -> dict[str, str]:
    """The entry of an adaptation for signed images, and for those of earlier ones in the provenance of `before`."""
    return record(sha256s, signed_before(before))


def signed_before(provenance: Mapping[str, Any]) -> TrainedOn:
    """The signed images of a checkpoint's adaptations."""
    return TrainedOn(_images(provenance.get("adapted", {})))


def trained_on(provenance: Mapping[str, Any]) -> TrainedOn:
    """What a checkpoint's provenance records, its own or that of the checkpoints of which it is the mean."""
    parts = [trained_on(part) for part in provenance.get("mean_of", ())]
    if not parts:
        parts = [TrainedOn(_images(provenance), _KEY in provenance, provenance.get("split") == "as given")]
    return TrainedOn(
        frozenset().union(signed_before(provenance).images, *(part.images for part in parts)),
        all(part.complete for part in parts),
        any(part.as_given for part in parts),
    )


def _images(entry: Mapping[str, Any]) -> frozenset[bytes]:
    packed = base64.b64decode(entry.get(_KEY, ""))
    return frozenset(packed[start : start + _BYTES] for start in range(0, len(packed), _BYTES))


def _short(sha256: str) -> bytes:
    return bytes.fromhex(sha256[: 2 * _BYTES])
