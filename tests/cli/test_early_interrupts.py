"""Ctrl-C before anything has begun: one line and exit code 130, whatever is being imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SIGNALLED = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
except KeyboardInterrupt:
    raise ImportError("a library that makes another error of it")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals itself")
@pytest.mark.parametrize(
    ("library", "arguments", "line"),
    [
        ("typer", ["classify", "slides"], "error: interrupted\n"),
        ("numpy", ["classify", "slides"], "error: interrupted; what was finished is kept\n"),
        ("numpy", ["train", "labels.csv"], "error: interrupted; what was finished is kept\n"),
    ],
)
def test_an_interrupt_while_libraries_are_imported_is_one_line(
    tmp_path: Path, library: str, arguments: list[str], line: str
) -> None:
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text(SIGNALLED)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", "from slidescreen.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (130, line, "")
