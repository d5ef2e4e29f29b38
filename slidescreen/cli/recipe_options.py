"""Make options of `slidescreen train` from the fields of the recipe."""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import typer

from slidescreen.training.options import Augmentation, Recipe, Setting, flag_of, settings_of


def with_recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each described field of `Recipe`, in place of its parameter `recipe`.

    typer reads a command's options from its signature. The changed signature has these options instead of `recipe`.
    When the command is called, their values are combined into a `Recipe`.
    """
    signature = inspect.signature(command)
    parameters = list(signature.parameters.values())
    place = [parameter.name for parameter in parameters].index("recipe")
    parameters[place : place + 1] = [*_options(Recipe), *_options(Augmentation)]

    @wraps(command)
    def with_options(**given: Any) -> None:
        augmentation = Augmentation(**{name: given.pop(name) for name in settings_of(Augmentation)})
        recipe = Recipe(augmentation=augmentation, **{name: given.pop(name) for name in settings_of(Recipe)})
        command(recipe=recipe, **given)

    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_options


def _options(options: type) -> Iterator[inspect.Parameter]:
    """An option for each described field, with the field's default."""
    for name, (kind, setting) in settings_of(options).items():
        flag = flag_of(name, setting)
        flags = f"{flag}/--no-{flag.removeprefix('--')}" if kind is bool else flag
        option = typer.Option(
            getattr(options, name),
            flags,
            help=_help(kind, setting),
            metavar=_METAVARS.get(kind),
            rich_help_panel=setting.panel,
        )
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)


_METAVARS = {int: "N", float: "X"}


def _help(kind: type, setting: Setting) -> str:
    """The description, with the limits of a number."""
    return f"{setting.help.removesuffix('.')} ({setting.limits()})." if kind in _METAVARS else setting.help
