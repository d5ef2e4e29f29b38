"""Find the slides in a folder, and the images of each slide."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from slidescreen import cells
from slidescreen.data import skipped_files
from slidescreen.data.scanning import Folder, all_of, relative, scan, skipped_below
from slidescreen.data.skipped_files import SkippedEntry, SkippedKind
from slidescreen.data.slide_folders import Ambiguity, RecognisedSlides, Remark, SlideFolder, at_depth, by_layout
from slidescreen.data.unique_names import unique_names
from slidescreen.errors import InputError
from slidescreen.files.writing import printable

_MOST_NAMES = 3  # of folders, in a remark


@dataclass(frozen=True)
class CellImage:
    """One image file of a slide.

    `name` is its path relative to the slide's folder, as printable text with forward slashes. It is unique within the
    slide. `reported_type` is the laboratory's own call, from the export's class folder; empty if there is none.
    `refusal` is the reason why the file must not be opened; empty if it may be opened.
    """

    path: Path
    name: str
    reported_type: str = ""
    refusal: str = ""


class SlideImages(Sequence[CellImage]):
    """A slide's images in the order of their names. The objects are made on first use.

    Finished slides that have not changed never need them.
    """

    def __init__(self, parts: Sequence["Part"]) -> None:
        self._parts = parts
        self._count = sum(len(part.names) for part in parts)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, position: int) -> CellImage: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[CellImage]: ...

    def __getitem__(self, position: int | slice) -> CellImage | Sequence[CellImage]:
        return self._all[position]

    def __iter__(self) -> Iterator[CellImage]:
        return iter(self._all)

    def named_parts(self) -> Iterator[tuple["Part", Sequence[str]]]:
        """The images folder by folder, each part with the names of its images."""
        names = unique_names([f"{part.prefix}{name}" for part in self._parts for name in part.names])
        start = 0
        for part in self._parts:
            yield part, names[start : start + len(part.names)]
            start += len(part.names)

    @cached_property
    def _all(self) -> tuple[CellImage, ...]:
        images = (
            CellImage(Path(f"{part.start}{file}"), name, part.reported_type, part.refusals.get(file, ""))
            for part, names in self.named_parts()
            for file, name in zip(part.names, names, strict=True)
        )
        return tuple(sorted(images, key=lambda image: image.name))


@dataclass(frozen=True)
class Part:
    """The images of a slide that lie in one folder.

    Attributes:
        start: the files' path up to the file name.
        prefix: the images' name up to the file name.
        names: the file names.
        reported_type: the laboratory's own call for all of these images.
        refusals: for each file that must not be opened, the reason.
    """

    start: str
    prefix: str
    names: tuple[str, ...]
    reported_type: str = ""
    refusals: Mapping[str, str] = field(default_factory=dict)


def _part_of(image: CellImage) -> Part:
    """A part of one image."""
    file = image.path.name
    start = str(image.path).removesuffix(file)
    return Part(start, "", (file,), image.reported_type, {file: image.refusal} if image.refusal else {})


@dataclass(frozen=True)
class Slide:
    """The cell images of one slide, in the order of their names.

    `name` is printable text, unique among the slides. `place` is the path of the slide's folder below the requested
    folder, in the file system's spelling. `layout` says in words how the slide was recognised. `absence` says what a
    slide without images holds instead; empty if there are images.
    """

    name: str
    folder: Path
    images: Sequence[CellImage]
    place: str = "."
    layout: str = ""
    absence: str = ""

    def named_parts(self) -> Iterable[tuple[Part, Sequence[str]]]:
        """The images folder by folder, each part with the names of its images."""
        if isinstance(self.images, SlideImages):
            return self.images.named_parts()
        return ((_part_of(image), (image.name,)) for image in self.images)


@dataclass(frozen=True)
class Survey:
    """The result of a search: slides in the order of their names, remarks on doubts, and the entries passed over."""

    folder: Path
    slides: tuple[Slide, ...]
    remarks: tuple[str, ...] = ()
    skipped: tuple[SkippedEntry, ...] = ()

    def without(self, slides: Collection[Slide]) -> "Survey":
        """The same survey, with some empty slides moved to the entries that are passed over."""
        entries = (SkippedEntry(SkippedKind.EMPTY, slide.name) for slide in slides)
        return replace(
            self,
            slides=tuple(slide for slide in self.slides if slide not in slides),
            skipped=(*self.skipped, *entries),
        )

    def in_short(self) -> "Survey":
        """The same survey without the slides' images, whose names may take much memory."""
        return replace(self, slides=tuple(replace(slide, images=()) for slide in self.slides))

    def to_record(self) -> dict[str, Any]:
        """For `run.json`: the remarks on the layout, and the entries passed over."""
        return {"layout": list(self.remarks), "passed_over": skipped_files.to_record(self.skipped)}


def discover(path: Path, depth: int | None = None) -> list[Slide]:
    """The slides of a `survey`.

    Raises:
        InputError: there are no slides, or as in `survey`.
    """
    found = survey(path, depth)
    if not found.slides:
        raise no_slides(path, found)
    return list(found.slides)


def survey(path: Path, depth: int | None = None) -> Survey:
    """Find the slides in a slide folder, or in a folder of slide folders, and account for every other entry.

    Args:
        path: the folder to search. Links to folders, hidden folders and folders of storage systems are passed over.
        depth: the number of levels from `path` down to the slide folders; None to recognise them by the layout.

    Raises:
        InputError: the folder does not exist or cannot be read. An unreadable folder below it counts as one
            unreadable image, of its slide or of a slide of its own.
    """
    root = scan(path)
    places = by_layout(root) if depth is None else at_depth(root, depth)
    entries = [
        *skipped_below(root),
        *(SkippedEntry(SkippedKind.EMPTY, _below(root, folder)) for folder in places.empty),
    ]
    return Survey(root.path, tuple(_slides(root, places)), tuple(_remarks(root, places.remarks)), tuple(entries))


def no_slides(path: Path, found: Survey) -> InputError:
    """The error for a folder without any slide, not even an empty one."""
    instead = skipped_files.sentences(found.to_record()["passed_over"], _MOST_NAMES)
    return InputError(f"{printable(path)} holds no images" + (f", but {', '.join(instead)}" if instead else ""))


def _slides(root: Folder, places: RecognisedSlides) -> list[Slide]:
    ordered = sorted(places.slides, key=lambda place: place.folder.path)
    names = _names(root, [place.folder.path for place in ordered])
    slides = (_slide(root, place, name) for place, name in zip(ordered, names, strict=True))
    return sorted(slides, key=lambda slide: slide.name)


def _names(root: Folder, folders: list[Path]) -> list[str]:
    return unique_names(own_names(root.path, [folder.relative_to(root.path).as_posix() for folder in folders]))


def own_names(root: Path, places: Sequence[str]) -> list[str]:
    """Each slide's name before names that look alike are told apart: its path below the root. A slide that is the root
    has the root's own name."""
    own = root.name or "root"
    own = f"{own}/." if own in places else own  # no folder below has this name
    return [own if place == "." else place for place in places]


def _slide(root: Folder, place: SlideFolder, name: str) -> Slide:
    folder = place.folder
    images = SlideImages(tuple(_parts(folder, place.own)))
    return Slide(
        name,
        folder.path,
        images,
        folder.path.relative_to(root.path).as_posix(),
        place.layout,
        "" if images else _absence(folder),
    )


def _parts(slide: Folder, own: Iterable[Folder]) -> Iterator[Part]:
    """The images in a slide's folder and in its own subfolders. An unreadable folder counts as one image."""
    for folder in (slide, *(inner for one in own for inner in all_of(one))):
        below = folder.path.relative_to(slide.path).as_posix() if folder is not slide else ""
        if folder.images:
            start = str(folder.path / "_").removesuffix("_")
            yield Part(start, below and f"{below}/", folder.images, _reported(folder.path, slide.path), folder.refusals)
        if folder.problem:
            reported = _reported(folder.path.parent, slide.path) if below else ""
            yield Part(str(folder.path), below or ".", ("",), reported, {"": folder.problem})


def _reported(folder: Path, slide: Path) -> str:
    """The laboratory's own call for the images in a folder of a slide."""
    return "" if folder == slide else cells.resolve(cells.without_number(folder.name)) or ""


def _absence(folder: Folder) -> str:
    """What a slide without images holds instead, in words."""
    instead = skipped_files.sentences(skipped_files.to_record(skipped_below(folder)), most=0)
    return f"the folder holds {', '.join(instead)}" if instead else "the folder is empty"


def _below(root: Folder, folder: Folder) -> str:
    return relative(root.path, folder.path) if folder is not root else printable(root.name)


def _remarks(root: Folder, remarks: Iterable[Remark]) -> list[str]:
    """The remarks in words, one sentence for each kind."""
    found: dict[tuple[Ambiguity, int | None], list[str]] = defaultdict(list)
    for remark in remarks:
        found[remark.doubt, remark.otherwise].append(_subject(root, remark))
    return [_remark(doubt, otherwise, sorted(names)) for (doubt, otherwise), names in sorted(found.items(), key=str)]


def _subject(root: Folder, remark: Remark) -> str:
    """The subject of a remark: a folder, or a folder's own images."""
    name = _below(root, remark.folder)
    images = list(map(printable, remark.folder.images))
    if remark.doubt not in (Ambiguity.STRAYS, Ambiguity.ABOVE) or not images:
        return name
    return f"{name} ({skipped_files.listed(images, _MOST_NAMES)})"


def _remark(doubt: Ambiguity, otherwise: int | None, names: list[str]) -> str:
    text = f"{skipped_files.listed(names, _MOST_NAMES)}: {doubt}"
    return text if otherwise is None else f"{text} (otherwise use --slide-depth {otherwise})"
