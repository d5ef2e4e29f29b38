"""The pictures of a slide's cells. They are drawn once and kept with the slide's record, so they outlive the images."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from slidescreen.errors import OutputError
from slidescreen.files.writing import content_of, write_text
from slidescreen.screening.finding import Flag
from slidescreen.screening.results import SlideResult

Picture = Callable[[Path], str | None]
"""A function from an image file to a data URI, or to None for no picture."""


class KeptPictures:
    """The pictures of one slide's cells. Stored pictures are used; others are drawn."""

    def __init__(self, slide: SlideResult) -> None:
        self._slide = slide
        self._path = None if slide.kept is None else slide.kept.pictures
        self._kept = _read(self._path)
        self._known = len(self._kept)
        # The slide's folder may hold other images now.
        self._others = bool({Flag.VANISHED, Flag.CHANGING} & set(slide.finding.flags))

    def get(self, image: str, draw: Picture, content: str = "") -> str | None:
        """The picture of the slide's image of this name. If none is kept, `draw` makes it.

        With the SHA-256 of its `content`, it is only made from a file that still has this content.
        """
        source = self._kept.get(image)
        if source is None and not self._others:
            path = self._slide.path_of(image)
            source = draw(path)
            if source is not None and content and content_of(path) != content:
                source = None
        if source is not None:
            self._kept[image] = source
        return source

    def keep(self) -> None:
        """Store the drawn pictures. If that fails, they are drawn again next time."""
        if self._path is not None and len(self._kept) > self._known:
            with contextlib.suppress(OutputError):
                write_text(self._path, json.dumps(self._kept))


def _read(path: Path | None) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    return {str(image): str(source) for image, source in content.items()} if isinstance(content, dict) else {}
