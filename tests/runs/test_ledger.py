"""What a batch has finished is kept, and only that."""

import hashlib
import json
import os
import shutil
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from conftest import write_cells

from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide, discover
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles.storage import load
from slidescreen.reporting.page import render_run
from slidescreen.reporting.tables import write_cells as write_cells_table
from slidescreen.runs.ledger import Ledger
from slidescreen.screening.results import Run, SlideResult, judge
from slidescreen.screening.thresholds import Thresholds, default_thresholds


def calls_of(slide: Slide) -> tuple[Call, ...]:
    """One image classified, one unreadable, as they are now."""
    digests = [hashlib.sha256(image.path.read_bytes()).hexdigest() for image in slide.images]
    return (
        Call("cell_000.jpg", Status.CLASSIFIED, "monocyte", 0.75, "", (0.25,) * 16, digest=digests[0]),
        Call("cell_001.jpg", Status.UNREADABLE, reason="r", digest=digests[1]),
    )


@pytest.fixture
def slide(tmp_path: Path) -> Slide:
    write_cells(tmp_path / "in" / "S1", 2)
    return discover(tmp_path / "in")[0]


def ledger(
    tmp_path: Path, ensemble_folder: Path, precision: str = "fp32", thresholds: Thresholds | None = None
) -> Ledger:
    choice = EngineConfiguration("openvino", "cpu", precision)
    return Ledger(tmp_path / "out", load(ensemble_folder), choice, thresholds or default_thresholds())


def keep(book: Ledger, slide: Slide, ensemble_folder: Path) -> SlideResult:
    book.recall(slide)
    return book.keep(slide, judge(slide, calls_of(slide), load(ensemble_folder), default_thresholds()))


def test_a_finished_slide_is_recalled(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    assert ledger(tmp_path, ensemble_folder).recall(slide) is None
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    recalled = ledger(tmp_path, ensemble_folder).recall(slide)
    assert recalled is not None
    assert tuple(recalled.calls) == calls_of(slide)


def test_a_changed_slide_is_new(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    write_cells(tmp_path / "in" / "S1", 2, first_seed=50)
    assert ledger(tmp_path, ensemble_folder).recall(discover(tmp_path / "in")[0]) is None


def test_a_slide_with_one_more_image_is_new(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    write_cells(tmp_path / "in" / "S1", 3)
    assert ledger(tmp_path, ensemble_folder).recall(discover(tmp_path / "in")[0]) is None


def test_another_precision_or_ensemble_classifies_anew(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    assert ledger(tmp_path, ensemble_folder, "bf16").recall(slide) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "[\n", "[\n{},\n", '{"fingerprint": 1}'])
def test_a_damaged_record_is_no_record(slide: Slide, tmp_path: Path, ensemble_folder: Path, text: str) -> None:
    book = ledger(tmp_path, ensemble_folder)
    keep(book, slide, ensemble_folder)
    (record,) = (tmp_path / "out" / ".finished").iterdir()
    json.loads(record.read_text())
    record.write_text(text)
    assert book.recall(slide) is None


def test_damage_anywhere_in_a_record_is_noticed(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    kept = keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder).kept
    assert kept is not None
    assert kept.is_whole()
    content = kept.path.read_bytes()
    assert content.endswith(b"}\n]\n")
    for place in range(content.index(b"\n") + 1, len(content) - 3, 41):
        kept.path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert not kept.is_whole(), place
        kept.path.write_bytes(content[:place])
        assert not kept.is_whole(), place


def test_an_unchanged_slide_is_told_by_the_head_of_its_record_alone(
    slide: Slide, tmp_path: Path, ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)

    def refuse(*_: object) -> None:
        raise AssertionError("the calls of an unchanged slide were read, or it was judged once more")

    for name in (
        "slidescreen.screening.slide_record.call_of",
        "slidescreen.runs.ledger.judge",
        "slidescreen.runs.fingerprints.read_bytes",
    ):
        monkeypatch.setattr(name, refuse)
    book = ledger(tmp_path, ensemble_folder)
    recalled = book.recall(slide)
    assert recalled is not None
    write_cells_table(tmp_path / "cells.csv", [recalled], load(ensemble_folder).cell_types)
    assert "S1,cell_000.jpg,classified,monocyte,0.750000" in (tmp_path / "cells.csv").read_text()
    (other,) = book.others(())
    assert (other.slide, other.differential.images) == ("S1", 2)


def test_a_shift_of_all_times_has_images_read_once(
    slide: Slide, tmp_path: Path, ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    for image in slide.images:
        os.utime(image.path, (1e9, 1e9))
    read: list[Path] = []
    monkeypatch.setattr("slidescreen.runs.fingerprints.read_bytes", lambda path: read.append(path) or path.read_bytes())
    for _ in range(2):
        assert ledger(tmp_path, ensemble_folder).recall(slide) is not None
        assert len(read) == 2


def test_an_image_that_could_not_be_read_is_tried_again_and_again(
    slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    image = slide.images[1].path
    content = image.read_bytes()
    image.write_bytes(b"")
    calls = (calls_of(slide)[0], Call("cell_001.jpg", Status.UNREADABLE, reason="the file is empty"))
    judged = judge(slide, calls, load(ensemble_folder), default_thresholds())
    book = ledger(tmp_path, ensemble_folder)
    book.recall(slide)
    book.keep(slide, judged)
    for _ in range(2):
        os.utime(image, (1e9, 1e9))
        assert ledger(tmp_path, ensemble_folder).recall(slide) is not None
    image.write_bytes(content)
    assert ledger(tmp_path, ensemble_folder).recall(slide) is None


def test_other_thresholds_judge_an_earlier_slide_anew_once(
    slide: Slide, tmp_path: Path, ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    lenient = replace(default_thresholds(), least_leukocytes=0)
    judged: list[str] = []
    monkeypatch.setattr("slidescreen.runs.ledger.judge", lambda s, *rest: judged.append(s.name) or judge(s, *rest))
    for _ in range(2):
        recalled = ledger(tmp_path, ensemble_folder, thresholds=lenient).recall(slide)
        assert recalled is not None
        assert "too_few_cells" not in recalled.finding.flags
    assert judged == ["S1"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_another_ensemble_or_precision_found_is_not_forgotten(
    precision: str, slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    (other,) = ledger(tmp_path, ensemble_folder, precision).others(())
    assert tuple(ledger(tmp_path, ensemble_folder, precision).result(other).calls) == calls_of(slide)


def test_records_of_the_first_release_are_brought_into_todays_form(
    slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    ensemble = load(ensemble_folder)
    told = [[(m.sha256, m.weight) for m in ensemble.members], ensemble.rule, 1.0, (), 0.0]
    choice = asdict(EngineConfiguration("openvino", "cpu", "fp32"))
    old = {
        "slide": "S1",
        "folder": str(slide.folder),
        "key": hashlib.sha256(json.dumps([*told, choice]).encode()).hexdigest(),
        "calls": [asdict(call) for call in calls_of(slide)],
        "states": ["", ""],
    }
    (tmp_path / "out" / ".finished").mkdir(parents=True)
    (tmp_path / "out" / ".finished" / "anything.json").write_text(json.dumps(old))
    for _ in range(2):
        recalled = ledger(tmp_path, ensemble_folder).recall(slide)
        assert recalled is not None
        assert tuple(recalled.calls) == calls_of(slide)
    (record,) = (tmp_path / "out" / ".finished").iterdir()
    assert record.name != "anything.json"


def test_the_rows_of_another_ensembles_types_are_written_under_this_ones(
    slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    kept = keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    write_cells_table(tmp_path / "cells.csv", [kept], ("artefact", "no_such_type"))
    lines = (tmp_path / "cells.csv").read_text().splitlines()
    assert lines[0].endswith("reported_type,p_artefact,p_no_such_type,unfamiliarity")
    assert lines[1] == "S1,cell_000.jpg,classified,monocyte,0.750000,,0.250000,0.000000,"


def test_the_pictures_of_a_slide_outlive_its_images_and_not_its_record(
    slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    def page_of(result: SlideResult) -> str:
        info = {"drift": [], "counts": {}}
        return render_run(Run((result,), load(ensemble_folder).cell_types, info))

    calls = (replace(calls_of(slide)[0], cell_type="myeloblast"), calls_of(slide)[1])
    judged = judge(slide, calls, load(ensemble_folder), default_thresholds())
    book = ledger(tmp_path, ensemble_folder)
    first = page_of(book.keep(slide, judged))
    assert first.count('class="cell" src="data:image/webp') == 1
    (other,) = book.others(())
    shutil.rmtree(slide.folder)
    assert page_of(book.result(other)).count('class="cell" src="data:image/webp') == 1
    assert "picture not available" in page_of(book.keep(slide, judged))


@pytest.mark.parametrize("line", [0, 1, 2, 3])
@pytest.mark.parametrize("damage", ["flipped", "zeros", "cut"])
def test_no_damage_of_a_record_goes_unseen(
    damage: str, line: int, slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    book = ledger(tmp_path, ensemble_folder)
    keep(book, slide, ensemble_folder)
    (record,) = (tmp_path / "out" / ".finished").iterdir()
    lines = record.read_bytes().splitlines(keepends=True)
    middle = len(lines[line]) // 2
    altered = {"flipped": bytes([lines[line][middle] ^ 1]), "zeros": b"\0" * 9, "cut": b""}[damage]
    rest = b"" if damage == "cut" else lines[line][middle + len(altered) :]
    lines[line] = lines[line][:middle] + altered + rest
    record.write_bytes(b"".join(lines[: line + 1] if damage == "cut" else lines))
    assert book.recall(slide) is None
    assert book.damaged == ["S1"]
    assert [path.suffix for path in (tmp_path / "out" / ".finished").iterdir()] == [".damaged"]
    again = ledger(tmp_path, ensemble_folder)
    assert (again.recall(slide), again.damaged) == (None, [])


def test_of_a_vanished_slide_with_a_damaged_record_the_verdict_stays(
    slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    book = ledger(tmp_path, ensemble_folder)
    kept = keep(book, slide, ensemble_folder)
    (record,) = (tmp_path / "out" / ".finished").iterdir()
    head, _, calls = record.read_bytes().partition(b'{"calls"')
    record.write_bytes(head + b'{"calls"' + calls.replace(b"classified", b"Classified"))
    (other,) = book.others(())
    left = book.result(other)
    assert left.differential.leukocytes == kept.differential.leukocytes
    assert left.finding.verdict == kept.finding.verdict
    assert left.finding.reasons[-1] == "its record is damaged: its cells are not listed"
    assert list(left.calls) == []


def older(record: Path) -> None:
    """Turn a record into one of the release before: no unfamiliarity, neither in its rows nor in its calls."""
    _, head, rows, body = record.read_text().split("\n")[:4]
    told = json.loads(head.rstrip(",")) | {"format": 3}
    for name in ("compared", "unfamiliar", "strange"):
        del told["differential"][name]
    content = json.loads(body)
    for call in content["calls"]:
        del call["unfamiliarity"], call["strangeness"]
    text = json.loads(rows.rstrip(","))
    lines = [json.dumps(part) for part in (told, "".join(f"{row[:-1]}\n" for row in text.splitlines()), content)]
    checks = " ".join(f"{zlib.crc32(line.encode()):08x}" for line in lines)
    record.write_text(",\n".join([f'["{checks}"', *lines]) + "\n]\n")


@pytest.mark.parametrize("judged_anew", [False, True])
def test_a_record_of_the_release_before_is_read_and_its_rows_get_the_new_column(
    judged_anew: bool, slide: Slide, tmp_path: Path, ensemble_folder: Path
) -> None:
    keep(ledger(tmp_path, ensemble_folder), slide, ensemble_folder)
    (record,) = (tmp_path / "out" / ".finished").glob("*.json")
    older(record)
    thresholds = replace(default_thresholds(), least_leukocytes=0) if judged_anew else None
    for _ in range(2):
        recalled = ledger(tmp_path, ensemble_folder, thresholds=thresholds).recall(slide)
        assert recalled is not None
        assert tuple(recalled.calls) == calls_of(slide)
        assert recalled.differential.unfamiliar is None
        path = write_cells_table(tmp_path / "cells.csv", [recalled], load(ensemble_folder).cell_types)
        header, *rows = path.read_text().splitlines()
        assert header.endswith(",unfamiliarity")
        assert [row.count(",") for row in rows] == [header.count(",")] * 2


def test_unfamiliarity_is_kept(slide: Slide, tmp_path: Path, ensemble_folder: Path) -> None:
    first, second = calls_of(slide)
    calls = (replace(first, unfamiliarity=1.5, strangeness=0.5), second)
    book = ledger(tmp_path, ensemble_folder)
    book.keep(slide, judge(slide, calls, load(ensemble_folder), default_thresholds()))
    recalled = ledger(tmp_path, ensemble_folder).recall(slide)
    assert recalled is not None
    assert tuple(recalled.calls) == calls
    found = recalled.differential
    assert (found.compared, found.unfamiliar, found.strange, found.unfamiliar_percent) == (1, 1, 0, 100.0)
