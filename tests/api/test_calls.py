"""`slidescreen.classify` and `read_run`: the same as the commands, in a process that is somebody else's."""

import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import Command, write_cells

import slidescreen
from slidescreen.cells import LEUKOCYTES
from slidescreen.cli.classify import classify as command_classify

ROOT = Path(__file__).parents[2]
SCRIPT = """
import slidescreen
print("begun")
run = slidescreen.classify("night", "run", workers=2)
print(len(run.slides), run.flawless)
"""


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ensemble_folder: Path) -> Path:
    """Two slides of six cells in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIDESCREEN_ENSEMBLE", str(ensemble_folder))
    for number in range(2):
        write_cells(Path("night") / f"S{number}", 6, first_seed=10 * number)
    return Path("night")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, slidescreen\n"
        "dir(slidescreen), slidescreen.SlidescreenError, slidescreen.__version__\n"
        "heavy = {'torch', 'timm', 'openvino', 'pandas', 'numpy', 'scipy', 'PIL', 'rich', 'typer'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_classifying_and_reading_import_no_torch_nor_pandas_of_themselves() -> None:
    code = (
        "import sys, slidescreen\n"
        "slidescreen.classify, slidescreen.read_run\n"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_each_public_name_is_there_and_no_other() -> None:
    for name in slidescreen.__all__:
        assert getattr(slidescreen, name) is not None
        assert name in dir(slidescreen)
    with pytest.raises(AttributeError, match="no attribute 'clasify'"):
        slidescreen.clasify  # type: ignore[attr-defined]  # noqa: B018


def test_the_call_has_the_options_of_the_command_with_the_same_defaults() -> None:
    of_call = inspect.signature(slidescreen.classify).parameters
    of_command = inspect.signature(command_classify).parameters
    shown = {"list_only", "verbose", "quiet", "output", "context"}
    assert {*of_call} - {"progress"} == {*of_command} - shown
    for name, parameter in of_call.items():
        if name != "progress":
            assert parameter.default == of_command[name].default, name


def test_the_call_writes_what_the_command_writes(
    command: Command, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = slidescreen.classify(night, "by_call")
    assert command("classify", "night", "--out", "by_command", "--quiet").code == 0
    assert run.folder == Path("by_call")
    for name in ("cells.csv", "differential.csv"):
        assert Path("by_call", name).read_bytes() == Path("by_command", name).read_bytes()
    assert run.report.is_file()


def test_results_lie_where_the_command_puts_them(night: Path) -> None:
    assert slidescreen.classify(str(night)).folder == Path("slidescreen-out/night")


def test_a_run_is_read_back_as_it_was_returned(night: Path) -> None:
    made = slidescreen.classify(night, "run")
    read = slidescreen.read_run("run")
    assert read.verdicts == made.verdicts
    assert [slide.name for slide in read.slides] == [slide.name for slide in made.slides]
    assert read.info == made.info
    assert read.cells().equals(made.cells())
    assert read.differentials().equals(made.differentials())
    for slide in read.slides:
        assert (slide.flags, slide.reasons) == (made.slide(slide.name).flags, made.slide(slide.name).reasons)
        assert len(slide.cells()) == slide.images == 6
        assert slide.leukocytes == sum(slide.shares[name].count for name in LEUKOCYTES)


def test_progress_is_told_to_a_function(night: Path) -> None:
    told: list[tuple[int, int]] = []
    slidescreen.classify(night, "run", progress=lambda done, images: told.append((done, images)))
    assert told[0] == (0, 12)
    assert told[-1] == (12, 12)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_nothing_is_printed_unless_asked_for(night: Path, capfd: pytest.CaptureFixture[str]) -> None:
    slidescreen.classify(night, "run")
    assert capfd.readouterr() == ("", "")
    slidescreen.classify(night, "run", force=True, progress=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "cells" in printed.err


def test_what_is_wrong_goes_to_the_log(night: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path("logs").mkdir()
    with caplog.at_level(logging.WARNING, "slidescreen"):
        run = slidescreen.classify(night, "run", log_file="logs")  # a folder is no log file
    assert ["cannot write logs" in message for message in caplog.messages] == [True]
    assert run.info["warnings"] == caplog.messages
    assert not run.flawless


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "missing"}, "missing does not exist"),
        ({"ensemble": "night"}, "night is not an ensemble"),
        ({"device": "tpu"}, "--device must be one of auto, cuda, cpu"),
        ({"out": "night/out"}, "--out must not lie inside night"),
        ({"thresholds": "none.toml"}, "cannot read none.toml"),
        ({"threads": 0}, "--threads must be a whole number from 1 to 1024, not 0"),
        ({"threads": 1025}, "--threads must be a whole number from 1 to 1024, not 1025"),
        ({"batch_size": 2.5}, "--batch-size must be a whole number from 1 on, not 2.5"),
        ({"workers": -1}, "--workers must be a whole number from 1 to 1024, not -1"),
        ({"workers": 10**7}, "--workers must be a whole number from 1 to 1024, not 10000000"),
        ({"slide_depth": -1}, "--slide-depth must be a whole number from 0 on, not -1"),
        ({"settle": float("nan")}, "--settle must be a number from 0 on, not nan"),
        ({"keep": "30"}, "--keep must be a number from 0 on, not '30'"),
        ({"image_timeout": float("inf")}, "--image-timeout must be a number from 0.1 to 1000000, not inf"),
        ({"image_timeout": 1e10}, "--image-timeout must be a number from 0.1 to 1000000, not 10000000000.0"),
        *(
            ({name: ""}, f"{name} is empty: is a variable of your script unset?")
            for name in ("path", "out", "ensemble", "thresholds", "log_file", "history", "orders", "codes")
        ),
        ({"export": ","}, "--export must be one of fhir, hl7, not ''"),
    ],
)
def test_bad_input_is_our_error_and_nothing_is_written(night: Path, options: dict[str, object], message: str) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(slidescreen.InputError) as error:
        slidescreen.classify(**{"path": night, **options})  # type: ignore[arg-type]
    assert message in str(error.value)
    assert sorted(Path().rglob("*")) == before


def test_images_that_cannot_be_read_are_told_and_nothing_readable_is_an_error(night: Path) -> None:
    (night / "S0" / "broken.jpg").write_bytes(b"no image")
    run = slidescreen.classify(night, "run")
    assert not run.flawless
    assert [(slide, image) for slide, image, _ in run.failures] == [("S0", "broken.jpg")]
    Path("dark").mkdir()
    Path("dark/a.jpg").write_bytes(b"no image")
    with pytest.raises(slidescreen.NothingClassifiedError, match="none of the images"):
        slidescreen.classify("dark", "dark_run")
    assert slidescreen.read_run("dark_run").verdicts == {"dark": "insufficient"}


def test_a_slide_that_is_not_there_is_our_error(night: Path) -> None:
    run = slidescreen.classify(night, "run")
    with pytest.raises(slidescreen.InputError, match="the run has no slide S9"):
        run.slide("S9")
    with pytest.raises(slidescreen.InputError, match=r"cannot read nowhere/run\.json"):
        slidescreen.read_run("nowhere")
    with pytest.raises(slidescreen.InputError, match="folder is empty"):
        slidescreen.read_run("")


def test_an_interrupt_keeps_what_is_finished_and_the_same_call_goes_on(night: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        slidescreen.classify(night, "run", batch_size=2, progress=stop)
    assert slidescreen.read_run("run").info["unfinished_slides"] == ["S1"]
    told: list[int] = []
    run = slidescreen.classify(night, "run", progress=lambda _, images: told.append(images))
    assert told[-1] == 6  # those of the other slide
    assert {*run.verdicts} == {"S0", "S1"}


def test_it_can_be_called_in_a_thread_and_leaves_signals_threads_and_processes_as_they_were(night: Path) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    slidescreen.classify(night, "run")
    before, found = threading.active_count(), []
    thread = threading.Thread(target=lambda: found.append(slidescreen.classify(night, "run", force=True)))
    thread.start()
    thread.join(60)
    assert {*found[0].verdicts} == {"S0", "S1"}
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    for _ in range(100):
        if threading.active_count() <= before:
            break
        threading.Event().wait(0.05)
    assert threading.active_count() <= before


@pytest.mark.usefixtures("night")
def test_a_script_without_a_main_guard_runs_once(ensemble_folder: Path) -> None:
    """Its decoders are processes of their own, which import the package and not the script."""
    Path("script.py").write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "script.py"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SLIDESCREEN_ENSEMBLE": str(ensemble_folder)},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "begun\n2 True\n", "")
