"""Writing files whole, and text that spreadsheets and terminals cannot be harmed by."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.errors import OutputError
from slidescreen.files import denature, make_folder, neutralise, printable, sha256_of, write_text, write_whole


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


@given(st.binary(max_size=60))
def test_any_file_name_becomes_one_printable_line(raw: bytes) -> None:
    text = printable(os.fsdecode(raw))
    assert text.isprintable()
    text.encode("utf-8")


def test_ordinary_names_stay_as_they_are() -> None:
    assert printable("Lymphocyte, variant/zelle_ä.jpg") == "Lymphocyte, variant/zelle_ä.jpg"
    assert printable(os.fsdecode(b"a\xffb\nc")) == "a\\xffb\\nc"
