"""Labelled cell images: what `train` learns from and `report` compares with."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slidescreen import cells
from slidescreen.errors import InputError
from slidescreen.files import printable
from slidescreen.images import SUFFIXES

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class LabelledImage:
    """One cell image with its true type; `slide`, `split` and `source` are empty where they are not known."""

    path: Path
    label: str
    slide: str = ""
    split: str = ""
    source: str = ""


@dataclass(frozen=True)
class LabelRules:
    """How words that name no cell type of ours are taken.

    `left_out` are labels to pass over; `unspecified_blasts` is the type that a blast without lineage counts as.
    """

    left_out: frozenset[str] = frozenset()
    unspecified_blasts: str | None = None

    def __post_init__(self) -> None:
        if self.unspecified_blasts is not None and self.unspecified_blasts not in cells.BLASTS:
            allowed = " or ".join(cells.BLASTS)
            raise InputError(f"--unspecified-blasts must be {allowed}, not {self.unspecified_blasts}")

    def resolve(self, name: str) -> str | None:
        """The cell type that `name` means, or None where it is to be left out.

        Raises:
            InputError: it names no known type.
        """
        if name in self.left_out:
            return None
        cell_type = cells.resolve(name)
        if cell_type == cells.UNSPECIFIED_BLAST:
            cell_type = self.unspecified_blasts
            if cell_type is None:
                raise InputError(
                    f"the label {name!r} gives no lineage: say --unspecified-blasts myeloblast (or lymphoblast), "
                    f"or --leave-out {name!r}"
                )
        if cell_type is None:
            raise InputError(
                f"unknown cell type {name!r}: known are {', '.join(cells.CELL_TYPES)}; "
                f"--leave-out {name!r} passes such images over"
            )
        return cell_type


def read_labelled(source: Path, rules: LabelRules = LabelRules()) -> list[LabelledImage]:
    """Read a CSV with columns file,label[,slide,split,source], or a folder with one subfolder per cell type.

    Raises:
        InputError: no such file, a missing column, an unknown type or split, images that do not exist.
    """
    if source.is_dir():
        images = _from_folder(source, rules)
    elif source.is_file():
        images = _from_table(source, rules)
    else:
        raise InputError(f"{printable(source)} does not exist")
    if not images:
        raise InputError(f"{printable(source)} holds no labelled images")
    return images


def read_rows(source: Path, required: Collection[str]) -> list[dict[str, str]]:
    """The rows of a UTF-8 CSV file with a header.

    Raises:
        InputError: it cannot be read, is no CSV, or lacks one of the `required` columns.
    """
    import pandas as pd

    try:
        table = pd.read_csv(source, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except OSError as error:
        raise InputError(f"cannot read {printable(source)}: {error.strerror}") from error
    except (ValueError, pd.errors.ParserError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(f"{printable(source)} is no readable CSV file in UTF-8: {error}") from error
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise InputError(f"{printable(source)} lacks the column {', '.join(missing)}")
    return table.to_dict("records")  # type: ignore[return-value]  # names and values are strings, as read


def _from_table(source: Path, rules: LabelRules) -> list[LabelledImage]:
    images = []
    for number, row in enumerate(read_rows(source, ("file", "label")), start=2):
        split = row.get("split", "")
        if split and split not in SPLITS:
            raise InputError(
                f"{printable(source)}, line {number}: split must be one of {', '.join(SPLITS)}, not {split!r}"
            )
        try:
            label = rules.resolve(row["label"])
        except InputError as error:
            raise InputError(f"{printable(source)}, line {number}: {error}") from error
        if label is not None:
            images.append(
                LabelledImage(source.parent / row["file"], label, row.get("slide", ""), split, row.get("source", ""))
            )
    absent = [image.path for image in images if not image.path.is_file()]
    if absent:
        raise InputError(
            f"{printable(source)} names {len(absent)} files that do not exist, first {printable(absent[0])}"
        )
    return images


def _from_folder(source: Path, rules: LabelRules) -> list[LabelledImage]:
    images: list[LabelledImage] = []
    for folder in sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith(".")):
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        label = rules.resolve(folder.name) if files else None
        if label is not None:
            images.extend(LabelledImage(path, label) for path in files)
    return images


def check_slides(images: Iterable[LabelledImage]) -> None:
    """Refuse a slide whose cells stand in more than one split: its figures would flatter.

    Raises:
        InputError: naming the slide.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for image in images:
        if image.slide:
            splits[image.slide].add(image.split)
    for slide, found in sorted(splits.items()):
        if len(found) > 1:
            raise InputError(
                f"slide {printable(slide)!r} stands in several splits ({', '.join(sorted(found))}): "
                "put all cells of a slide in one"
            )


def without_duplicates(images: Sequence[LabelledImage], digests: Mapping[Path, str], drop: bool) -> list[LabelledImage]:
    """Deal with byte-identical images: one image with two labels, or in two splits, teaches or tests falsely.

    Args:
        images: with their splits.
        digests: each path's content hash.
        drop: leave such copies out (a copy in a later split of train, validation, test stays; an image of two
            labels goes altogether) instead of refusing.

    Raises:
        InputError: there are such copies and `drop` is false; the files are named.
    """
    groups: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        groups[digests[image.path]].append(image)
    unwanted: set[Path] = set()
    for group in groups.values():
        if len(group) == 1:
            continue
        names = " and ".join(printable(image.path) for image in group[:2])
        if len({image.label for image in group}) > 1:
            _refuse_unless(drop, f"the same image has two labels: {names}")
            unwanted.update(image.path for image in group)
        elif len({image.split for image in group}) > 1:
            _refuse_unless(drop, f"the same image stands in two splits: {names}")
            last = max(SPLITS.index(image.split) for image in group)
            unwanted.update(image.path for image in group if SPLITS.index(image.split) < last)
    return [image for image in images if image.path not in unwanted]


def with_split(images: Sequence[LabelledImage], seed: int) -> tuple[list[LabelledImage], str]:
    """Give every image a split; one that the images bring is obeyed.

    Without one, about four fifths go to train and the rest to validation, of every label as evenly as may be and
    without tearing a slide apart. An image whose slide is not known is drawn alone.

    Returns:
        The images, and in words how the split came about.

    Raises:
        InputError: some images have a split and some have none, a slide stands in two, or there are too few.
    """
    given = sum(bool(image.split) for image in images)
    if given == len(images):
        check_slides(images)
        return list(images), "as given"
    if given:
        raise InputError(f"{len(images) - given} of {len(images)} images have no split: give all of them one, or none")
    held_out = _fifth(images, seed)
    drawn = [replace(i, split="validation" if n in held_out else "train") for n, i in enumerate(images)]
    slides = {image.slide for image in images} - {""}
    if all(image.slide for image in images):
        apart = {image.slide for image in drawn if image.split == "validation"}
        return drawn, f"drawn by slide: {len(slides) - len(apart)} to train, {len(apart)} to validation"
    known = "not all slides" if slides else "no slides"
    return drawn, f"drawn by image, since {known} are known: results on it are optimistic"


def _fifth(images: Sequence[LabelledImage], seed: int) -> frozenset[int]:
    """Positions of about a fifth of the images: whole slides, and of every label about a fifth."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [image.label for image in images]
    groups = [image.slide or f"\0{number}" for number, image in enumerate(images)]
    parts = min(5, len(set(groups)), max(Counter(labels).values()))
    if parts < 2:
        raise InputError("a split cannot be drawn from so few images or slides: give a split column")
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # labels with fewer images than parts: as even as they can be
        _, chosen = next(iter(folds.split(labels, labels, groups)))
    return frozenset(chosen.tolist())


def _refuse_unless(drop: bool, problem: str) -> None:
    if not drop:
        raise InputError(f"{problem}; remove one, or say --drop-duplicates")
