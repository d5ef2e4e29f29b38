"""What is printed, whatever becomes of the place it is printed to."""

import errno
import io
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import write_cells
from rich.cells import cell_len, chop_cells
from rich.table import Table

from slidescreen import output

NAME = "Жук – ümlaut 日本語 ▲ \udcff"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.fixture
def standard_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Lets standard output lead to a file descriptor."""
    opened: list[int] = []

    def lead_to(descriptor: int, encoding: str = "utf-8") -> None:
        opened.append(descriptor)
        stream = io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), encoding)
        monkeypatch.setattr("sys.stdout", stream)

    yield lead_to
    monkeypatch.undo()
    for descriptor in opened:
        os.close(descriptor)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "cp037", "koi8-r", "utf-8", "utf-16"])
def test_no_letter_is_too_much_for_a_terminal(
    encoding: str, tmp_path: Path, standard_output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    written = tmp_path / "out"
    standard_output(os.open(written, os.O_WRONLY | os.O_CREAT), encoding)
    table = Table("slide", "why", box=None)
    table.add_row(NAME, "three words of reason, which take more than the line that there is for them")
    with output.unbreakable():
        output.echo(NAME)
        output.console().print(table)
        assert output.problems() == []
    plain, *lines = written.read_bytes().decode(encoding).splitlines()
    assert plain == NAME.encode(encoding, "slidescreen.spell").decode(encoding)
    assert max(map(cell_len, lines)) <= 60
    why = cell_len(lines[0][: lines[0].index("why")])
    assert all(chop_cells(line.ljust(60), why)[0].endswith(" ") for line in lines)
    assert plain.split()[0] in "".join(line.split()[0] for line in lines[1:])


def test_signs_become_letters_and_other_letters_their_numbers() -> None:
    spelt = NAME.encode("ascii", "slidescreen.spell").decode()
    assert spelt == "\\u0416\\u0443\\u043a - \\xfcmlaut \\u65e5\\u672c\\u8a9e !! \\udcff"


def test_a_reader_that_went_away_is_no_problem(standard_output: Callable[..., None]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    standard_output(writing)
    with output.unbreakable():
        output.echo("nobody listens")
        assert output.problems() == []
    assert not sys.stdout.closed


@FULL
def test_what_a_full_disk_did_not_take_is_told(standard_output: Callable[..., None]) -> None:
    standard_output(os.open("/dev/full", os.O_WRONLY))
    with output.unbreakable():
        for _ in range(3):
            output.echo("x" * 100_000)
        assert output.problems() == ["standard output could not be written: No space left on device"]


class OnABadDisk(io.FileIO):
    def write(self, data: object) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_a_file_on_a_bad_disk_is_no_reader_that_went_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(OnABadDisk(tmp_path / "out", "w"), "utf-8")
    monkeypatch.setattr("sys.stdout", stream)
    with output.unbreakable():
        output.echo("lost")
        assert output.problems() == ["standard output could not be written: Input/output error"]


def test_a_slow_reader_of_a_pipe_that_does_not_block_gets_all(standard_output: Callable[..., None]) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    standard_output(writing)
    received: list[bytes] = []

    def read() -> None:
        time.sleep(0.2)
        with os.fdopen(reading, "rb") as file:
            received.extend(iter(lambda: file.read1(50_000), b"\n"))

    reader = threading.Thread(target=read)
    reader.start()
    with output.unbreakable():
        output.echo("x" * 300_000)
        sys.stdout.flush()
        time.sleep(0.1)
        output.echo("")
    reader.join(10)
    assert b"".join(received).strip() == b"x" * 300_000


def test_text_in_memory_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr("sys.stdout", text)
    with output.unbreakable():
        output.echo(NAME)
    assert text.getvalue() == f"{NAME}\n"


def in_shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which `$SLIDESCREEN` is the command."""
    known = {**os.environ, **environment, "SLIDESCREEN": f"{sys.executable} -m slidescreen"}
    return subprocess.run(["bash", "-c", line], env=known, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(streams: str, tmp_path: Path) -> None:
    code = f"""
from slidescreen import output
with output.unbreakable():
    file = open({str(tmp_path / "table")!r}, "w")
    print("to nowhere"); output.say("warning", "to nowhere")
    file.write(str(file.fileno()))
"""
    assert in_shell(f"{sys.executable} -c '{code.replace(chr(39), chr(34))}' {streams}").returncode == 0
    assert int((tmp_path / "table").read_text()) > 2


@pytest.mark.parametrize("arguments", ["--help", "train --help", "--version", "", "paint"])
def test_a_command_ends_as_ever_where_nobody_listens(arguments: str) -> None:
    usual = in_shell(f"$SLIDESCREEN {arguments}")
    for streams in (">&-", "2>&1 | true; exit ${PIPESTATUS[0]}"):
        ended = in_shell(f"$SLIDESCREEN {arguments} {streams}")
        assert ended.returncode == usual.returncode
        assert ended.stderr in (usual.stderr, "")


@FULL
def test_a_version_that_does_not_fit_the_disk_is_told() -> None:
    ended = in_shell("$SLIDESCREEN --version > /dev/full")
    assert ended.returncode == 3
    assert ended.stderr == "warning: standard output could not be written: No space left on device\n"


WHOLE = {"cells.csv", "differential.csv", "report.html", "run.json", "status.json", "history.csv"}


@pytest.fixture
def small_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ensemble_folder: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        write_cells(Path(f"night/S{number}"), 3, first_seed=10 * number)
    monkeypatch.setenv("SLIDESCREEN_ENSEMBLE", str(ensemble_folder))


@pytest.mark.usefixtures("small_night")
@pytest.mark.parametrize(
    "streams", ["--format json | true; exit ${PIPESTATUS[0]}", "2>&1 | head -1; exit ${PIPESTATUS[0]}", ">&- 2>&-"]
)
def test_a_night_is_written_though_nobody_listens(streams: str) -> None:
    ended = in_shell(f"$SLIDESCREEN classify night --out run {streams}")
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "ignored" not in ended.stderr
    assert {path.name for path in Path("run").glob("[!.]*")} == WHOLE


@pytest.mark.usefixtures("small_night")
def test_a_night_goes_on_when_its_terminal_goes_away() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "slidescreen", "classify", "night", "--out", "run"])
    while not Path("run/status.json").exists():
        time.sleep(0.01)
    os.close(terminal)  # the system sends SIGHUP, and every write fails from here on
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert {path.name for path in Path("run").glob("[!.]*")} == WHOLE
