"""Check a run's corrections and find their images, before any of them counts."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from slidescreen.data.calls import Call, Status
from slidescreen.data.correction_table import Correction, read_corrections
from slidescreen.data.delimited import excerpt
from slidescreen.data.file_finder import folded
from slidescreen.data.signatures import signed_content
from slidescreen.errors import InputError
from slidescreen.files.writing import denature, printable
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.sentences import number_of
from slidescreen.screening.slide_contents import contents_of_slide
from slidescreen.screening.slide_review import call_in_words

_Note = Callable[[str], None]
_T = TypeVar("_T")


def checked_corrections(
    run: Run, paths: Sequence[Path], note: _Note, stored: Sequence[Correction] = ()
) -> list[Correction]:
    """The corrections in files, each with the run's own names of slide and image, and the picture's content hash.

    Corrections of pictures that a slide no longer has are left out. A signature of other pictures keeps their
    content, so it does not count for the present ones. `note` receives a remark on both, and one if the run's calls
    differ from those that the reviewer saw, but not for what is `stored`. Corrections that are `stored` with the
    run may be given again after their slide or image has gone.

    Raises:
        InputError: a correction is of another run, or of a slide or image that is missing or unreadable.
    """
    finder = _ImageFinder(run, stored)
    found = list(filter(None, (finder.find(each) for path in paths for each in read_corrections(path))))
    if finder.gone:
        note(gone_in_words(finder.gone))
    known = {_decision(each) for each in stored}  # a page hands on what it keeps, also what the run has already
    new = [(each, seen) for each, seen in found if each.image and _decision(each) not in known]
    others = sum(each.previous_type not in ("", seen) for each, seen in new)
    if others:
        note(f"{number_of(others, 'cell')} called otherwise by the run than previous_type says: look at them again")
    return [each for each, _ in found]


def gone_in_words(gone: Sequence[Correction]) -> str:
    """A remark on corrections of other pictures than there are now."""
    do = "does" if len(gone) == 1 else "do"
    return f"{number_of(len(gone), 'row')} of pictures that have changed since {do} not count, first {gone[0].place}"


def other_types_in_words(ended: Sequence[Correction]) -> str:
    """A remark on signatures over other types than the cells have."""
    do, first = ("does" if len(ended) == 1 else "do"), ended[0]
    signatures = number_of(len(ended), "signature")
    return f"{signatures} over other cell types than the run has {do} not count, first {first.place}"


class _ImageFinder:
    """Finds the slides and images of a run by the names in corrections."""

    def __init__(self, run: Run, stored: Sequence[Correction]) -> None:
        self._run = run
        self._stored: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for each in stored:
            self._stored[_decision(each)].add(each.content)
        self._slides = _by_spelling({slide.name: slide for slide in run.slides})
        self._inside: dict[str, tuple[dict[tuple[int, str], list[Call]], dict[str, str]]] = {}
        self.gone: list[Correction] = []
        """Corrections of pictures, and signatures of slides, that differ from those of the run."""

    def find(self, each: Correction) -> tuple[Correction, str] | None:
        """A correction with the run's own names and the picture's content hash, and the run's call of the cell.

        None if the slide no longer has the picture, or if it was given before and what it names has gone.
        """
        identity = str(self._run.info.get("run", ""))
        if each.run and each.run != identity:
            raise each.problem(f"it is of another run ({excerpt(each.run)}; this one is {excerpt(identity)})")
        before = self._stored.get(_decision(each), set())
        try:
            found = self._present(each)
        except InputError:
            if before:
                return None
            raise
        if found is not None and each.time and not each.content and before and found[0].content not in before:
            self.gone.append(each)  # the same decision was stored for the picture that had this name then
            return None
        return found

    def _present(self, each: Correction) -> tuple[Correction, str] | None:
        slide = self._slide(each)
        _, contents = self._of(slide)
        if each.signs:
            here = signed_content(contents)
            if not each.is_of(here):
                self.gone.append(each)
                return replace(each, slide=slide.name), ""
            return replace(each, slide=slide.name, content=here), ""
        call = self._pictured(each, slide)
        if call is None:
            self.gone.append(each)
            return None
        return replace(each, slide=slide.name, image=call.image, content=contents[call.image]), call_in_words(call)

    def _slide(self, each: Correction) -> SlideResult:
        found = _spelled(self._slides, each.slide)
        if len(found) == 1:
            return found[0]
        near = get_close_matches(each.slide, [slide.name for slide in self._run.slides], n=1)
        hint = f" (did you mean {excerpt(near[0])}?)" if near else ""
        raise each.problem(f"the run has no slide {excerpt(each.slide)}{hint}")

    def _of(self, slide: SlideResult) -> tuple[dict[tuple[int, str], list[Call]], dict[str, str]]:
        if slide.name not in self._inside:
            calls = {call.image: call for call in slide.calls}
            self._inside[slide.name] = _by_spelling(calls), contents_of_slide(slide)
        return self._inside[slide.name]

    def _pictured(self, each: Correction, slide: SlideResult) -> Call | None:
        """The image of a correction: the one of this name, unless it is known to be another picture; else the one with
        the picture that was reviewed, which may have moved to another folder of the slide."""
        images, contents = self._of(slide)
        try:
            named = self._counted(each, self._call(each, images), slide, contents)
            if each.is_of(contents[named.image]):
                return named
        except InputError:
            if not each.content:
                raise
        moved = next((image for image, content in contents.items() if content and each.is_of(content)), None)
        return None if moved is None else images[0, moved][0]

    @staticmethod
    def _call(each: Correction, images: dict[tuple[int, str], list[Call]]) -> Call:
        found = _spelled(images, each.image)
        if len(found) == 1:
            return found[0]
        raise each.problem(f"the slide {excerpt(each.slide)} has no image {excerpt(each.image)}")

    @staticmethod
    def _counted(each: Correction, call: Call, slide: SlideResult, contents: dict[str, str]) -> Call:
        """The image itself, or for a copy the counted image."""
        if call.status is Status.UNREADABLE:
            raise each.problem(f"{printable(call.image)} could not be read, so it has no cell type")
        if call.status is not Status.DUPLICATE:
            return call
        body = slide.kept.body().calls if slide.kept is not None else tuple(slide.calls)
        copy = next((one for one in body if one.image == call.image), call)
        counted = next((one for one in slide.calls if one.image == copy.copy_of and one.image in contents), None)
        if counted is None:
            raise each.problem(f"{printable(call.image)} is a copy of another image: name that one")
        return counted


def _decision(each: Correction) -> tuple[str, ...]:
    """What tells a reviewer's decision from all others, whatever the picture."""
    return each.slide, each.image, each.cell_type, each.reviewer, each.time, str(each.withdrawn)


def _by_spelling(known: dict[str, _T]) -> dict[tuple[int, str], list[_T]]:
    """Values by spellings of their names, from exact to loose."""
    found: dict[tuple[int, str], list[_T]] = defaultdict(list)
    for name, value in known.items():
        for looseness, spelling in enumerate((name, denature(name), _plain(name))):
            found[looseness, spelling].append(value)
    return found


def _spelled(known: dict[tuple[int, str], list[_T]], name: str) -> list[_T]:
    """The values of a name, by the first spelling that matches any."""
    spellings = enumerate((name, name, _plain(name)))
    return next((known[key] for key in spellings if key in known), [])


def _plain(name: str) -> str:
    """A name in a form that ignores differences between systems: slashes, letter case, accents, outer spaces."""
    return folded(printable(name).replace("\\", "/").strip())
