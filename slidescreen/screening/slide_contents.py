"""What a slide's pictures are, whatever their names: the content that a review is of."""

from collections.abc import Sequence
from dataclasses import replace

from slidescreen.data.calls import Call
from slidescreen.errors import InputError
from slidescreen.files.writing import content_of
from slidescreen.screening.results import SlideResult
from slidescreen.screening.slide_review import is_looked_at


def contents_of_slide(slide: SlideResult, calls: Sequence[Call] | None = None) -> dict[str, str]:
    """The SHA-256 of each readable image that is not a duplicate, by name; empty text if unknown.

    `calls` are the slide's, if they are read already.
    """
    calls = tuple(slide.calls if calls is None else calls)
    if slide.kept is not None and not all(call.digest for call in calls if is_looked_at(call)):
        try:
            digests = {call.image: call.digest for call in slide.kept.body().calls}
        except InputError:  # a damaged record
            digests = {}
        calls = tuple(replace(call, digest=digests.get(call.image, "")) for call in calls)
    return {call.image: call.digest or content_of(slide.folder / call.image) for call in calls if is_looked_at(call)}
