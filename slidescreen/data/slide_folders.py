"""Find the slides' folders below a folder, by layout or by a given depth, and note what is in doubt."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from slidescreen import cells
from slidescreen.data.layout import (
    LayoutReader,
    has_digits,
    is_container,
    is_export_container,
    is_numbered_class,
    is_part,
)
from slidescreen.data.scanning import Folder, all_of
from slidescreen.files.writing import printable


class Ambiguity(StrEnum):
    """Kinds of ambiguous layout, and how each was read."""

    NAMED_LIKE_CELLS = "named like cells, unlike what lies beside or in them; taken as slides"
    NUMBERED = "named like cells, with numbers; taken as slides"
    CODES = "named with codes of cell types, or with initials; taken as slides"
    UNKNOWN_CLASSES = "of unknown names among an analyser's class folders; taken as classes"
    UNKNOWN_NAMES = "of unknown names in an analyser's container; taken as slides"
    EXPORTS = "signed and unsigned side by side; taken as slides"
    STRAYS = "holds images and slides; its own images are taken as a slide"
    PARTS = "beside slides, with images in folders of their own; these are taken as slides"
    ABOVE = "images above the given slide depth; taken as separate slides"


@dataclass(frozen=True)
class Remark:
    """A doubt about a folder. `otherwise` is the value of `--slide-depth` that gives the other reading."""

    doubt: Ambiguity
    folder: Folder
    otherwise: int | None = None


@dataclass(frozen=True)
class SlideFolder:
    """A slide's folder. All images in it and below the folders of `own` belong to the slide. `layout` is in words."""

    folder: Folder
    own: tuple[Folder, ...]
    layout: str


@dataclass(frozen=True)
class RecognisedSlides:
    """The slides' folders, the doubts about them, and the empty folders that are not slides."""

    slides: tuple[SlideFolder, ...]
    remarks: tuple[Remark, ...]
    empty: tuple[Folder, ...]


def by_layout(root: Folder) -> RecognisedSlides:
    """Find the slides' folders by the rule of `layout`.

    A folder without images is an empty slide if it lies among slides and its name is not that of a slide's part.
    """
    belonging = LayoutReader(root)
    slides: list[SlideFolder] = []
    remarks: list[Remark] = []
    empty: list[Folder] = []
    unread = [root]
    while unread:
        folder = unread.pop()
        around = _around(folder, belonging)
        unread += around.others
        slides += [*_slide_of(around, belonging), *_without_images(around, belonging)]
        remarks += _doubts(around, belonging)
        empty += _empty_of(around)
    return RecognisedSlides(tuple(slides), tuple(remarks), tuple(empty))


def at_depth(root: Folder, depth: int) -> RecognisedSlides:
    """Find the slides' folders `depth` levels below `root`. Each owns all below it. Images above form own slides.

    A folder without images at this depth is an empty slide if its name may be a slide's.
    """
    slides: list[SlideFolder] = []
    remarks: list[Remark] = []
    empty: list[Folder] = []
    for folder in all_of(root):
        if folder.depth == depth and (not folder.bare or _may_be_named(folder)):
            slides.append(SlideFolder(folder, folder.folders, f"--slide-depth {depth}"))
            empty += _empty_inside([folder])
        elif folder.depth < depth and (folder.images or folder.problem):
            slides.append(SlideFolder(folder, (), "above --slide-depth"))
            remarks.append(Remark(Ambiguity.ABOVE, folder))
        elif folder.bare and (folder.depth == depth or (folder.depth < depth and not folder.folders)):
            empty.append(folder)
    return RecognisedSlides(tuple(slides), tuple(remarks), tuple(empty))


def _may_be_named(slide: Folder) -> bool:
    """Whether a folder without images at a slide's depth may have its name from a slide: "BA" may be initials.

    A folder that holds class folders is an export, whatever its name. An analyser's container is no slide.
    """
    return not is_part(slide.name) or (
        not is_container(slide.name) and bool(slide.folders or cells.is_a_code(slide.name))
    )


@dataclass(frozen=True)
class _Around:
    """A folder, the folders in it that belong to its slide (`own`), and the other folders in it that hold images."""

    folder: Folder
    own: tuple[Folder, ...]
    others: tuple[Folder, ...]
    is_slide: bool

    @property
    def among_slides(self) -> bool:
        """Whether this folder is one that holds slides."""
        return bool(self.others) or not self.is_slide


def _around(folder: Folder, belonging: LayoutReader) -> _Around:
    own = belonging.own.get(folder, ())
    others = tuple(child for child in folder.folders if child.live and child not in own)
    is_slide = bool(folder.images or own)
    here = is_part if others else _is_part_inside
    parts = tuple(child for child in folder.folders if child.troubled and is_slide and here(child.name))
    return _Around(folder, (*own, *parts), others, is_slide)


def _slide_of(around: _Around, belonging: LayoutReader) -> Iterator[SlideFolder]:
    if around.is_slide:
        yield SlideFolder(around.folder, around.own, _described(around, belonging))


def _without_images(around: _Around, belonging: LayoutReader) -> Iterator[SlideFolder]:
    """The slides among the folders without images."""
    beside_slides = any(_is_slide(other, belonging) for other in around.others)
    for child in around.folder.folders:
        if child.troubled and child not in around.own:
            yield from (_empty_place(one) for one in _innermost(child))
        elif child.bare and _is_empty_slide(child, around):
            yield from (_empty_place(one) for one in ([child] if beside_slides else _innermost(child)))


def _is_empty_slide(folder: Folder, around: _Around) -> bool:
    if around.among_slides:
        return not is_part(folder.name)
    return has_digits(folder.name) and not _is_part_inside(folder.name)


def _empty_place(folder: Folder) -> SlideFolder:
    return SlideFolder(folder, folder.folders, "empty" if folder.bare else "cannot be read")


def _empty_of(around: _Around) -> Iterator[Folder]:
    """The empty folders that are not slides, except the folders that an analyser makes for each class."""
    for child in around.folder.folders:
        if (
            child.bare
            and not _is_empty_slide(child, around)
            and (around.among_slides or not _is_part_inside(child.name))
        ):
            yield child
    yield from _empty_inside(around.own)


def _innermost(folder: Folder) -> list[Folder]:
    """The folders without images that may be slides: they hold no folders, or a slide's parts, or are unreadable."""
    found, unread = [], [folder]
    while unread:
        one = unread.pop()
        if one.problem or not one.folders or any(is_part(child.name) for child in one.folders):
            found.append(one)
        else:
            unread += one.folders
    return found


def _empty_inside(own: Iterable[Folder]) -> Iterator[Folder]:
    """Empty folders inside a slide whose names are not those of a slide's parts."""
    for one in own:
        for folder in all_of(one):
            yield from (child for child in folder.folders if child.bare and not _is_part_inside(child.name))


def _is_part_inside(name: str) -> bool:
    """Whether a folder in a slide, without slides beside it, has the name of a part. Its number is none of a slide."""
    return is_part(name) or is_numbered_class(name)


def _described(around: _Around, belonging: LayoutReader) -> str:
    """A slide's layout in words."""
    words = []
    if around.folder.images:
        words.append("images beside slides" if around.others else "flat")
    if any(child in belonging.classes for child in around.own):
        words.append("class folders")
    for child in around.own:
        if is_container(child.name):
            inside = "/<class>" if any(one in belonging.classes for one in child.folders) else ""
            words.append(printable(child.name) + inside)
    return ", ".join(words)


def _doubts(around: _Around, belonging: LayoutReader) -> Iterator[Remark]:
    """The doubts about a folder and about the folders that belong to its slide."""
    folder, others = around.folder, around.others
    for one in (folder, *(inner for child in around.own for inner in all_of(child))):
        yield from (Remark(Ambiguity.UNKNOWN_CLASSES, child, child.depth) for child in belonging.unknown.get(one, ()))
    if not others:
        return
    if around.is_slide:
        yield Remark(Ambiguity.STRAYS, folder, folder.depth)
    if len(others) > 1 or around.is_slide:
        yield from _named_like_cells(folder, others)
    if is_export_container(folder.name) and _may_all_be_classes([child.name for child in others]):
        yield from (Remark(Ambiguity.UNKNOWN_NAMES, child, max(0, folder.depth - 1)) for child in others)
    exports = [child for child in others if is_export_container(child.name) and _is_slide(child, belonging)]
    if len(exports) > 1:
        yield from (Remark(Ambiguity.EXPORTS, child, folder.depth) for child in exports)
    if any(_is_slide(child, belonging) for child in others):
        yield from (Remark(Ambiguity.PARTS, child, child.depth) for child in others if not _is_slide(child, belonging))


def _named_like_cells(folder: Folder, others: Iterable[Folder]) -> Iterator[Remark]:
    """The doubts about slides with names of cells. Codes are names of cells only where nothing else is."""
    names = {child: cells.without_number(child.name) for child in others}
    coded = all(cells.names_a_class(name) and cells.is_a_code(name) for name in names.values())
    coded = coded and len(set(map(cells.normalised, names.values()))) == len(names)  # "BA-1", "BA-2" are none
    for child, name in names.items():
        if coded:
            yield Remark(Ambiguity.CODES, child, folder.depth)
        elif cells.names_a_class(child.name):
            yield Remark(Ambiguity.NAMED_LIKE_CELLS, child, folder.depth)
        elif cells.names_a_class(name) and not cells.is_a_code(name):
            yield Remark(Ambiguity.NUMBERED, child, folder.depth)


def _may_all_be_classes(names: Iterable[str]) -> bool:
    """Whether names may be those of unknown classes: they have no digits, or all have one number before or behind."""
    bare = {name: cells.without_number(name) for name in names}
    if any(cells.names_a_class(name) for name in bare.values()) or any(map(has_digits, bare.values())):
        return False
    return all(name == without for name, without in bare.items()) or all(
        name != without for name, without in bare.items()
    )


def _is_slide(folder: Folder, belonging: LayoutReader) -> bool:
    return bool(folder.images or belonging.own[folder])
