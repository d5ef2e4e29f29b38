"""Every link of the documentation leads somewhere, and every command it shows exists."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from slidescreen.screening.finding import Verdict

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "weights" / "default" / "README.md"],
    key=lambda path: path.as_posix(),
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"slidescreen (classify|report|train|ensemble|info)\b([^\n`|]*)")


def links(text: str) -> list[str]:
    """Where a page's links lead, those to other sites left out."""
    return [target for target in LINK.findall(text) if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as web hosts make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in links(text):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{page.name} links to {target}"


def test_a_broken_link_is_found() -> None:
    assert links("[a](b.md) [c](https://d.org) ![e](f.png)") == ["b.md", "f.png"]
    assert anchors("# On slides\n## With `few` cells") == {"on-slides", "with-few-cells"}


INSTALLATION = re.compile(r"pip install [^\n#`]*")


def test_slidescreen_is_installed_from_a_clone_with_extras_that_exist() -> None:
    """No package index has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    texts = {path: path.read_text(encoding="utf-8") for path in (*PAGES, *(ROOT / "slidescreen").rglob("*.py"))}
    found = [command for text in texts.values() for command in INSTALLATION.findall(text)]
    named = [extra for command in found for extra in re.findall(r"[.\w]\[([\w,]+)\]", command)]
    assert {"test", "int8", "exchange", "ray"} == {*named} <= {*extras}
    assert [command for command in found if re.search(r"\bslidescreen\b", command.partition("&&")[0])] == []


@cache
def scripts_in(text: str) -> set[str]:
    """The tests and benchmarks that a text says to run, as files of the repository."""
    found = set(re.findall(r"tests/[\w/]+\.py|benchmarks/\w+\.py", text))
    return found | {f"benchmarks/{name}.py" for name in re.findall(r"-m benchmarks\.(\w+)", text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_test_and_benchmark_that_is_named_exists(page: Path) -> None:
    assert [name for name in sorted(scripts_in(page.read_text(encoding="utf-8"))) if not (ROOT / name).is_file()] == []


def test_an_absent_benchmark_is_found() -> None:
    assert scripts_in("run `python -m benchmarks.none` and tests/none.py") == {"benchmarks/none.py", "tests/none.py"}


@cache
def options_of(command: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-m", "slidescreen", command, "--help"],
        capture_output=True,
        text=True,
        env={"COLUMNS": "200", "PATH": "", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        check=True,
    ).stdout
    return set(re.findall(r"--[a-z][a-z0-9-]+", shown))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_option_that_a_command_is_shown_with_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for command, rest in COMMAND.findall(text):
        unknown = set(re.findall(r"(?<=\s)--[a-z][a-z0-9-]+", rest.split(" && ")[0])) - options_of(command)
        assert not unknown, f"{page.name}: slidescreen {command} has no {unknown}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1500


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/read-the-verdict.md"])
def test_every_verdict_is_explained(page: str) -> None:
    rows = re.findall(r"^\| \S `(\w+)` \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(Verdict)
