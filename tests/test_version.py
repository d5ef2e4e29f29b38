"""The version is spelled in one place, and known where nothing is installed."""

import re
import subprocess
import sys
from pathlib import Path

from slidescreen import __version__

ROOT = Path(__file__).parents[1]
NOT_INSTALLED = """
import importlib.metadata as metadata, sys
def version(name):
    raise metadata.PackageNotFoundError(name)
metadata.version = version
sys.argv[1:] = ["--version"]
from slidescreen.cli import main
main()
"""


def test_a_source_tree_that_is_not_installed_knows_its_version() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", NOT_INSTALLED], capture_output=True, text=True, timeout=60, check=True
    )
    assert shown.stdout == f"slidescreen {__version__}\n"


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [__version__]
