"""What a run asks of the network and writes to the disk, as the system sees it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import write_cells

from slidescreen import footprint
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble, ValidationResult
from slidescreen.models.member import member_of

MAKING = ("creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "symlink", "symlinkat", "link", "linkat")
CALLS = ",".join(f"?{name}" for name in ("socket", "connect", "sendto", "open", "openat", *MAKING))
WRITING = re.compile(rf"O_WRONLY|O_RDWR|O_CREAT|\b(?:{'|'.join(MAKING)})\(")


def needs_strace() -> None:
    """Skips the test where system calls cannot be watched."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "true"], capture_output=True).returncode:
        pytest.skip("needs strace, and permission to use it")


def watched(folder: Path, *command: str, **environment: str) -> list[str]:
    """The system calls of a command and its children that reach for the network or change the disk."""
    trace = folder / "trace"
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "400", "-o", str(trace), "-e", f"trace={CALLS}"]
    clean = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    ended = subprocess.run(
        [*strace, sys.executable, "-m", *command],
        cwd=folder, env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return trace.read_text(errors="replace").splitlines()


def one_member(folder: Path, checkpoint: Path) -> None:
    """An ensemble that is made fast."""
    matrix = np.full((16, 16), 1) + np.diag([200] * 16)
    ensemble = Ensemble((member_of(checkpoint, 1.0),), validation=ValidationResult(confusion_matrix=matrix))
    storage.save(folder, ensemble)


def test_a_run_asks_nobody_and_writes_only_into_its_cache_and_its_output(
    tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    """A whole run with an empty cache: the networks are made, images decoded, the page drawn."""
    needs_strace()
    write_cells(tmp_path / "in" / "S1", 3)
    one_member(tmp_path / "ensemble", checkpoints[0])
    homes = {name: tmp_path / name for name in ("home", "tmp", "cache")}
    for path in homes.values():
        path.mkdir()
    calls = watched(
        tmp_path, "slidescreen", "classify", "in", "--out", "out", "--ensemble", "ensemble", "--quiet",
        HOME=str(homes["home"]), TMPDIR=str(homes["tmp"]), SLIDESCREEN_CACHE=str(homes["cache"]),
    )  # fmt: skip
    reached = [call for call in calls if re.search(r"\b(?:socket|connect|sendto)\(", call) and "AF_UNIX" not in call]
    assert reached == []
    written = {path for call in calls if WRITING.search(call) for path in re.findall(r'"([^"]*)"', call)}
    absolute = {os.path.join(tmp_path, path) for path in written}  # noqa: PTH118  # "/x" stays as it is
    own = (str(tmp_path / "out"), str(tmp_path / "cache"))
    assert {path for path in absolute if not path.startswith(own)} <= {"/dev/null"}
    assert list(homes["home"].iterdir()) == list(homes["tmp"].iterdir()) == []
    assert [path.name for path in homes["cache"].iterdir()] == ["slidescreen-cache"]


def test_a_user_whom_nobody_knows_runs_without_a_home(tmp_path: Path, checkpoints: tuple[Path, Path]) -> None:
    """In a name space of its own: a number without a name, and so without a place for a cache."""
    stranger = ["unshare", "--user", "--map-user=4242", "--map-group=4242"]
    if shutil.which("unshare") is None or subprocess.run([*stranger, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare, and permission to use it")
    one_member(tmp_path / "ensemble", checkpoints[0])
    write_cells(tmp_path / "in" / "S1", 2)
    code = [sys.executable, "-m", "slidescreen", "classify", "in", "--out", "out", "--ensemble", "ensemble"]
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "COLUMNS": "200"}
    ended = subprocess.run([*stranger, *code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("it could not be cached for the next run: set SLIDESCREEN_CACHE") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ensemble", "in", "out"]


REPORTED = """
import json, os, sys
from slidescreen.footprint import keep_libraries_in_cache
keep_libraries_in_cache()
import matplotlib
print(json.dumps([os.environ.get("TORCHINDUCTOR_CACHE_DIR"), matplotlib.get_cachedir()]))
"""


def places(**environment: str | Path) -> list[str]:
    """Where torch and matplotlib keep their files in a new process; what that prints beside is a failure."""
    clean = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in environment.items()}}
    code = [sys.executable, "-B", "-c", REPORTED]
    ended = subprocess.run(code, env=clean, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return list(json.loads(ended.stdout))


def test_libraries_keep_their_files_in_the_cache_or_where_the_user_says(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    own = tmp_path / "cache" / "slidescreen-cache" / "libraries"
    assert places(HOME=home, SLIDESCREEN_CACHE=tmp_path / "cache") == [str(own / "torch"), str(own / "matplotlib")]
    assert list(home.iterdir()) == []
    told = places(HOME=home, SLIDESCREEN_CACHE=tmp_path / "cache", MPLCONFIGDIR=tmp_path / "mine")
    assert told[1] == str(tmp_path / "mine")


@pytest.mark.parametrize("cache", ["file/below", "/proc/self/below"])
def test_where_the_cache_cannot_be_libraries_leave_nothing_behind(cache: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    found = places(HOME="/nonexistent", TMPDIR=tmp_path / "tmp", SLIDESCREEN_CACHE=tmp_path / cache)
    assert all(Path(place).is_relative_to(tmp_path / "tmp") for place in found)
    assert list((tmp_path / "tmp").iterdir()) == []


def forget_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable name a cache; what the test sets is forgotten after it."""
    for name in ("SLIDESCREEN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", *footprint._LIBRARIES):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_without_a_home_libraries_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    forget_caches(monkeypatch)
    monkeypatch.setattr(footprint.tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    footprint.keep_libraries_in_cache()
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]) == tmp_path / "slidescreen-" / "torch"


@pytest.mark.parametrize("home", ["/sys", "/proc/nohome"])
def test_where_a_home_takes_no_folder_a_temporary_one_is_used(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions may allow what the file system then refuses, as a full disk does."""
    forget_caches(monkeypatch)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(footprint.tempfile, "tempdir", str(tmp_path))
    footprint.keep_libraries_in_cache()
    for name in footprint._LIBRARIES:
        assert Path(os.environ[name]).is_dir()
        assert Path(os.environ[name]).is_relative_to(tmp_path)


def test_openvino_finds_no_telemetry_to_import() -> None:
    import openvino  # noqa: F401

    with pytest.raises(ImportError):
        import openvino_telemetry  # noqa: F401
