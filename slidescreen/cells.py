"""The vocabulary: cell types, their groups, their display names, and the names others give them.

Every other module takes its words from here; nothing else spells a cell type.
"""

import re
from collections.abc import Iterable

LEUKOCYTES: tuple[str, ...] = (
    "neutrophil",
    "band_neutrophil",
    "eosinophil",
    "basophil",
    "monocyte",
    "lymphocyte",
    "variant_lymphocyte",
    "myeloblast",
    "lymphoblast",
    "promyelocyte",
    "myelocyte",
    "metamyelocyte",
)
OTHER_OBJECTS: tuple[str, ...] = ("erythroblast", "smudge_cell", "platelet", "artefact")
CELL_TYPES: tuple[str, ...] = LEUKOCYTES + OTHER_OBJECTS

BLASTS: tuple[str, ...] = ("myeloblast", "lymphoblast")
IMMATURE_GRANULOCYTES: tuple[str, ...] = ("promyelocyte", "myelocyte", "metamyelocyte")
GROUPS: dict[str, tuple[str, ...]] = {"blasts": BLASTS, "immature_granulocytes": IMMATURE_GRANULOCYTES}

BLAST_EQUIVALENTS: tuple[str, ...] = (*BLASTS, "promyelocyte")
"""Leukaemic promyelocytes (APL) and blasts are one continuum, which a classifier splits unevenly."""
TESTED_GROUPS: dict[str, tuple[str, ...]] = {**GROUPS, "blast_equivalents": BLAST_EQUIVALENTS}
"""Groups whose calls on a slide are tested against the classifier's own false calls."""

UNSPECIFIED_BLAST = "blast"
"""What a laboratory that reports "Blast, no lineage spec" has called: a blast, of neither lineage."""

DISPLAY_NAMES: dict[str, str] = {
    **{name: name.replace("_", " ").capitalize() for name in CELL_TYPES},
    "blasts": "Blasts",
    "immature_granulocytes": "Immature granulocytes",
    UNSPECIFIED_BLAST: "Blast (lineage not given)",
}

# Names used by CellaVision and Sysmex exports, and by the public data sets of Acevedo (PBC), Matek (AML
# cytomorphology, the three-letter codes), Sidhom and Labati, as normalised by `_normalise`.
_ALIASES: dict[str, tuple[str, ...]] = {
    "neutrophil": ("segmented neutrophil", "neutrophil segmented", "segmented", "sne", "ngs", "neu"),
    "band_neutrophil": ("band", "neutrophil band", "band form", "bne", "ngb", "stab", "stab neutrophil"),
    "eosinophil": ("eos", "eo"),
    "basophil": ("bas", "baso", "ba"),
    "monocyte": ("mon", "mono", "mo"),
    "lymphocyte": ("lymph", "ly", "lyt", "lymphocyte typical", "typical lymphocyte"),
    "variant_lymphocyte": (
        "lymphocyte variant",
        "lymphocyte variant form",
        "atypical lymphocyte",
        "lymphocyte atypical",
        "reactive lymphocyte",
        "lymphocyte reactive",
        "lya",
    ),
    "myeloblast": ("myb", "myo", "blast myeloid", "myeloid blast"),
    "lymphoblast": ("blast lymphoid", "lymphoid blast"),
    "promyelocyte": ("pmy", "pmo", "pmb", "promyelocyte bilobed"),
    "myelocyte": ("my", "myelo"),
    "metamyelocyte": ("mmy", "mmz", "meta"),
    "erythroblast": ("erb", "ebo", "nrbc", "erythroblast nrbc", "nucleated red blood cell", "normoblast"),
    "smudge_cell": ("smudge", "ksc", "smear cell", "basket cell"),
    "platelet": (
        "thrombocyte",
        "giant platelet",
        "giant thrombocyte",
        "large platelet",
        "thrombocyte aggregation",
        "thrombocyte aggregate",
        "platelet clump",
        "plt",
    ),
    "artefact": ("artifact", "erythrocyte", "red blood cell", "rbc", "not a cell", "stain", "stain precipitate"),
    UNSPECIFIED_BLAST: ("blast no lineage spec", "blast no lineage specified", "blast cell", "unspecified blast"),
}


def _normalise(name: str) -> str:
    """Fold case, separators and a plural s: "Segmented neutrophils" and "segmented_neutrophil" become one."""
    words = re.sub(r"[\W_]+", " ", name.casefold()).split()
    return " ".join(w[:-1] if w.endswith("s") and len(w) > 3 and w not in {"bas", "eos"} else w for w in words)


_BY_NAME: dict[str, str] = {
    _normalise(name): cell_type for cell_type, aliases in _ALIASES.items() for name in (cell_type, *aliases)
}


def resolve(name: str) -> str | None:
    """The cell type that a laboratory's or data set's `name` means, `UNSPECIFIED_BLAST`, or None if unknown."""
    return _BY_NAME.get(_normalise(name))


def indices(cell_types: Iterable[str], members: Iterable[str]) -> list[int]:
    """Positions within `cell_types` of those among `members`, in the order of `cell_types`."""
    wanted = set(members)
    return [position for position, name in enumerate(cell_types) if name in wanted]
