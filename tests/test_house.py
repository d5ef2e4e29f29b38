"""Which room may import which: read from the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "slidescreen"
ROOMS = (
    "cli",
    "building",
    "runs",
    "reporting",
    "training",
    "evaluation",
    "screening",
    "ensembles",
    "engine",
    "models",
    "data",
    "files",
)
"""From top to bottom: a room imports those below it alone, and the modules beside the rooms."""


def imports_of(source: str) -> Iterator[str]:
    """The dotted names that a module imports of this package, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "slidescreen":
            yield from (
                [node.module] if node.module != "slidescreen" else [f"slidescreen.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("slidescreen."))


def upward(room: str, source: str) -> set[str]:
    """The rooms above its own that a module imports; `statistics` and what lies beside the rooms import no room."""
    below = ROOMS[ROOMS.index(room) :] if room in ROOMS else ()
    found = {name.split(".")[1] for name in imports_of(source)} & {*ROOMS}
    return found - {*below, room}


def found_upward() -> set[tuple[str, str]]:
    pairs = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if inside.name == "__main__.py":
            continue
        room = inside.parts[0] if len(inside.parts) > 1 else ""
        pairs |= {(inside.as_posix(), other) for other in upward(room, path.read_text(encoding="utf-8"))}
    return pairs


def test_imports_point_down() -> None:
    assert found_upward() == set()


def test_a_wrong_import_is_found() -> None:
    assert upward("engine", "from slidescreen.runs.night import classify_folder") == {"runs"}
    assert upward("data", "def f():\n    from slidescreen import screening") == {"screening"}
    assert upward("statistics", "import slidescreen.data.images") == {"data"}
    assert (
        upward("runs", "from slidescreen.engine.decoder import Decoder\nfrom slidescreen.errors import InputError")
        == set()
    )
