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
    calls = with_contents(slide, tuple(slide.calls if calls is None else calls))
    return {call.image: call.digest or content_of(slide.path_of(call.image)) for call in calls if is_looked_at(call)}


def with_contents(slide: SlideResult, calls: tuple[Call, ...]) -> tuple[Call, ...]:
    """A slide's calls with the SHA-256 of what was classified, from its record if they lack it.

    Those that a table or an earlier release left without one stay without.
    """
    if slide.kept is None or all(call.digest for call in calls if is_looked_at(call)):
        return calls
    try:
        digests = {call.image: call.digest for call in slide.kept.body().calls}
    except InputError:  # a damaged record
        digests = {}
    return tuple(replace(call, digest=digests.get(call.image, "")) for call in calls)
