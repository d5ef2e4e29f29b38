"""What is told of packages that may be missing."""

import importlib.metadata
import json
from pathlib import Path

import pytest
from conftest import Command

from slidescreen.packages import installed_version


def test_the_version_of_an_installed_package_is_told() -> None:
    assert installed_version("numpy") == importlib.metadata.version("numpy")


def test_a_night_is_recorded_where_a_package_is_missing(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = importlib.metadata.version

    def version(name: str) -> str:
        if name == "openvino":  # as beside a GPU
            raise importlib.metadata.PackageNotFoundError(name)
        return sound(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    command("classify", night, "--out", "run", "--engine", "pytorch")
    versions = json.loads(Path("run/run.json").read_text(encoding="utf-8"))["versions"]
    assert versions["openvino"] is None
    assert versions["torch"] == sound("torch")
