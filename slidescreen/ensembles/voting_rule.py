"""How the members of an ensemble vote."""

from enum import StrEnum


class VotingRule(StrEnum):
    """How members' probabilities become one."""

    SOFT = "soft"
    """The mean of the probabilities."""
    HARD = "hard"
    """The mean of the votes: each member votes for one type."""
