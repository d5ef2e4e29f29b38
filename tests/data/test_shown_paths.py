"""A shown name leads back to its file, whatever the file's name."""

import os
import sys
from pathlib import Path

import pytest

from slidescreen.data.file_finder import FileFinder
from slidescreen.data.shown_paths import ShownPaths
from slidescreen.data.slides import survey

ODD = (
    "Blast\u3000cells/a.jpg",
    "Ada\u00a0x.jpg",
    "two  sp.jpg",
    "two sp.jpg",
    "cafe\u0301.jpg",
    "caf\u00e9.jpg",
    "a\u200bb/c\u0085d.jpg",
)
UNDECODABLE = os.fsdecode(b"caf\xe9.jpg")


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode("utf-8", "surrogateescape"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
def test_each_image_of_a_slide_is_found_by_its_shown_name(tmp_path: Path) -> None:
    write(tmp_path, *ODD, UNDECODABLE, r"Ada\xa0x.jpg", "plain.jpg")
    (slide,) = survey(tmp_path, depth=0).slides
    assert len(slide.images) == len(ODD) + 3
    assert any(" #" in image.name for image in slide.images)
    assert any("\\" in image.name for image in slide.images)
    paths = ShownPaths(tmp_path)
    assert {image.name: paths.path_of(image.name) for image in slide.images} == {
        image.name: image.path for image in slide.images
    }


def test_a_name_that_is_a_path_is_that_path_even_if_there_is_no_such_file(tmp_path: Path) -> None:
    for name in ("gone.jpg", r"gone\u3000.jpg", "gone #0123abcd", "."):
        assert ShownPaths(tmp_path).path_of(name) == tmp_path / name


def test_a_name_that_two_files_may_be_shown_by_leads_to_neither(tmp_path: Path) -> None:
    undecodable, control = os.fsdecode(b"a\x80.jpg"), "a\u0080.jpg"
    try:
        write(tmp_path, undecodable, control)
    except OSError:
        pytest.skip("this file system takes text alone")
    assert ShownPaths(tmp_path).path_of(r"a\x80.jpg") == tmp_path / r"a\x80.jpg"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder whose name is no text")
def test_a_folder_is_found_by_its_name_in_a_run_record(tmp_path: Path) -> None:
    slide = tmp_path / os.fsdecode(b"M\xfcller")
    write(slide, "a\u3000b.jpg", "c.jpg")
    recorded = ShownPaths(Path(os.fsencode(slide).decode("utf-8", "replace")))
    assert [recorded.path_of(name) for name in (r"a\u3000b.jpg", "c.jpg")] == [slide / "a\u3000b.jpg", slide / "c.jpg"]


def test_a_label_may_name_a_file_as_slidescreen_shows_it(tmp_path: Path) -> None:
    write(tmp_path, "night/Blast\u3000cells/a.jpg")
    (tmp_path / "labels").mkdir()
    found = FileFinder(tmp_path / "labels").find(r"../night/Blast\u3000cells/a.jpg")
    assert found is not None
    assert found.samefile(tmp_path / "night/Blast\u3000cells/a.jpg")
