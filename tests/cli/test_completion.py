"""Shell completion: what a shell asks, answered at once, by what the options really are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
sys.argv[0] = "slidescreen"
from slidescreen.cli import main
try:
    main()
finally:
    heavy = {"torch", "numpy", "openvino", "PIL"} & set(sys.modules)
    assert not heavy, heavy
"""


def asked(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def completed(words: str) -> list[str]:
    """What bash is offered for the last word."""
    found = asked({"_SLIDESCREEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))})
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("slidescreen cl", ["classify"]),
        ("slidescreen classify --prec", ["--precision"]),
        ("slidescreen classify --device ", ["auto", "cuda", "cpu"]),
        ("slidescreen classify --precision fp32+b", ["fp32+bf16"]),
        ("slidescreen train --balance s", ["sampler"]),
        ("slidescreen classify 'unclosed", []),
    ],
)
def test_commands_options_and_values_are_completed(words: str, offered: list[str]) -> None:
    assert completed(words) == offered


def test_a_question_that_makes_no_sense_is_no_message_on_the_users_line() -> None:
    found = asked({"_SLIDESCREEN_COMPLETE": "complete_bash"})
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "")


def test_it_is_installed_for_bash(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    found = asked(home, "--install-completion", "bash")
    assert found.returncode == 0, found.stderr
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert str(script) in (tmp_path / ".bashrc").read_text()
    assert "complete -o default -F _slidescreen_completion slidescreen" in script.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_bash_completes_with_it(tmp_path: Path) -> None:
    program = tmp_path / "slidescreen"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}")
    program.chmod(0o755)
    script = asked({"_SLIDESCREEN_COMPLETE": "source_bash"}).stdout
    press_tab = "COMP_WORDS=(slidescreen ensemble --rule h); COMP_CWORD=3; _slidescreen_completion slidescreen"
    shown = subprocess.run(
        ["bash", "--norc", "-c", f'{script}\n{press_tab}\necho "${{COMPREPLY[@]}}"'],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (shown.stdout, shown.stderr) == ("hard\n", "")


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").mkdir()
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    found = asked(home, "--install-completion", "bash")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("error: completion cannot be installed: ")
    assert found.stderr.count("\n") == 1
