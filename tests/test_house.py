"""Which room may import which, and that names are told apart: read from the code itself."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "slidescreen"
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"
ROOMS = (
    "cli",
    "api",
    "building",
    "runs",
    "reporting",
    "exchange",
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
_ENDING = re.compile(r"(?<=....)(ations?|ings?|ions?|ers?|ors?|ed|es|s|e|y)$")

DOORS = ("__init__.py", "__main__.py")
"""Of the package: they name what users call, and import it when it is called."""


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
        if inside.name in DOORS and len(inside.parts) == 1:
            continue
        room = inside.with_suffix("").parts[0]
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


def public_classes(source: str) -> Iterator[str]:
    """The classes that other modules may name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def alike(names: Iterable[str]) -> set[frozenset[str]]:
    """Names that stand more than once, or differ by an ending alone."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_stem[stem(name)].append(name)
    return {frozenset(found) for found in by_stem.values() if len(found) > 1}


def stem(name: str) -> str:
    """A name without its endings; two of them at most, and never shorter than four letters."""
    for _ in range(2):
        name = _ENDING.sub("", name)
    return name.lower()


def test_each_class_has_a_name_of_its_own() -> None:
    sources = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert alike(name for source in sources for name in public_classes(source)) == set()


def test_each_module_has_a_name_of_its_own_in_its_room() -> None:
    """Rooms and the files of `cli/` aside: a command's file is named as the command."""
    paths = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")]
    names = {path.stem for path in paths if path.parts[0] != "cli"}
    assert alike(names) == set()


def test_names_that_are_alike_are_found() -> None:
    two = "class Run: ...\nclass _Run: ..."
    assert alike([*public_classes(two), *public_classes("class Run: ...")]) == {frozenset({"Run"})}
    assert alike(["record", "recorder", "run"]) == {frozenset({"record", "recorder"})}
    assert alike(["explain", "explanation"]) == set()  # no ending makes the one of the other
    assert alike(["predictions", "prediction", "Engine", "Engines"]) == {
        frozenset({"predictions", "prediction"}),
        frozenset({"Engine", "Engines"}),
    }


def test_the_steps_of_a_night_are_described_in_their_order() -> None:
    """The list in CONTRIBUTING.md names what `classify_folder` calls, from top to bottom."""
    described = re.findall(r"^\d+\. `(\w+)`(?: and `(\w+)`)?:", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    steps = [step for line in described for step in line if step]
    tree = ast.parse((PACKAGE / "runs" / "night.py").read_text(encoding="utf-8"))
    (night,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "classify_folder")
    calls = (node for node in ast.walk(night) if isinstance(node, ast.Call))
    named = sorted((call.lineno, call.func.id) for call in calls if isinstance(call.func, ast.Name))
    last = {name: line for line, name in named}
    assert len(steps) == 10
    assert steps == sorted(steps, key=lambda step: last[step])
