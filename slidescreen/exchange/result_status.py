"""How certain a result is said to be, in the words of FHIR and the letters of HL7 v2.

Nobody has verified what this program finds, so no result of it is ever final: there is no such member here. Pairs are
those of HL7's own maps from v2 to FHIR (tables 0123 for a report, 0085 for an observation).
"""

from enum import Enum


class ResultStatus(Enum):
    """FHIR's word, HL7's letter."""

    REPORT = ("partial", "R")
    """Of a whole report: stored, not yet verified. FHIR's `preliminary` would mean verified early results."""
    MEASURED = ("preliminary", "P")
    NOT_OBTAINED = ("cancelled", "X")
    """A percentage that is undefined, as no leukocyte was counted."""

    @property
    def fhir(self) -> str:
        """The word in `status` of a DiagnosticReport or an Observation."""
        return self.value[0]

    @property
    def hl7(self) -> str:
        """The letter in OBR-25 or OBX-11."""
        return self.value[1]
