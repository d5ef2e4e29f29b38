"""Commands whose `--help` shows words that a user knows instead of Python's types, and that take no empty arguments."""

import re
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup

from slidescreen.errors import InputError


class PlainCommand(TyperCommand):
    """A command whose help shows no type beside a switch, and no braces around an argument."""

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Parse, but refuse empty arguments: Python takes an empty path for the current folder."""
        for before, argument in () if ctx.resilient_parsing else zip(["", *args], args, strict=False):
            if not argument or (argument.startswith("--") and argument.find("=") == len(argument) - 1):
                place = f" after {before}" if before and not argument else ""
                name = argument.removesuffix("=") or f"an argument{place}"
                raise InputError(f"{name} is empty: is a variable of your script unset?")
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> Any:
        return _plain(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> Any:
        return [re.sub(r"[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]


class PlainGroup(TyperGroup):
    """A program whose help follows the same rules."""

    def get_params(self, ctx: Any) -> Any:
        return _plain(super().get_params(ctx))


def _plain(params: Any) -> Any:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif hasattr(param, "display_type_rich"):  # newer releases of typer put a type in angle brackets
            words = "" if param.param_type_name == "argument" else param.display_type_rich(None).strip("<>")
            param.display_type_rich = partial(_as_told, words)
    return params


def _as_told(words: str, ctx: Any) -> str:
    return words
