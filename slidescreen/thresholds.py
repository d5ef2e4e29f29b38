"""The limits a verdict goes by. Percentages of leukocytes, 0–100, unless said otherwise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Where each comes from stands beside it; a laboratory may have its own."""

    error_rate: float = 0.01
    """Largest share of slides without blasts (or IG) that the model's own errors may get flagged, 0–1."""
    least_leukocytes: int = 50
    """Fewer say too little: even without a blast among 50, up to 7% may be blasts (Rümke)."""
    usual_leukocytes: int = 100
    """A differential is customarily of 100 cells or more (CLSI H20)."""
    most_unusable: float = 0.30
    """Largest share of images that may be unidentified or unreadable, 0–1."""
    blasts_workup: float = 5.0
    """Blasts above 5% are worked up as a possible leukaemia or myelodysplasia (WHO)."""
    blasts_acute: float = 20.0
    """Acute leukaemia from 20% (WHO)."""
    ig_raised: float = 2.0
    """Immature granulocytes above 2–3% are reviewed (ISLH consensus rules)."""
    ig_high: float = 3.0
    left_shift: float = 10.0
    """Bands and immature granulocytes together."""
    apl_promyelocytes: float = 10.0
    """Promyelocytes this frequent, and most of the IG, are no left shift: consider APL."""
    cml_basophils: float = 2.0
    """Basophils above this with a left shift: consider CML."""
    lineage_ratio: float = 3.0
    """One blast type must outnumber the other by so much, in all but 2.5% of what the errors allow."""
