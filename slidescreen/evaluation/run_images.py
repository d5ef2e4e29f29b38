"""The images of a run as they were when it classified them. Their files may hold other pictures now."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slidescreen.data.calls import Call
from slidescreen.data.duplicates import contents_of
from slidescreen.files.writing import content_of
from slidescreen.screening.results import SlideResult
from slidescreen.screening.slide_contents import with_contents


@dataclass(frozen=True)
class RunImage:
    """An image of a run. Its call holds the SHA-256 of what was classified, as far as known."""

    slide: SlideResult
    call: Call

    @property
    def name(self) -> str:
        """The slide and the path within the slide. It is the image's own, even in an archive of one folder's slides."""
        return f"{self.slide.name}/{self.call.image}"

    @property
    def path(self) -> Path:
        """The image's path at the time of the run."""
        return self.slide.path_of(self.call.image)


def images_of(slide: SlideResult) -> list[RunImage]:
    """A slide's images."""
    return [RunImage(slide, call) for call in with_contents(slide, tuple(slide.calls))]


def contents_of_images(images: Sequence[RunImage]) -> list[str]:
    """For each image a text that is equal only for equal content: of what was classified, or else of its present file.
    It is empty if neither is known."""
    unknown = [image.path for image in images if not image.call.digest]
    if len(unknown) == len(images):
        found = contents_of(unknown)
    else:  # to be compared with SHA-256
        found = {path: content_of(path) for path in dict.fromkeys(unknown)}
    return [image.call.digest or found.get(image.path, "") for image in images]
