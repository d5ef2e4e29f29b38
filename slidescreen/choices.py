"""Closed choices: an option whose values are the members of a `StrEnum`."""

from enum import StrEnum
from typing import TypeVar

from slidescreen.errors import InputError

Choice = TypeVar("Choice", bound=StrEnum)


def listed(choices: type[StrEnum]) -> str:
    """The values of a closed choice, as a message lists them."""
    return ", ".join(choices)


def check_choice(option: str, value: str, choices: type[Choice]) -> Choice:
    """The choice that a value is; others are refused.

    Raises:
        InputError: naming the option and the allowed values.
    """
    if value not in tuple(choices):
        raise InputError(f"{option} must be one of {listed(choices)}, not {value}")
    return choices(value)
