"""Closed choices: an option whose values are the members of a `StrEnum`."""

from enum import StrEnum

from slidescreen.errors import InputError


def listed(choices: type[StrEnum]) -> str:
    """The values of a closed choice, as a message lists them."""
    return ", ".join(choices)


def check_choice(option: str, value: str, choices: type[StrEnum]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        InputError: naming the option and the allowed values.
    """
    if value not in tuple(choices):
        raise InputError(f"{option} must be one of {listed(choices)}, not {value}")
