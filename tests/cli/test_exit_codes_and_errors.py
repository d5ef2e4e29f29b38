"""What the command says and how it ends, when asked for something it cannot do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command, write_cells
from PIL import Image

from slidescreen.cli.exit_codes import ExitCode


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("error: ")
    return lines[0]


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "DEFECT": 1,
        "BAD_INPUT": 2,
        "SOME_UNREADABLE": 3,
        "NOTHING_CLASSIFIED": 4,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", "missing"], "missing does not exist"),
        (["classify", "file.txt"], "file.txt is not a folder"),
        (["classify", "empty"], "empty holds no images"),
        (["classify", "slides", "--ensemble", "empty"], "empty is not an ensemble"),
        (["classify", "slides", "--out", "slides/out"], "--out must not lie inside slides"),
        (["classify", "slides", "--out", "file.txt"], "file.txt is a file; --out must be a folder"),
        (["classify", "slides", "--device", "tpu"], "'tpu' is not one of 'auto', 'cuda', 'cpu'"),
        (["classify", "slides", "--precision", "int4"], "--precision must be one of"),
        (["classify", "slides", "--precision", "fp32+bf16+fp32"], "is for 3 members, the ensemble has 2"),
        (["classify", "slides", "--batch-size", "0"], "Invalid value for '--batch-size'"),
        (["classify", "slides", "--colour"], "No such option: --colour"),
        (["classify"], "Missing argument"),
        (["classify", ""], "an argument is empty: is a variable of your script unset?"),
        (["classify", "slides", "--out", ""], "an argument after --out is empty"),
        (["report", "labels.csv", "--truth="], "--truth is empty"),
        (["paint"], "No such command 'paint'"),
        (["report", "missing"], "missing does not exist"),
        (["report", "labels.csv", "--truth", "x"], "--truth needs the folder of a run"),
        (["report", "labels.csv", "--split", "exam"], "'exam' is not one of 'train', 'validation', 'test'"),
        (["report", "nothing.csv"], "lacks the column file"),
        (["train", "nothing.csv"], "lacks the column file"),
        (["train", "missing.csv"], "missing.csv does not exist"),
        (
            ["train", "labels.csv", "--backbone", "resnet50"],
            "'resnet50' is not one of 'efficientnet_b1'",
        ),
        (["train", "labels.csv", "--types", "some"], "'some' is not one of 'all', 'leukocytes'"),
        (["train", "labels.csv", "--progressive", "big"], "--progressive must look like 96:4,160:2"),
        (["ensemble", "file.txt", "--data", "labels.csv", "--out", "e"], "file.txt is not a safetensors file"),
        (["ensemble", "none.safetensors", "--data", "labels.csv", "--out", "e"], "cannot read none.safetensors"),
        (["ensemble", "a", "--data", "labels.csv", "--out", "e", "-w", "1", "-w", "2"], "2 weights were given for 1"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    command: Command, arguments: list[str], message: str
) -> None:
    write_cells(Path("slides") / "S1", 1)
    Path("empty").mkdir()
    Path("file.txt").write_text("hello, I am a text")
    Path("nothing.csv").write_text("a,b\n")
    Path("labels.csv").write_text("file,label\nslides/S1/cell_000.jpg,monocyte\n")
    before = sorted(Path().rglob("*"))
    outcome = command(*arguments)
    assert outcome.code == 2
    assert message in one_line(outcome.err)
    assert outcome.out == ""
    assert sorted(Path().rglob("*")) == before


def test_a_folder_of_broken_images_exits_4_and_lists_them(command: Command) -> None:
    Path("S1").mkdir()
    Path("S1/a.jpg").write_bytes(b"no image")
    outcome = command("classify", "S1", "--out", "run", "--quiet")
    assert outcome.code == 4
    assert "none of the images" in one_line(outcome.err)
    assert "not an image" in Path("run/run.json").read_text()


def test_a_folder_that_cannot_be_written_is_one_clear_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cells(Path("S1"), 1)

    def deny(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", deny)
    outcome = command("classify", "S1", "--out", "run", "--quiet")
    assert outcome.code == 2
    assert "cannot create the folder run" in one_line(outcome.err)


def test_a_defect_is_told_from_bad_input_and_shows_its_traceback_on_request(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cells(Path("S1"), 1)

    def fail(*_: object) -> None:
        raise RuntimeError("oh no")

    monkeypatch.setattr("slidescreen.runs.night.classify_folder", fail)
    plain = command("classify", "S1", "--quiet")
    assert plain.code == 1
    assert "RuntimeError: oh no" in one_line(plain.err)
    assert "Traceback" in command("--debug", "classify", "S1", "--quiet").err


def test_help_and_usage_errors_import_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['slidescreen', *sys.argv[1:]]\n"
        "from slidescreen.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'torch', 'timm', 'torchvision', 'pandas', 'sklearn', 'scipy', 'matplotlib', 'numpy'}\n"
        "heavy &= set(sys.modules)\n"
        "print('HEAVY', sorted(heavy), code)"
    )
    usage = ["--help", "--version", "classify --help", "report --help", "train --help", "ensemble --help", "paint"]
    wrong = ["classify", "classify x --device tpu", "classify x --precision int4", "train x --balance odd"]
    wrong += ["train x --epochs 0", "ensemble x --data y --out z --rule odd", "report x --split odd"]
    for arguments in map(str.split, [*usage, *wrong]):
        ended = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        assert "HEAVY []" in ended.stdout, (arguments, ended.stdout)


def test_a_terminated_run_keeps_what_was_finished_and_goes_on(ensemble_folder: Path, tmp_path: Path) -> None:
    """A real process, a real signal: exit 143, whole files, and the same command ends as an undisturbed run."""
    import signal
    import time

    for number in range(12):
        write_cells(tmp_path / "in" / f"S{number:02d}", 6, first_seed=10 * number)
    environment = {**os.environ, "SLIDESCREEN_ENSEMBLE": str(ensemble_folder)}

    def start(out: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "slidescreen", "classify", "in", "--out", out, "--batch-size", "1", "--quiet"],
            cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    process = start("stopped")
    finished = tmp_path / "stopped" / ".finished"
    deadline = time.monotonic() + 120
    while len(list(finished.glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    assert "interrupted" in errors
    rows = (tmp_path / "stopped" / "differential.csv").read_text().splitlines()
    assert 2 <= len(rows) < 13  # the signal may come between a slide's end and its row
    for out in ("stopped", "undisturbed"):
        assert start(out).wait(timeout=120) == 0
    for name in ("cells.csv", "differential.csv"):
        stopped, undisturbed = ((tmp_path / out / name).read_bytes() for out in ("stopped", "undisturbed"))
        assert stopped == undisturbed


SLOW_TO_LEAVE = """
import atexit, os, time
from slidescreen.cli import main
def leave():
    os.write(1, b"leaving\\n")
    time.sleep(0.5)
atexit.register(leave)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_when_all_is_done_changes_no_exit_code(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SLOW_TO_LEAVE, "train", "nothing.csv", "--types", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "leaving\n"
        process.send_signal(number)
        assert process.wait() == 2


def test_gigantic_and_odd_images_are_listed_and_the_others_classified(command: Command) -> None:
    write_cells(Path("S1"), 2)
    Image.new("1", (9000, 9000)).save("S1/huge.png")
    Path("S1/empty.jpg").touch()
    outcome = command("classify", "S1", "--out", "run")
    assert outcome.code == 3
    assert "2 unreadable" in outcome.out
    assert "9000 × 9000 pixels: too large" in Path("run/run.json").read_text().encode().decode("unicode_escape")


def test_a_ctrl_break_of_windows_ends_a_run_as_a_sigterm_does(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    before = signal.getsignal(signal.SIGUSR2)
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR2, raising=False)
    try:
        assert command("--version").code == 0
        assert signal.getsignal(signal.SIGUSR2) is signal.getsignal(signal.SIGTERM) is not before
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_of_several_processes_the_first_says_what_is_wrong(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "1"), ("RANK", "0")):
        monkeypatch.setenv(name, value)
    told = [command("train", "none", "--epochs", "0"), command("train", "none", "--no-such-option")]
    monkeypatch.setenv("RANK", "1")
    untold = [command("train", "none", "--epochs", "0"), command("train", "none", "--no-such-option")]
    assert [each.code for each in (*told, *untold)] == [2, 2, 2, 2]
    assert all(each.err.startswith("error: ") for each in told)
    assert [each.err for each in untold] == ["", ""]
