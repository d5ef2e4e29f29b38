"""The vocabulary: cell types, their groups, their display names, and their aliases.

This is the only module that spells a cell type.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

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


class Blast(StrEnum):
    """The types of blast."""

    MYELOBLAST = "myeloblast"
    LYMPHOBLAST = "lymphoblast"


BLASTS: tuple[str, ...] = tuple(each.value for each in Blast)
IMMATURE_GRANULOCYTES: tuple[str, ...] = ("promyelocyte", "myelocyte", "metamyelocyte")
GROUPS: dict[str, tuple[str, ...]] = {"blasts": BLASTS, "immature_granulocytes": IMMATURE_GRANULOCYTES}

BLAST_EQUIVALENTS: tuple[str, ...] = (*BLASTS, "promyelocyte")
"""Leukaemic promyelocytes (APL) and blasts form a continuum, which a classifier splits unevenly."""
TESTED_GROUPS: dict[str, tuple[str, ...]] = {**GROUPS, "blast_equivalents": BLAST_EQUIVALENTS}
"""Groups whose calls on a slide are tested against the classifier's own false calls."""

UNSPECIFIED_BLAST = "blast"
"""A blast whose lineage is not given. Some laboratories report "Blast, no lineage spec"."""

UNSPECIFIED_NORMAL = "normal_unspecified"
"""A cell that is no blast. Nobody says which type it is."""

GROUP_LABELS: dict[str, tuple[str, ...]] = {
    UNSPECIFIED_BLAST: BLASTS,
    UNSPECIFIED_NORMAL: tuple(name for name in CELL_TYPES if name not in BLASTS),
}
"""Labels that leave the type open: the types that such a cell may have."""

DISPLAY_NAMES: dict[str, str] = {
    **{name: name.replace("_", " ").capitalize() for name in CELL_TYPES},
    "blasts": "Blasts",
    "immature_granulocytes": "Immature granulocytes",
    UNSPECIFIED_BLAST: "Blast (lineage not given)",
}

# Aliases in the form that `normalised` gives. Sources: CellaVision and Sysmex exports; the public data sets of Acevedo
# (PBC), Matek (AML cytomorphology, the three-letter codes), Sidhom and Labati.
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
    "myeloblast": ("myo", "blast myeloid", "myeloid blast"),
    "lymphoblast": ("blast lymphoid", "lymphoid blast"),
    "promyelocyte": ("pmy", "pmo", "pmb", "promyelocyte bilobed"),
    "myelocyte": ("my", "myb", "myelo"),
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

# Names for a part of their type: leaving out giant platelets keeps the other platelets.
_NARROWER = (
    "lymphocyte reactive",
    "reactive lymphocyte",
    "promyelocyte bilobed",
    "pmb",
    "giant platelet",
    "giant thrombocyte",
    "large platelet",
    "thrombocyte aggregation",
    "thrombocyte aggregate",
    "platelet clump",
    "erythrocyte",
    "red blood cell",
    "rbc",
    "not a cell",
    "stain",
    "stain precipitate",
)

# Classes of analysers and laboratories that are not cell types here, in the form that `normalised` gives.
_OTHER_CLASSES: frozenset[str] = frozenset(
    {
        *("plasma cell", "plasmacyte", "plasmablast", "prolymphocyte", "promonocyte", "monoblast", "megakaryoblast"),
        *("megakaryocyte", "micromegakaryocyte", "hairy cell", "sezary cell", "mast cell", "lymphoma cell"),
        *("large granular lymphocyte", "aberrant lymphocyte", "abnormal lymphocyte", "leukaemic cell", "leukemic cell"),
        *("immature granulocyte", "immature cell", "immature eosinophil", "eosinophil immature", "immature basophil"),
        *("basophil immature", "promyelocyte eosinophil", "giant neutrophil", "hypersegmented neutrophil"),
        *("unidentified", "unidentified cell", "unclassified", "unclassified cell", "unclassed", "unknown"),
        *("unknown cell", "other", "other cell", "not classified", "not classed", "all cell", "all wbc"),
        *("reticulocyte", "parasite", "malaria", "erythrocyte aggregate", "white blood cell"),
    }
)

# Cell names, without accents, in other European languages, Russian, Greek, Chinese and Japanese. A part of a name would
# be too short: surnames and places have it too (Losito, Rozīte, Gumprecht, Plaquet, Almócita, Moskva oblast, Βλαστός).
_STEMS = re.compile(
    r"""
    (le[uv][ck]k?|l[iyeu][mn](ph|f|p)|gran(ul)?|m[iy]+el|er[iy]th?r|th?romb|reti[ck]ul|plasm|mega[ck]ar[iy]|hist[iy]
        |\b(pro)?mon)o(c|z|s|ts)[iyu]+[td]
    |(n[eo][iuy]?tr|n[oø]ytr|e[ou]?[sz][iy]n|ba[sz])o(ph|f)[iye]+l
    |\w{3}[ao]blas[tz]|\bblas(t|zt)([aeiosy]|ai|as|en|er|es|id|it|lar|o[ks])?\b|\bblast(en)?\W?[csz]el
    |smudge|kernschatt|plaquett|plaqueta|piastrin[ae]\b|plae?ttchen|art[ei]fa[ckt]?t|plasma\W?([csz]el|sol)
    |gumprecht\w*\W+(schatt|scholl|shadow|stiny|cells?\b)|\b(cell|celul|ombr|sombr|cien)\w*\W+(d[ei]\W+)?gumprecht
    |segmentkern|stabkern|segmentad[oa]|segmentat[io]|bastonet|polynucleair
    |(ле[иу]?[кв]|л[иі]мф|гранул|м[иі]ј?[еє]л|еритр|эритр|тромб|ретикул|плазм|\b(про)?мон)оцит
    |(не[иу]тро|[эе]о?зино|базо)ф[иі]л|\w{3}(?<!\bмос)(?<!\bлен)област|\bбласт(ы|и|ов)?\b|сегментоядерн|палочкоядерн
    |οκυτταρ|\bκυτταρα\b|(ουδετερο|ηωσινο|βασεο)φιλ|\w{3}οβλαστ|\bβλαστε[ςσ]\b
    |(细胞|細胞)(?![室診诊科検检学學])|血小板|ハ球|好(中|酸|塩基)球|単球|芽球|髄球|赤芽|分葉核|杆状核|桿状核
    """,
    re.VERBOSE,
)

_NUMBER = re.compile(r"^\W*\d{1,3}[\W_]+|[\W_]+\d{1,4}\W*$")  # a longer one is a slide's

_LONGEST_CODE = 3  # letters; a name as short as this may be a patient's initials
_PLAIN_CODES = frozenset({"rbc", "plt", "wbc"})  # short, but never initials


@lru_cache(maxsize=4096)
def normalised(name: str) -> str:
    """Fold case, accents, separators and a plural s. "Band Neutrophils" and "band_neutrophil" become the same."""
    words = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", name).casefold()).split()
    return " ".join(w[:-1] if w.endswith("s") and len(w) > 3 and w not in {"bas", "eos"} else w for w in words)


_BY_NAME: dict[str, str] = {
    normalised(name): cell_type for cell_type, aliases in _ALIASES.items() for name in (cell_type, *aliases)
}


def resolve(name: str) -> str | None:
    """The cell type that an alias means, or `UNSPECIFIED_BLAST`. None if the alias is unknown."""
    return _BY_NAME.get(normalised(name))


def group_label(name: str) -> str | None:
    """The label of `GROUP_LABELS` that an alias means. None if it means a cell type, or if it is unknown."""
    found = resolve(name)
    if found is None and normalised(name) == normalised(UNSPECIFIED_NORMAL):
        return UNSPECIFIED_NORMAL
    return found if found in GROUP_LABELS else None


def means_whole_type(name: str) -> bool:
    """Whether a name means its whole cell type. "bands" does; "giant platelet" means only a part of the platelets."""
    return resolve(name) is not None and normalised(name) not in _NARROWER


def names_a_class(name: str) -> bool:
    """Whether `name` is a cell type, another class of cells, or the word for a cell in another language."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("_", " "))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    known = resolve(name) is not None or normalised(name) in _OTHER_CLASSES
    return known or (not any(map(str.isdigit, name)) and _STEMS.search(bare) is not None)


def without_number(name: str) -> str:
    """A class folder's name without the number in front or the count behind: "01_Neutrophil", "Neutrophil (45)"."""
    return _NUMBER.sub("", name)


def is_a_code(name: str) -> bool:
    """Whether `name` is so short ("BA", "MO") that it may be a patient's initials."""
    letters = normalised(name)
    return len(letters) <= _LONGEST_CODE and letters not in _PLAIN_CODES


def indices(cell_types: Iterable[str], members: Iterable[str]) -> list[int]:
    """The positions of `members` within `cell_types`, in the order of `cell_types`."""
    wanted = set(members)
    return [position for position, name in enumerate(cell_types) if name in wanted]
