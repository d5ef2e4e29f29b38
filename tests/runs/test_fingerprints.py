"""A slide counts as unchanged only if nothing about its images has changed."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_cells

from slidescreen.data.slides import CellImage, Slide, discover
from slidescreen.runs.fingerprints import fingerprint_of


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """Images in a slide's folder and in its class folders; a picture that may not be opened among them."""
    write_cells(tmp_path / "S1", 2)
    write_cells(tmp_path / "S1" / "Monocytes", 2, first_seed=10)
    shutil.copy(tmp_path / "S1" / "cell_000.jpg", tmp_path / "outside.jpg")
    (tmp_path / "S1" / "Monocytes" / "z.jpg").symlink_to(tmp_path / "outside.jpg")
    for image in (tmp_path / "S1").rglob("*.jpg"):
        os.utime(image, (1e9, 1e9))
    return tmp_path / "S1"


def fingerprint(folder: Path) -> str:
    (found,) = discover(folder)
    return fingerprint_of(found)


def expected(found: Slide, state: Callable[[Path], str]) -> str:
    told = [f"{i.name}\n{i.reported_type}\n{i.refusal}\n{state(i.path)}" for i in found.images]
    return hashlib.sha256("\n\n".join(sorted(told)).encode()).hexdigest()


def state(path: Path) -> str:
    return f"{path.stat().st_size},{path.stat().st_mtime_ns}" if path.exists() else ""


def test_a_fingerprint_is_a_hash_of_names_calls_refusals_sizes_and_times(slide: Path) -> None:
    (found,) = discover(slide)
    assert {image.reported_type for image in found.images} == {"", "monocyte"}
    assert sum(bool(image.refusal) for image in found.images) == 1
    assert fingerprint_of(found) == expected(found, state)
    plain = Slide(found.name, found.folder, tuple(map(CellImage, (i.path for i in found.images), "edcba")))
    assert fingerprint_of(plain) == expected(plain, state)


def test_records_of_earlier_releases_stay_valid() -> None:
    """The fingerprint of two images that are not there, as the first release made it."""
    images = (CellImage(Path("gone/a.jpg"), "a.jpg", "monocyte"), CellImage(Path("gone/b.jpg"), "b.jpg", "", "why"))
    told = b"a.jpg\nmonocyte\n\n\n\nb.jpg\n\nwhy\n"
    assert fingerprint_of(Slide("gone", Path("gone"), images)) == hashlib.sha256(told).hexdigest()


def test_a_file_that_is_gone_since_the_search_has_no_state_and_the_others_keep_theirs(slide: Path) -> None:
    (found,) = discover(slide)
    whole = fingerprint_of(found)
    (slide / "Monocytes" / "cell_000.jpg").unlink()
    assert whole != fingerprint_of(found) == expected(found, state)
    shutil.rmtree(slide)
    assert fingerprint_of(found) == expected(found, lambda _: "")


def test_an_unreadable_folder_is_told_by_its_own_state(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, refused = os.scandir, slide / "Monocytes"

    def refusing(path: Path) -> object:
        if Path(path) == refused:
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    (found,) = discover(slide)
    assert fingerprint_of(found) == expected(found, state)


@pytest.mark.parametrize("lacking", ["open", "stat"])
def test_a_system_that_opens_no_folders_gives_the_same(
    lacking: str, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows."""
    before, sound = fingerprint(slide), getattr(os, lacking)

    def refuse(*given: object, **named: object) -> object:
        if lacking == "open":
            raise PermissionError(13, "Permission denied")
        if "dir_fd" in named:
            raise NotImplementedError("dir_fd unavailable on this platform")
        return sound(*given, **named)

    monkeypatch.setattr(os, lacking, refuse)
    assert fingerprint(slide) == before


@pytest.mark.parametrize("where", ["cell_001.jpg", "Monocytes/cell_001.jpg"])
@pytest.mark.parametrize("change", ["size", "time", "name", "class", "one more", "one less"])
def test_whatever_changes_shows(change: str, where: str, slide: Path) -> None:
    before, image = fingerprint(slide), slide / where
    if change == "size":
        image.write_bytes(image.read_bytes() + b"x")
        os.utime(image, (1e9, 1e9))
    elif change == "time":
        os.utime(image, ns=(10**18, 10**18 + 1))
    elif change == "name":
        image.rename(image.with_name("other.jpg"))
    elif change == "class":
        (slide / "Lymphocytes").mkdir()
        image.rename(slide / "Lymphocytes" / image.name)
    elif change == "one more":
        shutil.copy2(image, image.with_name("other.jpg"))
    else:
        image.unlink()
    assert fingerprint(slide) != before


def test_folders_are_closed_again(slide: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    fingerprint(slide)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        fingerprint(slide)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
