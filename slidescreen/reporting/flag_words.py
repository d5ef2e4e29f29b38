"""Flags in words: in full for the page, in short for lists."""

from slidescreen.screening.finding import Flag

MEANINGS: dict[str, str] = {
    Flag.BLASTS: "more blasts than expected from classifier error",
    Flag.BLASTS_5: "blasts 5% or more",
    Flag.BLASTS_20: "blasts 20% or more: in the range of acute leukaemia",
    Flag.MANY_BLASTS: "many leukocytes look like blasts: a morphologist must see them",
    Flag.BLAST_EQUIVALENTS: "blasts and promyelocytes together in the range of acute leukaemia",
    Flag.IG: "immature granulocytes raised",
    Flag.LEFT_SHIFT: "left shift",
    Flag.LINEAGE_MYELOID: "blasts look myeloid",
    Flag.LINEAGE_LYMPHOID: "blasts look lymphoid",
    Flag.APL: "many promyelocytes: consider acute promyelocytic leukaemia (APL)",
    Flag.CML: "many basophils with a left shift: consider chronic myeloid leukaemia (CML)",
    Flag.MONOCYTES: "many monocytes",
    Flag.TOO_FEW_CELLS: "too few leukocytes",
    Flag.NO_IMAGES: "no images in the folder",
    Flag.FEW_VALIDATION_CELLS: "too few validation data to know the classifier's error rates",
    Flag.UNRELIABLE: "too many images unidentified or unreadable",
    Flag.UNFAMILIAR: "camera, stain or optics unlike any that this ensemble was measured on",
    Flag.UNKNOWN_CELLS: "more cells unlike every known type than usual",
    Flag.FEW_LEUKOCYTES: "few leukocytes in the blood: a clear verdict rules out little",
    Flag.VANISHED: "images no longer there: result of an earlier run",
    Flag.CHANGING: "changed since an earlier run: its export may not have finished",
}
"""What each flag means, as the page and docs/reference/flags.md say it."""

_GRADES = {Flag.BLASTS_20: "≥20%", Flag.BLASTS_5: "≥5%"}
"""Grades that the list shows with the flag of blasts, the highest first."""

_SHORT: dict[str, str] = {
    Flag.BLASTS: "blasts",
    Flag.MANY_BLASTS: "look like blasts",
    Flag.BLAST_EQUIVALENTS: "blasts+promyelocytes",
    Flag.APL: "APL?",
    Flag.CML: "CML?",
    Flag.LINEAGE_MYELOID: "myeloid",
    Flag.LINEAGE_LYMPHOID: "lymphoid",
    Flag.IG: "IG",
    Flag.LEFT_SHIFT: "left shift",
    Flag.MONOCYTES: "monocytes",
    Flag.TOO_FEW_CELLS: "few cells",
    Flag.NO_IMAGES: "no images",
    Flag.FEW_VALIDATION_CELLS: "few validation cells",
    Flag.UNRELIABLE: "unreliable",
    Flag.UNFAMILIAR: "unfamiliar",
    Flag.UNKNOWN_CELLS: "unknown cells",
    Flag.FEW_LEUKOCYTES: "few in blood",
    Flag.VANISHED: "vanished",
    Flag.CHANGING: "changing",
}
"""The flags in the order and the words of the list."""


def short_flags(flags: tuple[str, ...]) -> str:
    """A finding's flags in few words. Unknown flags stay as they are."""
    grade = next((f" {words}" for flag, words in _GRADES.items() if flag in flags), "")
    known = [words + (grade if flag == Flag.BLASTS else "") for flag, words in _SHORT.items() if flag in flags]
    return ", ".join(known + [flag for flag in flags if flag not in _SHORT and flag not in _GRADES])
