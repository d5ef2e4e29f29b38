"""Which images make up which slide."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slidescreen import cells, passed_over
from slidescreen.errors import InputError
from slidescreen.files import printable
from slidescreen.naming import told_apart
from slidescreen.passed_over import Entry, Kind
from slidescreen.places import Doubt, Place, Places, Remark, at_depth, by_layout
from slidescreen.scanning import Folder, Found, images_below, passed_over_below, relative, scan

_MOST_NAMES = 3  # of folders, in a remark


@dataclass(frozen=True)
class CellImage:
    """One image file of a slide.

    `name` is its path relative to the slide's folder, as printable text with forward slashes, and no other image's of
    the slide. `reported_type` is the laboratory's own call, from the export's class folder; empty where there is none.
    `refusal` says why the file must not be opened; empty where it may.
    """

    path: Path
    name: str
    reported_type: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Slide:
    """The cell images of one slide, in the order of their names.

    `name` is printable text and no other slide's; `place` is the folder's path below the folder that was asked for, as
    the system gives it. `layout` says by what it was recognised. `absence` says what is there instead of images;
    empty where there are some.
    """

    name: str
    folder: Path
    images: tuple[CellImage, ...]
    place: str = "."
    layout: str = ""
    absence: str = ""


@dataclass(frozen=True)
class Survey:
    """What was found in a folder: slides in the order of their names, remarks on doubts, and what is passed over."""

    folder: Path
    slides: tuple[Slide, ...]
    remarks: tuple[str, ...] = ()
    passed_over: tuple[Entry, ...] = ()

    def without(self, slides: Collection[Slide]) -> "Survey":
        """The same, with empty slides passed over."""
        entries = (Entry(Kind.EMPTY, slide.name) for slide in slides)
        return replace(
            self,
            slides=tuple(slide for slide in self.slides if slide not in slides),
            passed_over=(*self.passed_over, *entries),
        )

    def to_record(self) -> dict[str, Any]:
        """For `run.json`: what is said of the layout, and what is passed over."""
        return {"layout": list(self.remarks), "passed_over": passed_over.to_record(self.passed_over)}


def discover(path: Path, depth: int | None = None) -> list[Slide]:
    """The slides alone of a `survey`.

    Raises:
        InputError: there are none, or as `survey`.
    """
    found = survey(path, depth)
    if not found.slides:
        raise no_slides(path, found)
    return list(found.slides)


def survey(path: Path, depth: int | None = None) -> Survey:
    """Find the slides in a slide folder, or in a folder of slide folders, and account for all else that is there.

    Args:
        path: where to look. Linked folders, hidden ones and those of storage systems are passed over.
        depth: slide folders lie exactly so many levels below `path`; None to tell them by the layout.

    Raises:
        InputError: no such folder, or it cannot be looked into. One below it that cannot is a slide of one unreadable
            image, or one such image of its slide.
    """
    root = scan(path)
    places = by_layout(root) if depth is None else at_depth(root, depth)
    entries = [*passed_over_below(root), *(Entry(Kind.EMPTY, _below(root, folder)) for folder in places.empty)]
    return Survey(root.path, tuple(_slides(root, places)), tuple(_remarks(root, places.remarks)), tuple(entries))


def no_slides(path: Path, found: Survey) -> InputError:
    """The error to raise where a folder holds no slide, not even an empty one."""
    instead = passed_over.sentences(found.to_record()["passed_over"], _MOST_NAMES)
    return InputError(f"{printable(path)} holds no images" + (f", but {', '.join(instead)}" if instead else ""))


def _slides(root: Folder, places: Places) -> list[Slide]:
    ordered = sorted(places.slides, key=lambda place: place.folder.path)
    names = _names(root, [place.folder.path for place in ordered])
    slides = (_slide(root, place, name) for place, name in zip(ordered, names, strict=True))
    return sorted(slides, key=lambda slide: slide.name)


def _names(root: Folder, folders: list[Path]) -> list[str]:
    """Each slide's name: its path below the root, and the root's own name for itself."""
    below = [folder.relative_to(root.path).as_posix() for folder in folders]
    own = root.name or "root"
    own = f"{own}/." if own in below else own  # which is no folder's below
    return told_apart([own if name == "." else name for name in below])


def _slide(root: Folder, place: Place, name: str) -> Slide:
    folder = place.folder
    files = [*folder.images, *([Found(folder.path, folder.problem)] if folder.problem else [])]
    files += (file for own in place.own for file in images_below(own))
    inside = told_apart([file.path.relative_to(folder.path).as_posix() for file in files])
    images = (_cell_image(folder, file, image) for file, image in zip(files, inside, strict=True))
    return Slide(
        name,
        folder.path,
        tuple(sorted(images, key=lambda image: image.name)),
        folder.path.relative_to(root.path).as_posix(),
        place.layout,
        "" if files else _absence(folder),
    )


def _cell_image(folder: Folder, file: Found, name: str) -> CellImage:
    parent = file.path.parent
    reported = cells.resolve(parent.name) if file.path != folder.path and parent != folder.path else None
    return CellImage(file.path, name, reported or "", file.problem)


def _absence(folder: Folder) -> str:
    """What a slide without images holds, in words."""
    instead = passed_over.sentences(passed_over.to_record(passed_over_below(folder)), most=0)
    return f"its folder holds {', '.join(instead)}" if instead else "its folder is empty"


def _below(root: Folder, folder: Folder) -> str:
    return relative(root.path, folder.path) if folder is not root else printable(root.name)


def _remarks(root: Folder, remarks: Iterable[Remark]) -> list[str]:
    """In words, all of a kind together."""
    found: dict[tuple[Doubt, int | None], list[str]] = defaultdict(list)
    for remark in remarks:
        found[remark.doubt, remark.otherwise].append(_subject(root, remark))
    return [_remark(doubt, otherwise, sorted(names)) for (doubt, otherwise), names in sorted(found.items(), key=str)]


def _subject(root: Folder, remark: Remark) -> str:
    """The folder that a remark is about; with its images, where it is about these."""
    name = _below(root, remark.folder)
    images = [printable(image.path.name) for image in remark.folder.images]
    if remark.doubt not in (Doubt.STRAYS, Doubt.ABOVE) or not images:
        return name
    return f"{name} ({passed_over.listed(images, _MOST_NAMES)})"


def _remark(doubt: Doubt, otherwise: int | None, names: list[str]) -> str:
    text = f"{passed_over.listed(names, _MOST_NAMES)}: {doubt}"
    return text if otherwise is None else f"{text} (otherwise say --slide-depth {otherwise})"
