"""A run's first step: find its slides, and begin to look at their images.

This module imports nothing heavy. So a child process looks at the images while the engine's modules are imported.
"""

import contextlib
from collections.abc import Iterator

from slidescreen.data.slides import Survey, no_slides, survey
from slidescreen.errors import InputError
from slidescreen.files.existence import exists, is_folder
from slidescreen.files.run_files import EXPORT
from slidescreen.files.untouched import refuse_inside
from slidescreen.files.writing import printable
from slidescreen.interruptible import interruptibly
from slidescreen.runs.earlier_run import had_slides_of, in_the_way
from slidescreen.runs.fingerprints_ahead import NextFingerprint, fingerprints_ahead
from slidescreen.runs.options import ClassifyOptions


class FoundSlides:
    """A run's slides, and the function that gives their fingerprints."""

    def __init__(self, found: Survey, next_fingerprint: NextFingerprint) -> None:
        self._found = [found]
        self.next_fingerprint = next_fingerprint

    def take(self) -> Survey:
        """The slides. They can be taken once: hundreds of thousands of names must not stay in memory."""
        return self._found.pop()


@contextlib.contextmanager
def find_slides(options: ClassifyOptions) -> Iterator[FoundSlides]:
    """The slides of the input. There may be none if an earlier run into the same folder had some. Nothing is written.

    Raises:
        InputError: there are no slides, the input cannot be read, or the output folder is not allowed.
    """
    found = _survey(options)
    with fingerprints_ahead(() if options.force else found.slides) as next_fingerprint:
        both = FoundSlides(found, next_fingerprint)
        del found
        yield both


def _survey(options: ClassifyOptions) -> Survey:
    found = interruptibly(lambda: survey(options.path, options.slide_depth))
    _check_places(options)
    if not found.slides and not had_slides_of(options.out, options.path):
        raise no_slides(options.path, found)
    return found


def _check_places(options: ClassifyOptions) -> None:
    out = options.out.resolve()
    exported = options.out / EXPORT if options.export else None
    named = (("out", out), ("log-file", options.log_file), ("history", options.history), ("export", exported))
    for option, place in named:
        if place is not None:
            refuse_inside(place, [options.path], f"--{option}")
    if exists(out) and not is_folder(out):
        raise InputError(f"{printable(options.out)} is a file; --out must be a folder")
    in_the_way(options.out, options.path, options.overwrite)
