"""Let `--help` show words that a user knows instead of Python's types."""

import re
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainCommand(TyperCommand):
    """A command whose help shows no type beside a switch, and no braces around an argument."""

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
