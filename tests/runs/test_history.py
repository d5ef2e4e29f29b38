"""The history of nights: each counts once, and no spreadsheet and no damage stops it or loses what it holds."""

import csv
import io
import json
import os
import threading
import time as clock
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Command, write_cells
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slidescreen.data.calls import Call, Status
from slidescreen.errors import InputError, OutputError
from slidescreen.files import locking
from slidescreen.runs import history
from slidescreen.runs.history import History, Night, add_night, content_of, read_history
from slidescreen.screening.differential import Differential
from slidescreen.screening.finding import Finding, Verdict
from slidescreen.screening.results import SlideResult


def slide(name: str, *, first: str = "", sure: float = 0.9) -> SlideResult:
    """A slide of three cells whose images are its own; `first` is those of another slide."""
    calls = tuple(
        Call(f"{at}.jpg", Status.CLASSIFIED, "monocyte", sure, digest=f"{first or name}{at}", appearance=(200.5,) * 7)
        for at in range(3)
    )
    found = Differential(name, 3, 3, 0, 0, 0, 3, {}, {})
    return SlideResult(found, Finding(Verdict.CLEAR, (), ()), calls, Path())


def time(number: int) -> str:
    return f"2026-01-{number:02d}T02:00:00+00:00"


def added(
    path: Path, time: str, slides: Sequence[SlideResult], named: bool = False, limit: float | None = None
) -> Path | None:
    return add_night(path, Night(time, slides), named, limit)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A history of four nights of two slides each."""
    file = tmp_path / "history.csv"
    for number in range(1, 5):
        assert added(file, time(number), [slide(f"{number}a", sure=0.9 + number / 100), slide(f"{number}b")]) is None
    return file


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def others(path: Path) -> list[str]:
    """The files beside a history, except for its lock."""
    return sorted(file.name for file in path.parent.iterdir() if file not in (path, lock_of(path)))


def lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def test_the_history_reads_back_what_was_added(path: Path) -> None:
    found = read_history(path)
    assert [look.slides for look in found.profiles()] == [2] * 4
    assert [look.figures["mean_probability"] for look in found.profiles()] == [0.905, 0.91, 0.915, 0.92]
    assert {look.figures["background_red"] for look in found.profiles()} == {200.5}
    assert (found.remarks, found.spoilt) == ((), False)
    assert path.read_text().startswith("time,slides,images,background_red,")


def test_a_night_is_added_below_and_what_stands_there_is_left_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    added(path, time(9), [slide("9")])
    assert path.read_bytes().startswith(before)
    assert len(rows_of(path)) == 5


def as_saved(path: Path, separator: str, encoding: str, dialect: Callable[[str], str] = str, **options: int) -> None:
    """Save a history as a spreadsheet would."""
    text = io.StringIO()
    rows = list(csv.reader(path.read_text().splitlines()))
    csv.writer(text, delimiter=separator, **options).writerows([[dialect(value) for value in row] for row in rows])
    path.write_bytes(text.getvalue().encode(encoding))


def with_commas(value: str) -> str:
    return value.replace(".", ",").rstrip("0") if value.replace(".", "").isdigit() and "." in value else value


@pytest.mark.parametrize(
    "save",
    [
        lambda path: as_saved(path, ";", "utf-8-sig", with_commas),
        lambda path: as_saved(path, ",", "utf-8", with_commas),
        lambda path: as_saved(path, ",", "utf-8-sig"),
        lambda path: as_saved(path, "\t", "utf-16", with_commas),
        lambda path: as_saved(path, ";", "cp1252", with_commas, quoting=csv.QUOTE_ALL),
        lambda path: path.write_bytes(path.read_bytes().rstrip(b"\n")),
        lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n"),
        lambda path: path.write_text("".join(",".join(line.split(",")[::-1]) + "\n" for line in lines_of(path))),
    ],
    ids=["semicolons", "decimal commas", "mark", "utf-16 tabs", "quotes", "no last newline", "crlf", "reordered"],
)
def test_what_a_spreadsheet_saved_is_read_and_written_as_before(save: Callable[[Path], None], path: Path) -> None:
    looks, before = read_history(path).profiles(), path.read_bytes()
    save(path)
    assert read_history(path).profiles() == looks
    assert not read_history(path).spoilt
    assert added(path, time(9), [slide("9")]) is None
    assert path.read_bytes().startswith(before)
    assert len(rows_of(path)) == 5
    assert others(path) == []


def test_columns_of_the_laboratorys_own_stay(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([f"{lines[0]},remark", f"{lines[1]},new lamp", *(f"{line}," for line in lines[2:])]) + "\n"
    )
    added(path, time(9), [slide("9")])
    assert [row["remark"] for row in rows_of(path)] == ["new lamp", "", "", "", ""]


def test_a_history_from_before_slides_were_recognised_is_carried_on(path: Path) -> None:
    path.write_text("".join(line.rsplit(",", 3)[0] + "\n" for line in path.open()))
    assert len(read_history(path).profiles()) == 4
    assert added(path, time(9), [slide("9")]) is None
    assert [bool(row["content"]) for row in rows_of(path)] == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        (lambda text: text[:-40], 3),  # the last line was cut off
        (lambda text: text.replace("200.5000", "much", 1), 3),
        (lambda text: text.replace("200.5000", "2005000", 1), 3),  # a decimal point that was taken for thousands
        (lambda text: text.replace("0.9100", "-1", 1), 3),
        (lambda text: text.replace("+00:00,2,", "+00:00,,", 2), 2),
        (lambda text: text + text, 8),  # two histories in one, the header among the rows
    ],
)
def test_rows_that_can_be_read_are_kept_and_the_damaged_file_too(
    spoil: Callable[[str], str], left: int, path: Path
) -> None:
    damaged = spoil(path.read_text())
    path.write_text(damaged)
    found = read_history(path)
    assert len(found.profiles()) == left
    assert "can be read" in found.remarks[0] or "cannot read" in found.remarks[0]
    kept = added(path, time(9), [slide("9")])
    assert kept == path.with_name("history.set-aside-1.csv")
    assert kept.read_text() == damaged
    assert len(rows_of(path)) == left + 1
    assert read_history(path).remarks == ()


RUBBISH = [b"\x00\xff\xfe\x80" * 300, b"PK\x03\x04 a workbook", b"name,born\nDoe,1970\n", b"<html>", b'"never closed']


@pytest.mark.parametrize("content", RUBBISH)
def test_what_is_no_history_is_set_aside_in_a_runs_own_folder(content: bytes, path: Path) -> None:
    for number in (1, 2):
        path.write_bytes(content)
        assert read_history(path).profiles() == []
        assert "is not a history of slidescreen" in read_history(path).remarks[0]
        kept = added(path, time(9), [slide("9")])
        assert kept == path.with_name(f"history.set-aside-{number}.csv")
        assert kept.read_bytes() == content
        assert len(rows_of(path)) == 1


@pytest.mark.parametrize("content", RUBBISH)
def test_what_is_no_history_but_was_named_as_one_stays_as_it_is(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    for attempt in (lambda: read_history(path, named=True), lambda: added(path, time(9), [slide("9")], named=True)):
        with pytest.raises(InputError, match="is not a history of slidescreen and was not changed"):
            attempt()
    assert path.read_bytes() == content
    assert others(path) == []


def test_a_named_history_that_is_damaged_is_known_by_what_is_left_of_it(path: Path) -> None:
    damaged = path.read_bytes()[:900] + b"\x00" * 500
    path.write_bytes(damaged)
    kept = added(path, time(9), [slide("9")], named=True)
    assert kept is not None
    assert kept.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\x00" * 4096, b" \r\n"])
def test_an_emptied_history_is_begun_anew(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    assert "is empty" in read_history(path, named=True).remarks[0]
    assert added(path, time(9), [slide("9")], named=True) is None
    assert len(rows_of(path)) == 1
    assert others(path) == []


def test_a_folder_in_its_place_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    (path / "notes").mkdir(parents=True)
    assert added(path, time(9), [slide("9")]) == tmp_path / "history.set-aside-1.csv"
    assert (tmp_path / "history.set-aside-1.csv" / "notes").is_dir()
    assert len(rows_of(path)) == 1


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_in_its_place_is_neither_read_nor_replaced(kind: str, named: bool, tmp_path: Path) -> None:
    """Reading them may never end, and as root a run could replace the system's own."""
    place = tmp_path / "history.csv"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(os.devnull)
    if named:
        with pytest.raises(InputError, match="is not a history of slidescreen and was not changed"):
            added(place, time(9), [slide("9")], named=True)
        assert not place.is_file()
        assert place.exists()
    else:
        assert added(place, time(9), [slide("9")]) == tmp_path / "history.set-aside-1.csv"
        assert len(rows_of(place)) == 1
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("state", ["whole", "damaged", "new"])
def test_a_link_to_a_shared_history_stays_and_the_shared_file_gets_the_row(
    state: str, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    link = tmp_path / "own" / "history.csv"
    link.symlink_to(Path("..") / path.name)
    before = [] if state == "new" else rows_of(path)
    if state == "new":
        path.unlink()
    elif state == "damaged":
        path.write_bytes(path.read_bytes() + b"?,?")
    kept = added(link, time(9), [slide("9")], named=True)
    assert link.is_symlink()
    assert rows_of(link) == rows_of(path)
    assert rows_of(path)[:-1] == before
    assert kept == (tmp_path / "history.set-aside-1.csv" if state == "damaged" else None)
    assert list(link.parent.iterdir()) == [link]


@pytest.fixture(params=["locks", "no locks"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no locks":
        monkeypatch.setattr(locking, "_lock", lambda _: None)
        monkeypatch.setattr(locking, "_BEAT", 0.04)


@pytest.mark.usefixtures("file_system")
def test_two_nights_that_end_together_both_have_a_row(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    together = threading.Barrier(2)

    def slow(*given: Path | bool) -> History:
        found = read_history(*given)  # type: ignore[arg-type]
        clock.sleep(0.3)
        return found

    def end(place: Path, number: int) -> None:
        together.wait()
        added(place, time(number), [slide(str(number))], limit=30)

    monkeypatch.setattr(history, "read_history", slow)
    with ThreadPoolExecutor() as pool:
        list(pool.map(end, [path, link], [8, 9]))
    assert sorted(row["time"] for row in rows_of(path)) == [time(number) for number in (1, 2, 3, 4, 8, 9)]
    assert others(path) == [link.name]
    added(path, time(10), [slide("10")], limit=30)
    assert len(rows_of(path)) == 7


@pytest.mark.usefixtures("file_system")
def test_a_history_that_another_night_holds_is_left_and_told(path: Path) -> None:
    before = path.read_bytes()
    with locking.in_turn(path, 1), pytest.raises(OutputError, match=f"is in use by process {os.getpid()} on "):
        added(path, time(9), [slide("9")], limit=0.5)
    assert path.read_bytes() == before
    added(path, time(9), [slide("9")], limit=0.5)
    assert len(rows_of(path)) == 5


def test_a_link_to_a_folder_that_is_gone_stays_and_is_told(tmp_path: Path) -> None:
    link = tmp_path / "history.csv"
    link.symlink_to(tmp_path / "share" / "history.csv")
    with pytest.raises(OutputError, match=r"cannot write .*share/history\.csv: No such file"):
        added(link, time(9), [slide("9")])
    assert link.is_symlink()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.floats(0, 1), length=st.integers(0, 300), put=st.binary(max_size=300))
def test_whatever_damages_a_history_it_is_carried_on_and_nothing_is_lost(
    start: float, length: int, put: bytes, path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = path.read_bytes()
    at = int(start * len(whole))
    damaged = whole[:at] + put + whole[at + length :]
    copy = tmp_path_factory.mktemp("damaged") / "history.csv"
    copy.write_bytes(damaged)
    found = read_history(copy)
    kept = added(copy, time(9), [slide("9")])
    assert (kept is not None) == found.spoilt
    assert kept is None or kept.read_bytes() == damaged
    assert read_history(copy).remarks == ()
    assert read_history(copy).profiles()[:-1] == found.profiles()


def counted(path: Path) -> list[tuple[str, str]]:
    return [(row["time"][8:10], row["slides"]) for row in rows_of(path)]


def test_the_same_slides_are_one_night_under_whatever_names(path: Path) -> None:
    again = [slide("copy of 2b", first="2b"), slide("2a", sure=0.5)]
    added(path, time(9), again)
    assert counted(path) == [("01", "2"), ("09", "2"), ("03", "2"), ("04", "2")]
    assert rows_of(path)[1]["mean_probability"] == "0.7000"
    assert [look.figures["mean_probability"] for look in read_history(path).profiles(but=content_of(again))] == [
        0.905, 0.915, 0.92
    ]  # fmt: skip


def test_a_slide_counts_once_among_others_too(path: Path) -> None:
    added(path, time(9), [slide("4b"), slide("9"), slide("1a")])
    assert counted(path)[-1] == ("09", "1")
    before = path.read_bytes()
    added(path, time(10), [slide("4b"), slide("1a"), slide("2a")])
    assert path.read_bytes() == before


def test_a_slide_is_another_when_an_image_is_missing() -> None:
    whole = slide("1a")
    assert content_of([replace(whole, calls=whole.calls[1:])]) != content_of([whole])


def test_no_spreadsheet_takes_a_slides_name_in_the_history_for_a_number_or_a_date() -> None:
    for number in range(200):
        name = content_of([slide(str(number))])
        assert len(name) == 10
        assert set(name) <= set("ghijklmnopqrstuv")


def test_a_row_of_very_many_slides_fits_a_cell_of_a_spreadsheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert history._MOST_SLIDES_NAMED * 11 < 32_767
    monkeypatch.setattr(history, "_MOST_SLIDES_NAMED", 5)
    path, many = tmp_path / "history.csv", [slide(str(number)) for number in range(12)]
    for number in (1, 2):
        added(path, time(number), many)
        assert counted(path) == [(f"0{number}", "12")]


def warnings(out: str = "run") -> list[str]:
    return list(json.loads(Path(out, "run.json").read_text())["warnings"])


@pytest.mark.parametrize("damage", [b"\x00\x01 rubbish", b"time,slides,images,background_red\nx,1,1,much\n"])
def test_a_damaged_history_costs_no_night(damage: bytes, command: Command) -> None:
    write_cells(Path("night/S0"), 3)
    Path("run").mkdir()
    Path("run/history.csv").write_bytes(damage)
    outcome = command("classify", "night", "--out", "run", "--log-file", "log")
    assert outcome.code == 0
    assert len(rows_of(Path("run/history.csv"))) == 1
    assert Path("run/history.set-aside-1.csv").read_bytes() == damage
    assert len(warnings()) == 2
    for warning in warnings():
        assert f"warning: {warning}\n" in outcome.err
        assert json.dumps(warning) in Path("log").read_text()


def test_a_file_that_was_named_by_mistake_costs_no_night_and_is_left_alone(command: Command) -> None:
    write_cells(Path("night/S"), 2)
    Path("patients.csv").write_text("name,born\nDoe,1970\n")
    outcome = command("classify", "night", "--out", "run", "--history", "patients.csv")
    assert outcome.code == 3
    assert outcome.err.count("patients.csv is not a history of slidescreen and was not changed") == 1
    assert Path("patients.csv").read_text() == "name,born\nDoe,1970\n"
    assert Path("run/cells.csv").exists()
    assert json.loads(Path("run/run.json").read_text())["unwritten_files"] == ["patients.csv"]


def test_a_night_counts_once_however_often_it_is_done(command: Command) -> None:
    write_cells(Path("night/S0"), 2)
    write_cells(Path("night/S1"), 2, first_seed=10)

    def nights(*options: str) -> list[str]:
        assert command("classify", "night", "--out", "run", "--history", "lab.csv", *options).code == 0
        return [row["slides"] for row in rows_of(Path("lab.csv"))]

    assert nights() == ["2"]
    assert nights("--force") == ["2"]
    write_cells(Path("night/S2"), 2, first_seed=20)
    assert nights() == ["2", "1"]
    assert nights("--force") == ["2", "1"]


def test_an_interrupted_nights_slides_are_counted_when_it_goes_on(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_cells(Path(f"night/S{number}"), 2, first_seed=10 * number)
    from slidescreen.ensembles.pipeline import Pipeline

    run, stopping = Pipeline.run, [True]

    def interrupted(self: Pipeline, slides: Iterable[object], *given: object) -> Iterable[object]:
        for number, found in enumerate(run(self, slides, *given)):  # type: ignore[arg-type]
            if number == 1 and stopping.pop():
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(Pipeline, "run", interrupted)
    assert command("classify", "night", "--out", "run").code == 130
    monkeypatch.setattr(Pipeline, "run", run)
    assert command("classify", "night", "--out", "run").code == 0
    assert [row["slides"] for row in rows_of(Path("run/history.csv"))] == ["3"]


class SlowCalls(tuple[Call, ...]):
    """Calls of an earlier slide, whose record is long to read."""

    def __iter__(self) -> Iterator[Call]:
        clock.sleep(0.2)
        return super().__iter__()


def test_the_time_for_reading_the_slides_is_not_the_history_s(tmp_path: Path) -> None:
    slow = replace(slide("a"), calls=SlowCalls(slide("a").calls))
    added(tmp_path / "history.csv", time(1), [slow], limit=0.1)
    assert rows_of(tmp_path / "history.csv")[0]["content"] == content_of([slide("a")])


@pytest.mark.parametrize("function", ["read_history", "write_text"])
def test_a_history_that_does_not_answer_in_time_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    monkeypatch.setattr(history, function, lambda *_, **__: clock.sleep(5))
    with pytest.raises(OutputError, match=r"does not answer within 0\.1 s"):
        added(path, time(9), [slide("9")], limit=0.1)


def test_a_nights_calls_are_read_once_to_know_it_again_and_once_for_its_figures(path: Path) -> None:
    read = []

    class Calls(tuple[Call, ...]):
        def __iter__(self) -> Iterator[Call]:
            read.append(1)
            return super().__iter__()

    night = Night(time(9), [replace(slide("9"), calls=Calls(slide("9").calls))])
    seen = read_history(path)
    assert len(seen.profiles(but=night.content)) == 4
    assert night.profile.slides == 1
    assert seen.with_night(night).rows[-1]["images"] == "3"
    assert add_night(path, night) is None
    assert rows_of(path)[-1]["content"] == night.content == content_of([slide("9")])
    assert len(read) == 2
