"""`slidescreen info`: what is installed, for people and for scripts, without waiting."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command

from slidescreen import __version__, cells
from slidescreen.cli.exit_codes import MEANINGS, ExitCode
from slidescreen.ensembles.location import shipped_ensemble
from slidescreen.files.writing import sha256_of
from slidescreen.reporting import flag_words
from slidescreen.reporting.installation import describe_installation, show_installation
from slidescreen.screening.finding import Flag, Verdict

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def told(command: Command, *arguments: str) -> dict[str, object]:
    outcome = command("info", "--json", *arguments)
    assert outcome.err == ""
    found: dict[str, object] = json.loads(outcome.out)
    return found


def test_it_tells_the_ensembles_with_their_hashes_and_figures(command: Command, ensemble_folder: Path) -> None:
    first, second = told(command)["ensembles"]  # type: ignore[misc]
    assert (first["found_by"], first["used"], first["folder"]) == ("$SLIDESCREEN_ENSEMBLE", True, str(ensemble_folder))
    assert first["validation"] is None  # nobody measured it
    assert (second["found_by"], second["used"]) == ("shipped", False)
    measured = json.loads((Path(second["folder"]) / "ensemble.json").read_text())["validation"]
    whole = measured["measured"]["models"][-1]
    assert second["validation"] == {
        "images": measured["measured"]["images"],
        "accuracy": whole["accuracy"],
        "macro_f1": whole["macro_f1"],
    }
    assert second["rejection_threshold"] == measured["rejection_threshold"]
    for member in second["members"]:
        assert member["sha256"] == sha256_of(Path(second["folder"]) / member["file"])
    assert second["fast"] is True
    assert second["precisions"]["fp32"] == "exact"
    assert second["precisions"]["bf16"] == "automatic"
    assert second["precisions"]["int8"] == "on request"


def test_the_words_come_from_where_the_program_takes_them(command: Command) -> None:
    found = told(command)
    assert found["version"] == __version__
    assert found["cell_types"] == list(cells.CELL_TYPES)
    assert found["verdicts"] == list(Verdict)
    assert found["flags"] == {str(flag): flag_words.MEANINGS[flag] for flag in Flag}
    assert found["exit_codes"] == {str(int(code)): MEANINGS[code] for code in ExitCode}


def test_a_named_ensemble_comes_first(command: Command) -> None:
    shipped = shipped_ensemble()
    assert shipped is not None
    found = told(command, "--ensemble", str(shipped))["ensembles"]
    assert [each["found_by"] for each in found] == [  # type: ignore[attr-defined]
        "--ensemble",
        "$SLIDESCREEN_ENSEMBLE",
        "shipped",
    ]


@pytest.mark.parametrize("fault", ["weights", "json", "missing", "empty", "list", "deep"])
def test_a_damaged_ensemble_is_told_and_not_a_crash(command: Command, ensemble_folder: Path, fault: str) -> None:
    broken = Path("broken")
    if fault not in ("missing", "empty"):
        shutil.copytree(ensemble_folder, broken)
    if fault == "weights":
        with next(broken.glob("*.safetensors")).open("ab") as file:
            file.write(b"x")
    elif fault == "json":
        (broken / "ensemble.json").write_text('{"format_version": 2, "members"')
    elif fault == "list":
        (broken / "ensemble.json").write_text("[1, 2]")
    elif fault == "deep":
        (broken / "ensemble.json").write_text("[" * 100_000)
    elif fault == "empty":
        broken.mkdir()
    outcome = command("info", "--ensemble", "broken", "--json")
    assert outcome.code == 2
    problem = json.loads(outcome.out)["ensembles"][0]["problem"]
    assert "broken" in problem
    text = command("info", "--ensemble", "broken")
    assert text.code == 2
    assert "problem" in text.out
    assert "exit codes" in text.out


def test_it_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_installation(describe_installation(None, MEANINGS))
    shown = capfd.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "neutrophil, band_neutrophil" in shown


def test_it_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys; sys.argv = ['slidescreen', 'info', '--json']\n"
        "from slidescreen.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'timm', 'torchvision', 'openvino', 'pandas', 'sklearn', 'matplotlib', 'scipy.special'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("page", "meanings"),
    [
        ("exit-codes.md", {str(int(code)): meaning for code, meaning in MEANINGS.items()}),
        ("flags.md", {f"`{flag}`": meaning for flag, meaning in flag_words.MEANINGS.items()}),
    ],
)
def test_the_documentation_says_the_same(page: str, meanings: dict[str, str]) -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", (REFERENCE / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows[2:]) == meanings  # below the heading and its rule


def test_the_documentation_names_every_key(command: Command) -> None:
    documented = set(re.findall(r"`([a-z0-9_]+)`", (REFERENCE / "info.md").read_text(encoding="utf-8")))
    found = told(command)
    shipped = found["ensembles"][-1]  # type: ignore[index]
    keys = {*found, *shipped, *shipped["members"][0], *shipped["validation"], *found["processor"], *found["engines"]}  # type: ignore[misc]
    assert keys <= documented
