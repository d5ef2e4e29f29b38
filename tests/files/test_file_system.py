"""File systems that refuse what a local disk does: the run goes on, and says what they lack."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command, write_cells
from test_footprint import needs_strace

from slidescreen.files.file_system import in_words, missing_features


def test_a_local_disk_lacks_nothing(tmp_path: Path) -> None:
    assert missing_features(tmp_path, locks=True) == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_said_to_lack_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert missing_features(tmp_path, locks=True) == []
    assert list(tmp_path.iterdir()) == []


ON_A_SHARE = """
import sys
from pathlib import Path
from slidescreen.files.writing import make_folder, write_text
from slidescreen.files.locking import locked
from slidescreen.files.file_system import missing_features
folder = make_folder(Path(sys.argv[1]) / "run")
with locked(folder) as locks:
    write_text(folder / "cells.csv", "old")
    write_text(folder / "cells.csv", "new")
    print(missing_features(folder, locks))
"""


@pytest.mark.parametrize("error", ["EOPNOTSUPP", "EPERM", "EINVAL", "ENOSYS"])
def test_the_system_itself_refuses_and_files_are_written(error: str, tmp_path: Path) -> None:
    """Real system calls, made to fail as they do on a share."""
    needs_strace()
    tmp_path.chmod(0o770)  # a group's folder, so that permissions matter
    refusals = ["?flock", "?fsync", "?chmod", "?fchmod", "?fchmodat", "?fchmodat2", "?chown", "?fchown", "?fchownat"]
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={','.join(refusals)}"]
    strace += ["-e", f"inject={','.join(refusals)}:error={error}"]
    ended = subprocess.run(
        [*strace, sys.executable, "-c", ON_A_SHARE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "['flushing', 'locks', 'permissions']\n"
    assert (tmp_path / "run" / "cells.csv").read_text() == "new"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "cells.csv"]


def test_a_run_on_a_poor_share_says_once_what_it_lacks(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    write_cells(Path("in/S1"), 2)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    for owner, name in ((os, "fsync"), (Path, "chmod"), (fcntl, "flock")):
        monkeypatch.setattr(owner, name, refuse)
    outcome = command("classify", "in", "--out", "run")
    assert outcome.code == 0
    said = " ".join(outcome.err.split())
    assert said.count(in_words("run", ["flushing", "locks", "permissions"])) == 1
    assert json.loads(Path("run/run.json").read_text())["share_lacks"] == ["flushing", "locks", "permissions"]
    assert not Path("run/.lock-held").exists()
