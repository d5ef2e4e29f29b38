"""The templates of pages. They escape every inserted value."""

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, Template


@cache  # compiling takes longer than rendering
def template(name: str, **filters: Callable[..., Any]) -> Template:
    """A template of `templates/`, with filters under the names that it uses."""
    environment = Environment(
        loader=PackageLoader("slidescreen.reporting"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= filters
    return environment.get_template(name)
