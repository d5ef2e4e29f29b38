"""Keep results out of folders of images. Pictures among results would count as images of a slide or of a class."""

from collections.abc import Iterable
from pathlib import Path

from slidescreen.errors import InputError
from slidescreen.files.writing import printable


def refuse_inside(place: Path, folders: Iterable[Path], option: str = "--out") -> None:
    """Refuse to write into folders from which images are read.

    Args:
        place: where results would be written. It need not exist.
        folders: the folders of the images.
        option: the option that names the place, for the message.

    Raises:
        InputError: the place is one of the folders, or lies inside one.
    """
    real = place.resolve()
    for folder in folders:
        if real.is_relative_to(folder.resolve()):
            raise InputError(f"{option} must not lie inside {printable(folder)}: the input is never written to")
