"""Closed choices: an option whose values are the members of a `StrEnum`."""

from enum import StrEnum
from typing import TypeVar

from slidescreen.errors import InputError

Choice = TypeVar("Choice", bound=StrEnum)


def listed(choices: type[StrEnum]) -> str:
    """The values of a closed choice, as text for a message."""
    return ", ".join(choices)


def check_choice(option: str, value: str, choices: type[Choice]) -> Choice:
    """The member that has this value.

    Raises:
        InputError: there is none. The message names the option and the allowed values.
    """
    if value not in tuple(choices):
        shown = value or "''"
        raise InputError(f"{option} must be one of {listed(choices)}, not {shown}")
    return choices(value)
