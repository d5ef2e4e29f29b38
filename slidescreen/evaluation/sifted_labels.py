"""Choose the labelled images to score: one label for each image, from the requested split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from slidescreen.data.duplicates import deduplicate
from slidescreen.data.label_options import LabelOptions
from slidescreen.data.labels import LabelledImage

Names = dict[str, list[str]]
"""Names of unscored cells and labels, by the keys of `WHY_UNSCORED`."""


def sifted(
    labels: Sequence[LabelledImage],
    contents: Mapping[Path, str],
    called: Sequence[str],
    label_options: LabelOptions,
    names: Names,
) -> list[int]:
    """Positions of the images to score. The names of the others are added to `names`.

    Args:
        labels: labelled images with their splits.
        contents: by the labels' paths, texts that are equal only for equal content.
        called: the names of the labels' images.
        label_options: how labels are read.
        names: receives the names of images that are not scored.
    """
    found = deduplicate(labels, contents, label_options.drop_duplicates, label_options.split)
    names["copies"] += [called[position] for position in found.copies]
    names["two_labels"] += [called[position] for position in found.two_labels]
    kept = [position for position in found.kept if label_options.split in (None, labels[position].split)]
    wanted = set(kept)
    names["other_split"] += [called[position] for position in found.kept if position not in wanted]
    return kept
