"""Which folders are slides, and which belong to the slide above them. Their names and contents decide.

One rule decides: **a folder belongs to the slide above it only if every folder beside it that holds images does too**.
Two kinds of folder may belong to a slide:

- a *class folder* has the name of a cell type, or of another class of cells. It holds images, or only class folders.
  Among class folders side by side at least one name must be longer than a code of two or three letters ("BA", "MO"),
  which may be a patient's initials;
- a *container* ("images", "cells", "WBC", "leukocytes"; the analyser's "Signed slides" and "Unsigned slides") holds
  images or class folders and no slides. In an analyser's container class folders may have any name without digits if
  most of the names are known, because laboratories teach analysers their own classes. They may have numbers ("01
  Neutrophil", "Neutrophil (45)") if all names are known and differ without them. "Signed slides" and "Unsigned
  slides" side by side hold different slides. A single container among slides belongs to the folder that it is in.

Every other folder with images is a slide, or a folder of slides. Folders without images decide nothing. If a layout
can be read in two ways, the reading with more slides is used, so that two patients are never mixed.
"""

import unicodedata
from pathlib import Path

from slidescreen import cells
from slidescreen.data.scanning import Folder, all_of

_UNSIGNED = "unsigned slides"
_EXPORT_CONTAINERS = frozenset({"signed slides", _UNSIGNED})
_PLAIN_CONTAINERS = frozenset({"wbc", "leukocytes", "cells", "images"})


def is_export_container(name: str) -> bool:
    """Whether an analyser's export gives this name to the folder of its class folders."""
    return _plain(name) in _EXPORT_CONTAINERS


def is_unsigned(path: Path) -> bool:
    """Whether a file or folder is of a slide that nobody has signed: the innermost of an export's containers says so.

    The class folders of such a slide are the analyser's calls, not the laboratory's.
    """
    containers = (name for name in reversed(path.absolute().parts) if is_export_container(name))
    return _plain(next(containers, "")) == _UNSIGNED


def is_container(name: str) -> bool:
    """Whether a folder's name means only that it holds cells."""
    return is_export_container(name) or _plain(name) in _PLAIN_CONTAINERS


def is_part(name: str) -> bool:
    """Whether a folder of this name may belong to the slide above it."""
    return is_container(name) or cells.names_a_class(name)


def is_numbered_class(name: str) -> bool:
    """Whether a name is a class of cells but for a number before or behind it."""
    return not cells.names_a_class(name) and cells.names_a_class(cells.without_number(name))


def has_digits(name: str) -> bool:
    """Whether a name has digits, as a slide's name ("26-0001") has and a class of cells has not."""
    return any(map(str.isdigit, name))


class LayoutReader:
    """Reads a tree of folders from the innermost folders outwards. It looks only at folders that hold images.

    Attributes:
        own: for each folder, the folders directly in it that belong to the same slide.
        classes: the folders that can be class folders, if the folders beside them are too.
        unknown: for each folder, the folders directly in it that count as class folders under an unknown name.
    """

    def __init__(self, root: Folder) -> None:
        self.own: dict[Folder, tuple[Folder, ...]] = {}
        self.classes: set[Folder] = set()
        self.unknown: dict[Folder, tuple[Folder, ...]] = {}
        self._numbered: set[Folder] = set()  # folders that would be in `classes` if their names had no numbers
        self._whole: set[Folder] = set()  # folders without a separate slide below them
        for folder in reversed(all_of(root)):
            if folder.live:
                self._read(folder)

    def _read(self, folder: Folder) -> None:
        live = tuple(child for child in folder.folders if child.live)
        own = self._belonging(folder, live)
        self.own[folder] = own
        if len(own) == len(live):
            self._whole.add(folder)
            if all(child in self.classes for child in own):
                if cells.names_a_class(folder.name):
                    self.classes.add(folder)
                elif is_numbered_class(folder.name):
                    self._numbered.add(folder)

    def _belonging(self, folder: Folder, live: tuple[Folder, ...]) -> tuple[Folder, ...]:
        containers = tuple(child for child in live if child in self._whole and is_container(child.name))
        others = [child for child in live if child not in containers]
        if not (others or _several_exports(containers)):
            return live
        if is_export_container(folder.name) and self._are_numbered_classes(others):
            self.classes.update(others)
        classes = [child for child in others if child in self.classes]
        unknown = tuple(child for child in others if child not in self.classes)
        if is_export_container(folder.name):
            named = any(not cells.is_a_code(cells.without_number(child.name)) for child in classes)
            fitting = len(unknown) < len(classes) and all(map(_may_be_a_class, unknown))
        else:
            named = any(cells.resolve(child.name) and not cells.is_a_code(child.name) for child in classes)
            fitting = not unknown
        if named and fitting and not _several_exports(containers):
            self.unknown[folder] = unknown
            return live
        return containers if len(containers) == 1 and not folder.images else ()

    def _are_numbered_classes(self, folders: list[Folder]) -> bool:
        """Whether folders are classes if the numbers in their names are none of slides: each names another class."""
        names = {cells.normalised(cells.without_number(folder.name)) for folder in folders}
        known = all(folder in self.classes or folder in self._numbered for folder in folders)
        return known and len(names) == len(folders) and not all(map(cells.is_a_code, names))


def _may_be_a_class(folder: Folder) -> bool:
    return not has_digits(folder.name) and not any(child.live for child in folder.folders)


def _several_exports(containers: tuple[Folder, ...]) -> bool:
    return sum(is_export_container(container.name) for container in containers) > 1


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").split())
