"""Writing files whole, and text that spreadsheets and terminals cannot be harmed by."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.errors import OutputError
from slidescreen.files import writing
from slidescreen.files.writing import (
    denature,
    make_folder,
    neutralise,
    new_file,
    printable,
    scratch_folder,
    sha256_of,
    sweep,
    write_text,
    write_whole,
)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_text(path, "one\n")
    write_text(path, "två\n")
    assert path.read_bytes() == "två\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_text(path, "old")

    def fill_the_disk(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device"):
        write_whole(path, fill_the_disk)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_really_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    import resource

    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            write_text(tmp_path / "big.csv", "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_written_file_has_ordinary_permissions(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_text(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_writing_never_touches_the_mask_which_is_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> int:
        raise AssertionError("for a moment other threads' files would be open to everybody")

    monkeypatch.setattr(os, "umask", fail)
    write_text(tmp_path / "a", "")


@pytest.mark.parametrize(
    ("folder", "file", "below"), [(0o770, 0o660, 0o770), (0o755, 0o600, 0o700), (0o777, 0o600, 0o700)]
)
def test_what_lies_in_a_groups_folder_is_the_groups_whatever_the_mask(
    folder: int, file: int, below: int, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(folder)
    old = os.umask(0o077)
    try:
        write_text(tmp_path / "out" / "a", "")
        make_folder(tmp_path / "out" / "b" / "c")
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) & 0o777 for path in (tmp_path / "out").rglob("*")}
    assert modes == {"a": file, "b": below, "c": below}


REFUSED = [errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP]


@pytest.mark.parametrize("number", REFUSED)
def test_a_file_system_that_cannot_flush_or_permit_is_written_to(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o770)
    for owner, name in ((os, "fsync"), (os, "chown"), (os, "chmod"), (os, "fchmod"), (Path, "chmod")):
        monkeypatch.setattr(owner, name, refuse)
    write_text(make_folder(out / "below") / "a.csv", "text")
    assert (out / "below" / "a.csv").read_text() == "text"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_fails_when_it_flushes_is_an_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=os.strerror(number)):
        write_text(tmp_path / "a.csv", "text")
    assert list(tmp_path.iterdir()) == []


Held = set[str]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Names of files that another program holds: as on Windows, nothing can take their place."""
    names: Held = set()
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name in names:
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(self), 32, str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    return names


def test_a_file_that_another_program_holds_stays_and_the_new_one_lies_beside_it(held: Held, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    write_text(path, "old")
    held.add("cells.csv")
    assert write_text(path, "new", or_beside=True) == tmp_path / "cells.new.csv"
    assert write_text(path, "newer", or_beside=True) == tmp_path / "cells.new-2.csv"
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "cells.csv": "old", "cells.new.csv": "new", "cells.new-2.csv": "newer",
    }  # fmt: skip
    held.clear()
    assert write_text(path, "newest", or_beside=True) == path
    assert path.read_text() == "newest"


def test_a_file_that_another_program_holds_is_an_error_where_no_second_name_will_do(held: Held, tmp_path: Path) -> None:
    write_text(tmp_path / "ensemble.json", "old")
    held.add("ensemble.json")
    with pytest.raises(OutputError, match=r"cannot write .*ensemble\.json: The process cannot access the file"):
        write_text(tmp_path / "ensemble.json", "new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"ensemble.json": "old"}


def test_a_file_that_is_held_for_a_moment_is_waited_for(
    held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_WAITS", (0.01, 0.02))
    held.add("a.csv")
    monkeypatch.setattr(writing.time, "sleep", lambda seconds: held.clear() if seconds == 0.02 else None)
    assert write_text(tmp_path / "a.csv", "text", or_beside=True) == tmp_path / "a.csv"


def test_a_folder_in_a_files_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*cells\.csv"):
        write_text(tmp_path / "cells.csv", "text", or_beside=True)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.csv"]


def test_only_its_own_temporary_files_are_swept_away(tmp_path: Path) -> None:
    left = new_file(tmp_path)
    with scratch_folder(tmp_path) as folder:
        (folder / "a").touch()
        shutil.copytree(folder, tmp_path / f".slidescreen-{'0' * 16}.tmp")
    assert not folder.exists()
    others = [".cells.csv.x7.tmp", ".a.tmp", ".~lock.cells.csv#", ".slidescreen-mine.tmp", f"{left.name}.tmp", "b.tmp"]
    for name in others:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    sweep(tmp_path / "none")


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create the folder"):
        make_folder(tmp_path / "file" / "below")


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.text())
def test_neutralised_text_is_no_formula_and_comes_back(text: str) -> None:
    harmless = neutralise(text)
    assert not harmless.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert denature(harmless) == text


@pytest.mark.parametrize("text", ["=1+1", " =1+1", "＝1+1", "－1", "\n@x", "\u3000+1"])
def test_what_some_spreadsheet_would_run_is_neutralised(text: str) -> None:
    assert neutralise(text) == f"'{text}"


@given(st.binary(max_size=60))
def test_any_file_name_becomes_one_printable_line(raw: bytes) -> None:
    text = printable(os.fsdecode(raw))
    assert text.isprintable()
    text.encode("utf-8")


def test_ordinary_names_stay_as_they_are() -> None:
    assert printable("Lymphocyte, variant/zelle_ä.jpg") == "Lymphocyte, variant/zelle_ä.jpg"
    assert printable(os.fsdecode(b"a\xffb\nc")) == "a\\xffb\\nc"
