"""Which cells a run's page shows as pictures. Imports nothing heavy."""

from enum import StrEnum


class PageCells(StrEnum):
    """Which cells a run's page shows as pictures."""

    SUSPICIOUS = "suspicious"
    """Blasts, immature granulocytes and other cells that give a reason for the verdict: a small page."""
    ALL = "all"
    """Every cell, so that each can be reviewed."""
