"""Classify the leukocytes of blood-smear slides and screen the slides for leukaemia. For research use only.

    import slidescreen

    run = slidescreen.classify("slides/")   # as the command `slidescreen classify slides/`
    run = slidescreen.read_run("out/")      # a run that a folder holds
    run.verdicts, run.cells(), run.differentials()

Heavy libraries are imported only when one of these names is used.
"""

from slidescreen.telemetry import forbid_telemetry
from slidescreen.version import __version__ as __version__

TYPE_CHECKING = False  # type checkers know this name; importing `typing` is slow

if TYPE_CHECKING:
    from slidescreen.api import ScreenedRun, ScreenedSlide, classify, read_run
    from slidescreen.errors import (
        InputError,
        NothingClassifiedError,
        OutputError,
        SlidescreenError,
    )
    from slidescreen.screening.differential import Share
    from slidescreen.screening.finding import Verdict

forbid_telemetry()

__all__ = [
    "InputError",
    "NothingClassifiedError",
    "OutputError",
    "ScreenedRun",
    "ScreenedSlide",
    "Share",
    "SlidescreenError",
    "Verdict",
    "__version__",
    "classify",
    "read_run",
]

_PLACES = {
    "api": ("ScreenedRun", "ScreenedSlide", "classify", "read_run"),
    "errors": ("InputError", "NothingClassifiedError", "OutputError", "SlidescreenError"),
    "screening.differential": ("Share",),
    "screening.finding": ("Verdict",),
}
"""Public names and their modules. A module is imported when its name is first used."""

if not TYPE_CHECKING:  # with `__getattr__` a type checker would accept any name

    def __getattr__(name: str) -> object:
        value = _imported(name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


def _imported(name: str) -> object:
    from importlib import import_module

    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
