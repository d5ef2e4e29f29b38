"""Match labels to the images of a run by slide and path, and never guess.

The label's path on the disk comes first. Run and labels may have moved since the run. So a path also matches if it
holds the slide's name and the whole path within the slide, or if it lies within the slide that the label names. A label
that matches several images is not used.
"""

import filecmp
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from slidescreen.data.calls import Status
from slidescreen.data.file_finder import FileFinder, folded
from slidescreen.data.labels import LabelledImage
from slidescreen.evaluation.run_images import RunImage, contents_of_images, images_of
from slidescreen.files.writing import denature, printable, sha256_of
from slidescreen.screening.results import Run

_Form = Callable[[str], str]
_Index = dict[str, list[int]]
_FULL_PATH = re.compile(r"/|\\\\|[A-Za-z]:[\\/]")  # on this system or on Windows


def _slashed(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\\", "/"))


_FORMS: tuple[_Form, ...] = (printable, _slashed, lambda text: folded(_slashed(text)))
"""Spellings of a path, from exact to loose. The first one with a match counts."""


_Key = Callable[[RunImage], str]


class LabelMatcher:
    """Finds the image of a run for each label."""

    def __init__(self, run: Run, base: Path) -> None:
        """Set up for labels whose files are named relative to the folder `base`."""
        self._images = [image for slide in run.slides for image in images_of(slide)]
        self._slides = [slide.name for slide in run.slides]
        self._input = str(run.info.get("input") or "")
        self._base = base
        self._finder = FileFinder(base)
        self._counted_by_content: dict[str, tuple[dict[str, str], dict[str, RunImage]]] = {}
        self._indices: dict[tuple[_Key, _Form], _Index] = {}

    def find(self, label: LabelledImage) -> RunImage | str:
        """The image of a label, or why there is none: a key of `WHY_UNSCORED`.

        Byte-identical copies within a slide count once, so a label of a copy belongs to the counted image.
        """
        written = denature(label.written.strip()) or os.fspath(label.path)
        named = self._slides_called(label.slide)
        places = self._at_place(label.written, written)
        if places:
            inside = [place for place in places if self._in_slide(place, named)]
            same = [place for place in inside if not _was_replaced(self._images[place])]
            return self._only(same, "other_picture" if inside else "other_slide")
        if label.slide and not named:
            return "no_image"
        own = self._finder.find(written)
        for form in _FORMS:
            found = self._by_path(written, named, form)
            if found:
                match = self._only(sorted(found), "no_image")
                return "other_picture" if isinstance(match, RunImage) and _same(own, match) is False else match
        return self._only(sorted(self._copied_elsewhere(written, own)), "no_image")

    def _only(self, positions: Sequence[int], if_none: str) -> RunImage | str:
        if len(positions) != 1:
            return "ambiguous" if positions else if_none
        found = self._images[positions[0]]
        return self._counted(found) if found.call.status is Status.DUPLICATE else found

    def _counted(self, copy: RunImage) -> RunImage:
        """The counted image with the same content as a copy; the copy itself if the files are gone."""
        name = copy.slide.name
        if name not in self._counted_by_content:
            inside = [image for image in self._images if image.slide is copy.slide]
            contents = dict(zip((image.call.image for image in inside), contents_of_images(inside), strict=True))
            counted = (image for image in inside if image.call.status is not Status.DUPLICATE)
            self._counted_by_content[name] = contents, {contents[image.call.image]: image for image in counted}
        contents, counted_by_content = self._counted_by_content[name]
        content = contents[copy.call.image]
        return counted_by_content.get(content, copy) if content else copy

    def _slides_called(self, name: str) -> set[str]:
        """The run's slides of this name, in the first spelling that matches any."""
        for form in _FORMS:
            found = {slide for slide in self._slides if form(slide) in (form(name), form(denature(name)))}
            if name and found:
                return found
        return set()

    def _in_slide(self, position: int, named: set[str]) -> bool:
        return not named or self._images[position].slide.name in named

    def _at_place(self, *spellings: str) -> list[int]:
        """The images at the label's own place on the disk, links followed."""
        for written in dict.fromkeys(spellings):
            for place in (os.path.abspath, os.path.realpath):
                path = place(self._base / written)
                found = next(filter(None, (self._by(_place, form).get(form(path)) for form in _FORMS)), [])
                if found:
                    return found
        return []

    def _by_path(self, written: str, named: set[str], form: _Form) -> set[int]:
        """Images that a path names: below the run's input, with the slide's name, or within a known slide."""
        path = posixpath.normpath(form(written))
        full = bool(_FULL_PATH.match(written))
        found: set[int] = set()
        for start, tail in _tails(path):
            for position in self._by(_name, form).get(tail, ()):
                upward = form(os.fspath(self._images[position].path)).endswith(f"/{path}")
                if named or (not full and (start == 0 or upward)):
                    found.add(position)
        if self._input and not full:
            below = form(os.path.abspath(os.path.join(self._input, written)))  # noqa: PTH100, PTH118
            found.update(self._by(_place, form).get(below, ()))
        if named or len(self._slides) == 1:
            for position in self._by(_base_name, form).get(posixpath.basename(path), ()):
                within = form(self._images[position].call.image)
                if within == path or (named and within.endswith(f"/{path}")):
                    found.add(position)
        return {position for position in found if self._in_slide(position, named)}

    def _copied_elsewhere(self, written: str, own: Path | None) -> set[int]:
        """Images whose slide and path are the end of a path elsewhere, if the file there has the same content."""
        for form in _FORMS:
            index = self._by(_name, form)
            tails = [position for _, tail in _tails(form(written)) for position in index.get(tail, ())]
            found = {position for position in tails if _same(own, self._images[position])}
            if found:
                return found
        return set()

    def _by(self, key: _Key, form: _Form) -> _Index:
        """Positions of the run's images, by a key in one spelling."""
        if (key, form) not in self._indices:
            index: _Index = defaultdict(list)
            for position, image in enumerate(self._images):
                index[form(key(image))].append(position)
            self._indices[key, form] = dict(index)
        return self._indices[key, form]


def _name(image: RunImage) -> str:
    return image.name


def _place(image: RunImage) -> str:
    return os.fspath(image.path)


def _base_name(image: RunImage) -> str:
    return posixpath.basename(image.call.image)


def _tails(path: str) -> Iterable[tuple[int, str]]:
    """A path without its first 0, 1, 2 … folders."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ((start, "/".join(parts[start:])) for start in range(len(parts)))


def _was_replaced(image: RunImage) -> bool:
    """Whether an image's file holds another picture than the one that was classified."""
    return bool(image.call.digest) and _same(image.path, image) is False


def _same(own: Path | None, image: RunImage) -> bool | None:
    """Whether a file holds the picture that was classified; None if that cannot be known."""
    if own is None:
        return None
    try:
        if image.call.digest:
            return sha256_of(own) == image.call.digest
        return filecmp.cmp(own, image.path, shallow=False)
    except (OSError, ValueError):
        return None
