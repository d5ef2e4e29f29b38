"""The status of a result, as a word in FHIR and as a letter in HL7 v2.

Nobody has verified this program's results, so none is ever final. There is no such member here. The pairs are those of
HL7's own maps from v2 to FHIR (tables 0123 for a report, 0085 for an observation).
"""

from enum import Enum


class ResultStatus(Enum):
    """A status: FHIR's word and HL7's letter."""

    REPORT = ("partial", "R")
    """A whole report: stored, not yet verified. FHIR's `preliminary` would mean verified early results."""
    MEASURED = ("preliminary", "P")
    NOT_OBTAINED = ("cancelled", "X")
    """An undefined percentage, because no leukocyte was counted."""

    @property
    def fhir(self) -> str:
        """The word in `status` of a DiagnosticReport or an Observation."""
        return self.value[0]

    @property
    def hl7(self) -> str:
        """The letter in OBR-25 or OBX-11."""
        return self.value[1]
