"""One run at a time in a folder, whatever its file system and its users."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from slidescreen.errors import InputError
from slidescreen.files import locking
from slidescreen.files.locking import locked

fcntl = pytest.importorskip("fcntl")


def test_a_folder_is_held_by_one_and_the_other_is_told_by_whom(tmp_path: Path) -> None:
    with locked(tmp_path) as by_system:
        assert by_system
        with pytest.raises(InputError, match=f"is in use by process {os.getpid()} on .* since 20"), locked(tmp_path):
            pass
    assert (tmp_path / ".lock").read_text() == ""
    with locked(tmp_path) as by_system:
        assert by_system


@pytest.fixture(params=[errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EPERM])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks, and signs of life that come fast."""

    def refuse(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locking, "_BEAT", 0.04)
    monkeypatch.setattr(locking, "_PATIENCE", 0.4)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_folder_is_still_held_by_one(tmp_path: Path) -> None:
    notes: list[str] = []
    with locked(tmp_path) as by_system:
        assert not by_system
        before = time.monotonic()
        with (
            pytest.raises(InputError, match=f"is in use by process {os.getpid()} on .* since 20"),
            locked(tmp_path, notes.append),
        ):
            pass
        assert time.monotonic() - before < 0.35  # it showed that it lives
    assert notes[0].startswith(f"checking for 0 s whether process {os.getpid()} on ")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    with locked(tmp_path, notes.append):
        assert len(notes) == 1


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("left", [b"process 1 on elsewhere since 2026-11-23; sign of life 7", b""])
def test_without_locks_a_dead_ones_folder_is_taken_over(left: bytes, tmp_path: Path) -> None:
    (tmp_path / ".lock-held").write_bytes(left)
    with locked(tmp_path):
        assert (tmp_path / ".lock-held").read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / ".lock-held").exists()


@pytest.mark.usefixtures("no_locks")
def test_who_was_taken_for_dead_does_not_take_the_folder_back(tmp_path: Path) -> None:
    other = b"process 1 on elsewhere since 2026-11-23; sign of life 0"
    with locked(tmp_path):
        (tmp_path / ".lock-held").unlink()
        (tmp_path / ".lock-held").write_bytes(other)
        time.sleep(0.2)
    assert (tmp_path / ".lock-held").read_bytes() == other
    assert not [thread for thread in threading.enumerate() if thread.name == "lock"]


AS_ANOTHER = """
import os, sys
from pathlib import Path
from slidescreen.errors import SlidescreenError
from slidescreen.files.locking import locked
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    with locked(Path(".")) as by_system:
        print(by_system, Path(".lock").read_text())
except SlidescreenError as error:
    print(error)
"""


@pytest.mark.parametrize("held", [False, True])
def test_a_lock_file_of_another_user_neither_stops_nor_misleads(held: bool, tmp_path: Path) -> None:
    """As when root tried the nightly command by hand, once."""
    lock = tmp_path / ".lock"
    lock.write_text("process 1 of root")
    lock.chmod(0o444)
    tmp_path.chmod(0o777)
    with lock.open() as file:
        if held:
            fcntl.flock(file, fcntl.LOCK_EX)
        child = subprocess.Popen(
            [sys.executable, "-c", AS_ANOTHER, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        out, _ = child.communicate()
    if held:
        assert out == ". is in use by process 1 of root: wait for it to end, or choose another --out\n"
    else:
        assert out.startswith(f"True process {child.pid} on ")


@pytest.mark.skipif(sys.platform == "win32", reason="locks by fcntl")
def test_what_damages_a_lock_file_is_not_sent_to_the_terminal(tmp_path: Path) -> None:
    import fcntl

    (tmp_path / ".lock").write_bytes(b"\x1b[2J\x00\xff\n" * 5000)
    with (tmp_path / ".lock").open("rb") as holding:
        fcntl.flock(holding, fcntl.LOCK_EX)
        with pytest.raises(InputError) as refusal, locked(tmp_path):
            pass
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 3000
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith("process ")
