"""Data from a slide's order that matter to its verdict: the blood's leukocyte count, and the slides of one patient.

The patient's identifier stays in the table of orders.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from slidescreen.screening.finding import Finding, Flag, Verdict
from slidescreen.screening.results import SlideResult

LEAST_LEUKOCYTES = 2.0
"""Leukocytes per nl of blood. With fewer, a film has few cells and can miss blasts."""
FEW_LEUKOCYTES = "few leukocytes in the blood: this rules out little; look at the whole film"
_SAID = {FEW_LEUKOCYTES, *FEW_LEUKOCYTES.split("; ")}  # tables join reasons by semicolons


@dataclass(frozen=True)
class BloodContext:
    """A slide's patient, empty if unknown, and the blood's leukocytes per nl, None if unknown."""

    patient: str = field(default="", repr=False)
    leukocytes_per_nl: float | None = None


def in_context(slides: Sequence[SlideResult], contexts: Mapping[str, BloodContext]) -> tuple[SlideResult, ...]:
    """The slides. Those without findings are marked if the blood has few leukocytes; others lose an earlier mark."""
    return tuple(replace(s, finding=_marked(s.finding, contexts.get(s.name, BloodContext()))) for s in slides)


def slides_of_one_patient(slides: Iterable[str], contexts: Mapping[str, BloodContext]) -> list[list[str]]:
    """Of these slides' names, those that share a patient; patients with one slide are left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for slide in slides:
        patient = contexts.get(slide, BloodContext()).patient
        if patient:
            found[patient].append(slide)
    return sorted(names for names in found.values() if len(names) > 1)


def _marked(finding: Finding, context: BloodContext) -> Finding:
    flags = tuple(flag for flag in finding.flags if flag != Flag.FEW_LEUKOCYTES)
    reasons = tuple(reason for reason in finding.reasons if reason not in _SAID)
    count = context.leukocytes_per_nl
    if finding.verdict is Verdict.CLEAR and count is not None and count < LEAST_LEUKOCYTES:
        flags, reasons = (*flags, Flag.FEW_LEUKOCYTES), (FEW_LEUKOCYTES, *reasons)
    return replace(finding, flags=flags, reasons=reasons)
