"""Evaluations of slides whose files hold other pictures by now: an analyser uses names of folders and files again."""

import hashlib
import json
from pathlib import Path

import pytest
from conftest import Command, draw_cell
from test_matching import left, scored
from test_mixed_runs import put

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.label_options import LabelOptions
from slidescreen.errors import InputError
from slidescreen.evaluation.run_truth import of_run
from slidescreen.reporting.thumbnails import thumbnail
from slidescreen.runs.archive import read_archive

TYPES = cells.LEUKOCYTES


def export(tmp_path: Path, seed: int) -> list[str]:
    """Slide A as the analyser exports it, with three new pictures. Returns the SHA-256 of each."""
    found = []
    for number in range(3):
        path = tmp_path / "export" / "A" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_cell(seed + number).save(path)
        found.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def archived(tmp_path: Path, digests: list[str], day: int = 1) -> None:
    """Archive slide A as it was when its pictures had these SHA-256. Each was reported, and called, a monocyte."""
    sure = tuple(float(name == "monocyte") for name in TYPES)
    calls = [
        Call(f"{number}.jpg", Status.CLASSIFIED, "monocyte", 1.0, "monocyte", sure, digest=digest)
        for number, digest in enumerate(digests)
    ]
    put(tmp_path / "run", "A", TYPES, calls, "export", day)


def test_two_archived_slides_of_one_folder_are_six_different_cells(tmp_path: Path) -> None:
    for day in (1, 2):
        archived(tmp_path, export(tmp_path, 10 * day), day)
    export(tmp_path, 30)
    found = of_run(read_archive(tmp_path / "run" / "archive"), "reported", LabelOptions())
    assert len(found.truth) == len(set(found.contents)) == 6
    assert not found.unscored


def test_one_picture_in_two_archived_slides_is_refused(tmp_path: Path) -> None:
    """Whatever lies in the folder now."""
    first = export(tmp_path, 10)
    archived(tmp_path, first, 1)
    archived(tmp_path, [*export(tmp_path, 20)[:2], first[2]], 2)
    archive = read_archive(tmp_path / "run" / "archive")
    with pytest.raises(InputError, match=r"listed twice: A(| .*)/2.jpg and A(| .*)/2.jpg; remove one"):
        of_run(archive, "reported", LabelOptions())
    found = of_run(archive, "reported", LabelOptions(drop_duplicates=True))
    assert len(found.truth) == 5
    assert left(found)["copies"][0] == 1


def test_without_its_picture_in_the_record_an_image_is_known_by_its_file(tmp_path: Path) -> None:
    """Records of early releases may lack it. Two files of one content are one image."""
    one, other, _ = export(tmp_path, 10)
    folder = tmp_path / "export" / "A"
    (folder / "2.jpg").write_bytes((folder / "0.jpg").read_bytes())
    archived(tmp_path, ["", other, ""])
    archive = read_archive(tmp_path / "run" / "archive")
    with pytest.raises(InputError, match=r"the same image is listed twice: A/0.jpg and A/2.jpg"):
        of_run(archive, "reported", LabelOptions())
    archived(tmp_path, [one, other, ""])
    with pytest.raises(InputError, match=r"the same image is listed twice: A/0.jpg and A/2.jpg"):
        of_run(read_archive(tmp_path / "run" / "archive"), "reported", LabelOptions())


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("export/A/{}.jpg", "other_picture"),
        ("{root}/export/A/{}.jpg", "other_picture"),
        ("new/A/{}.jpg", "no_image"),  # elsewhere, the content alone tells
    ],
)
def test_labels_of_new_pictures_are_not_those_of_the_earlier_ones(tmp_path: Path, place: str, why: str) -> None:
    earlier = export(tmp_path, 10)
    kept = (tmp_path / "export" / "A" / "1.jpg").read_bytes()
    archived(tmp_path, earlier)
    export(tmp_path, 20)
    (tmp_path / "export" / "A" / "1.jpg").write_bytes(kept)  # this one did not change
    if place.startswith("new"):
        (tmp_path / "export").rename(tmp_path / "new")
    table = tmp_path / "labels.csv"
    rows = (f"{place.format(number, root=tmp_path)},basophil\n" for number in range(3))
    table.write_text("file,label\n" + "".join(rows))
    found = of_run(read_archive(tmp_path / "run" / "archive"), table, LabelOptions())
    assert scored(found) == {"A/1.jpg": "basophil"}
    assert left(found)[why][0] == 2


def test_the_page_of_disagreements_shows_the_pictures_that_were_classified_or_none(
    command: Command, tmp_path: Path
) -> None:
    """Of three cells, one file holds another picture now, and one picture is kept with the record."""
    earlier = export(tmp_path, 10)
    archived(tmp_path, earlier)
    export(tmp_path, 20)
    for number in (0, 2):
        draw_cell(10 + number).save(tmp_path / "export" / "A" / f"{number}.jpg")
    record = next((tmp_path / "run" / "archive").rglob("*.json"))
    record.with_suffix(".pictures").write_text(json.dumps({"0.jpg": "data:image/webp;base64,S0VQVA=="}))
    table = tmp_path / "elsewhere" / "labels.csv"
    table.parent.mkdir()
    table.write_text("file,label,slide\n" + "".join(f"{number}.jpg,basophil,A\n" for number in range(3)))
    outcome = command("report", tmp_path / "run" / "archive", "--truth", table, "--out", tmp_path / "page")
    assert outcome.code == 0, outcome.err
    text = (tmp_path / "page" / "disagreements.html").read_text()
    assert text.count("data:image/webp;base64,S0VQVA==") == 1
    assert thumbnail(tmp_path / "export" / "A" / "2.jpg") in text
    assert thumbnail(tmp_path / "export" / "A" / "1.jpg") not in text
    assert thumbnail(tmp_path / "export" / "A" / "0.jpg") not in text
    assert all(digest[:12] in text for digest in earlier)
