"""What a user installs: a wheel, built here, in an environment that has the dependencies and no checkout."""

import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "slidescreen").rglob("*.py")
)
IMPORT_ALL = """
import importlib, sys
from pathlib import Path
for name in sys.argv[2:]:
    found = importlib.import_module(name)
    assert Path(found.__file__).is_relative_to(sys.argv[1]), found.__file__
print(len(sys.argv[2:]))
"""


@dataclass(frozen=True)
class Installed:
    """A wheel, and the environment that it is installed in."""

    wheel: Path
    folder: Path

    @property
    def scripts(self) -> Path:
        return self.folder / ("Scripts" if sys.platform == "win32" else "bin")

    def run(self, program: str, *arguments: str) -> str:
        """What a program of the environment prints, in a folder far from the checkout."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SLIDE"))}
        ended = subprocess.run(
            [str(self.scripts / program), *arguments],
            cwd=self.folder,
            env={**environment, "SLIDESCREEN_CACHE": str(self.folder / "cache"), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def dependencies() -> list[str]:
    """The folders that this environment's packages lie in."""
    folders = [*site.getsitepackages(), *(place for place in sys.path if Path(place).name.endswith("-packages"))]
    return [place for place in dict.fromkeys(folders) if Path(place).is_dir()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    for needed in ("hatchling", "pip"):
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed, and no wheel is built over the network")
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    wheel = next(place.glob("*.whl"))
    found = Installed(wheel, place / "environment")
    venv.create(found.folder, symlinks=sys.platform != "win32")
    python = found.scripts / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--no-compile", str(wheel)], check=True, capture_output=True)
    own = next(path for path in found.folder.rglob("site-packages") if (path / "slidescreen").is_dir())
    # Files like this one count in `own` alone: that of an editable install, which leads to a checkout, does not.
    (own / "dependencies.pth").write_text("\n".join(dependencies()), encoding="utf-8")
    return found


def test_every_module_of_the_wheel_can_be_imported(installed: Installed) -> None:
    assert installed.run("python", "-c", IMPORT_ALL, str(installed.folder), *MODULES).strip() == str(len(MODULES))


def test_the_wheel_holds_the_package_and_nothing_else(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"slidescreen"}
    assert {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names} >= {*MODULES}
    assert not [name for name in names if {"tests", "benchmarks", "sample_data", "docs"} & {*name.split("/")}]


def test_the_wheel_brings_what_is_no_code(installed: Installed) -> None:
    names = {*zipfile.ZipFile(installed.wheel).namelist()}
    beside = [
        path for path in (ROOT / "slidescreen").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert {path.suffix for path in beside} >= {".toml", ".j2", ".css", ".typed"}
    assert {path.relative_to(ROOT).as_posix() for path in beside} <= names
    weights = [path.name for path in (ROOT / "weights" / "default").iterdir()]
    assert {f"slidescreen/weights/default/{name}" for name in weights} <= names
    assert "slidescreen.weights" in installed.run("python", "-c", "import slidescreen.weights as w; print(w.__name__)")


def test_the_command_of_the_wheel_finds_the_ensemble_that_came_along(installed: Installed) -> None:
    found = installed.run(
        "python",
        "-c",
        "from slidescreen.ensembles.location import default_ensemble\n"
        "from slidescreen.ensembles import storage\n"
        "print(default_ensemble(), len(storage.load(default_ensemble()).members))",
    )
    folder, members = found.rsplit(maxsplit=1)
    assert Path(folder).is_relative_to(installed.folder.resolve())
    assert Path(folder).parts[-3:] == ("slidescreen", "weights", "default")
    assert int(members) == 2
    assert installed.run("slidescreen", "--version").startswith("slidescreen 0.")
    told = json.loads(installed.run("slidescreen", "info", "--json"))["ensembles"]
    assert [(Path(each["folder"]), each["problem"]) for each in told] == [(Path(folder), None)]
