"""One rule for images that are listed more than once. Training and scoring would use them twice or falsely."""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from slidescreen.data.label_options import Split
from slidescreen.data.labels import LabelledImage
from slidescreen.errors import InputError
from slidescreen.files.writing import printable, sha256_of

_ORDER: tuple[str, ...] = ("", *Split)
_PROBLEMS = ("has two labels", "is in two splits", "is listed twice")


@dataclass(frozen=True)
class Deduplicated:
    """Sorted positions of the images that are kept, of dropped copies, and of images with two labels."""

    kept: tuple[int, ...]
    copies: tuple[int, ...] = ()
    two_labels: tuple[int, ...] = ()


def contents_of(paths: Iterable[Path]) -> dict[Path, str]:
    """A text for each file that is equal only for files of equal content. Only files of equal size are read.

    Empty and unreadable files are left out. The code that needs them reports them.
    """
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        with contextlib.suppress(OSError, ValueError):
            by_size[path.stat().st_size].append(path)
    by_size.pop(0, None)
    contents: dict[Path, str] = {}
    for size, alike in by_size.items():
        for path in alike:
            with contextlib.suppress(OSError):
                contents[path] = sha256_of(path) if len(alike) > 1 else f"{size} bytes"
    return contents


def deduplicate(
    images: Sequence[LabelledImage], contents: Mapping[Path, str], drop: bool, split: str | None = None
) -> Deduplicated:
    """Find images that are listed more than once: by one path, by several, or as byte-identical copies.

    Args:
        images: labelled images with their splits.
        contents: the result of `contents_of`. Images without an entry are compared by path only.
        drop: keep one copy instead of refusing. A copy in test is kept before one in validation, and that before one
            in train; within a split the first is kept. Of an image with two labels none is kept.
        split: the split to measure on, if only images with a copy in it matter.

    Raises:
        InputError: there are such images and `drop` is false. The message names two of them, with their lines.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, image in enumerate(images):
        groups[contents.get(image.path) or f"\0{image.path}"].append(position)
    repeated = [
        group
        for group in groups.values()
        if len(group) > 1 and (split is None or any(images[position].split == split for position in group))
    ]
    if repeated and not drop:
        raise InputError(_refusal(images, repeated))
    copies, two_labels = set(), set()
    for group in repeated:
        if len({images[position].label for position in group}) > 1:
            two_labels.update(group)
        else:
            copies.update(set(group) - {max(group, key=lambda place: (_ORDER.index(images[place].split), -place))})
    unwanted = copies | two_labels
    kept = tuple(position for position in range(len(images)) if position not in unwanted)
    return Deduplicated(kept, tuple(sorted(copies)), tuple(sorted(two_labels)))


def without_duplicates(
    images: Sequence[LabelledImage], contents: Mapping[Path, str], drop: bool
) -> list[LabelledImage]:
    """The images that `deduplicate` keeps."""
    return [images[position] for position in deduplicate(images, contents, drop).kept]


def _refusal(images: Sequence[LabelledImage], repeated: Sequence[Sequence[int]]) -> str:
    """A message with the gravest problem, and the number of images that have one."""
    problem, first, second = min(_problem(images, group) for group in repeated)
    one, other = images[first], images[second]
    lines = f" (lines {one.line} and {other.line})" if one.line else ""
    names = f"{printable(one.written or one.path)} and {printable(other.written or other.path)}{lines}"
    others = f" (as {len(repeated) - 1} more do)" if len(repeated) > 1 else ""
    return f"the same image {_PROBLEMS[problem]}: {names}{others}; remove one, or use --drop-duplicates"


def _problem(images: Sequence[LabelledImage], group: Sequence[int]) -> tuple[int, int, int]:
    """The problem of one image's copies, as a position in `_PROBLEMS`, and the positions of two copies that show it."""
    first, *others = group
    for number, of in enumerate((attrgetter("label"), attrgetter("split"))):
        for other in others:
            if of(images[other]) != of(images[first]):
                return number, first, other
    return len(_PROBLEMS) - 1, first, others[0]
