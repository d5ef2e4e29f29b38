"""The statistics know nothing of the rest of the package, and their examples run."""

import ast
import doctest
import importlib
import sys
from pathlib import Path

import pytest

import slidescreen.statistics

FOLDER = Path(slidescreen.statistics.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def imported_by(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_only_numpy_and_scipy_are_imported(path):
    for name in imported_by(path):
        outside = name.partition(".")[0]
        assert (
            outside in {"numpy", "scipy"}
            or outside in sys.stdlib_module_names
            or name.startswith("slidescreen.statistics")
        )


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_run(module):
    result = doctest.testmod(importlib.import_module(f"slidescreen.statistics.{module}"))
    assert result.failed == 0
