"""Where a file system refuses to tell, it is bad input with one clear line, and never taken for absence or a defect."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, write_cells

from slidescreen.building.signed_cells import read_signed
from slidescreen.data.label_options import LabelRules
from slidescreen.data.slides import survey
from slidescreen.errors import UnavailableError
from slidescreen.files.existence import exists, is_file, is_folder, sees, sees_file, sees_folder
from slidescreen.files.writing import behind_link

Refuse = Callable[[Path, int], None]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """From now on the system tells nothing of a place and of everything below it."""
    sound = os.stat
    refused: dict[Path, int] = {}

    def stat(path: Any, **named: Any) -> os.stat_result:
        place = Path(os.fsdecode(path)).absolute() if isinstance(path, str | bytes | os.PathLike) else Path("/")
        for folder, code in refused.items():
            if place.is_relative_to(folder):
                raise OSError(code, os.strerror(code), os.fspath(path))
        return sound(path, **named)

    monkeypatch.setattr(os, "stat", stat)
    return lambda place, code: refused.update({place.absolute(): code})


def test_what_is_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("file")
    for path, found in (
        (tmp_path, (True, False, True)),
        (tmp_path / "file", (True, True, False)),
        (tmp_path / "link", (True, True, False)),
        (tmp_path / "loop", (False, False, False)),
        (tmp_path / "nothing", (False, False, False)),
        (tmp_path / "file" / "below", (False, False, False)),
        (tmp_path / "no\0name", (False, False, False)),
    ):
        assert (exists(path), is_file(path), is_folder(path)) == found
        assert (sees(path), sees_file(path), sees_folder(path)) == found


@pytest.mark.parametrize("code", [errno.EACCES, errno.EHOSTDOWN, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG])
def test_what_nobody_tells_is_not_taken_for_absence(code: int, tmp_path: Path, refuse: Refuse) -> None:
    path = tmp_path / "file"
    path.touch()
    refuse(path, code)
    for asked in (exists, is_file, is_folder):
        with pytest.raises(UnavailableError) as raised:
            asked(path)
        assert str(raised.value) == f"cannot read {path}: {os.strerror(code)}"
    assert not any(asked(path) for asked in (sees, sees_file, sees_folder))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EHOSTDOWN])
@pytest.mark.parametrize(
    "arguments",
    [
        "classify far/night --list",
        "classify far/night",
        "classify night --out far/out",
        "report far/run",
        "report far/run --corrections far/c.csv",
        "report far/labels.csv --out here",
        "report night --out far/evaluation",
        "train far/labels.csv --out here",
        "train night --out far/training",
        "train night --out here --init far/a.safetensors",
        "ensemble --adapt {ensemble} --data night --out far/here",
        "ensemble --adapt far/ensemble --data night --out here",
        "classify night --ensemble far/ensemble",
    ],
)
def test_a_server_that_is_down_and_a_forbidden_folder_are_bad_input(
    arguments: str, code: int, command: Command, ensemble_folder: Path, refuse: Refuse
) -> None:
    write_cells(Path("night/S1"), 2)
    Path("far").mkdir()
    refuse(Path("far"), code)
    outcome = command(*(part.format(ensemble=ensemble_folder) for part in arguments.split()))
    assert outcome.code == 2
    assert os.strerror(code) in outcome.err
    assert "defect" not in outcome.err
    assert not Path("here").exists()


def test_signed_cells_where_nobody_may_look_are_bad_input(tmp_path: Path, refuse: Refuse) -> None:
    refuse(tmp_path / "signed", errno.EHOSTDOWN)
    with pytest.raises(UnavailableError, match="signed: Host is down"):
        read_signed(tmp_path / "signed", LabelRules(), False, lambda _: None)


def test_one_link_to_where_nobody_may_look_stops_no_night(tmp_path: Path, refuse: Refuse) -> None:
    write_cells(tmp_path / "in", 2)
    for name in ("favourite.jpg", "notes.txt"):
        (tmp_path / "in" / name).symlink_to("cell_000.jpg")
        refuse(tmp_path / "in" / name, errno.EACCES)
    found = survey(tmp_path / "in")
    assert [image.name for image in found.slides[0].images] == ["cell_000.jpg", "cell_001.jpg", "favourite.jpg"]
    assert found.to_record()["passed_over"]["links"]["names"] == ["notes.txt"]


def test_a_place_to_write_is_named_though_nobody_tells_what_is_there(tmp_path: Path, refuse: Refuse) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "there" / "reviews.csv")
    refuse(tmp_path / "there", errno.EIO)
    assert behind_link(tmp_path / "there" / "reviews.csv") == tmp_path / "there" / "reviews.csv"
    assert behind_link(tmp_path / "link.csv") == tmp_path / "there" / "reviews.csv"
