"""`report --uncertain`: the cells that are worth a look, as a page; what is said of them comes back to the run."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, write_cells

from slidescreen.runs.uncertain_cells import UNCERTAIN, worth


@pytest.fixture
def run(command: Command) -> Path:
    """Three slides of six, six and two cells, classified."""
    for number, count in enumerate((6, 6, 2)):
        write_cells(Path(f"night/S{number}"), count, first_seed=20 * number)
    assert command("classify", "night", "--out", "run", "--quiet").code == 0
    return Path("run")


def shown(page: Path) -> list[str]:
    return re.findall(r'data-image="([^"]+)"', page.read_text(encoding="utf-8"))


def test_what_is_less_sure_or_unlike_every_type_is_worth_more() -> None:
    probabilities = np.array([[0.99, 0.01], [0.55, 0.45], [0.98, 0.02], [0.97, 0.03], [0.6, 0.4], [0.7, 0.3]])
    found = worth(probabilities, np.array([0.0, 0.0, 3.0, 0.5, 0.0, 0.0]))
    assert (found > 1.5).tolist() == [False, True, True, False, True, True]
    assert len(set(found.tolist())) == 6


def test_the_page_holds_as_many_cells_of_all_slides_as_were_asked_for(command: Command, run: Path) -> None:
    outcome = command("report", run, "--uncertain", "6", "--out", "todo")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"6 cells to look at: todo/{UNCERTAIN}\n"
    images = shown(Path("todo", UNCERTAIN))
    assert len(set(images)) == 6
    assert {image.split("/")[0] for image in images} == {"S0", "S1", "S2"}
    assert Path("todo", UNCERTAIN).read_text().count('<img class="cell" src="data:image/webp') == 6
    assert command("report", run, "--uncertain", "99").out == f"14 cells to look at: run/uncertain/{UNCERTAIN}\n"


def test_cells_that_were_reviewed_are_left_out(command: Command, run: Path) -> None:
    Path("c.csv").write_text(
        "slide,image,cell_type,reviewer\n" + "".join(f"S0,cell_{n:03d}.jpg,monocyte,Ada\n" for n in range(6))
    )
    assert command("report", run, "--corrections", "c.csv").code == 0
    assert command("report", run, "--uncertain", "99", "--out", "todo").code == 0
    images = shown(Path("todo", UNCERTAIN))
    assert len(images) == 8
    assert not any(image.startswith("S0/") for image in images)
    rest = "".join(f"{slide},cell_{n:03d}.jpg,monocyte,Ada\n" for slide, k in (("S1", 6), ("S2", 2)) for n in range(k))
    Path("c.csv").write_text("slide,image,cell_type,reviewer\n" + rest)
    assert command("report", run, "--corrections", "c.csv").code == 0
    outcome = command("report", run, "--uncertain", "5", "--out", "again")
    assert outcome.code == 2
    assert "no cell is left that nobody has reviewed" in outcome.err
    assert not Path("again").exists()


def test_slides_of_which_few_cells_were_reviewed_come_first(command: Command, run: Path) -> None:
    Path("c.csv").write_text(
        "slide,image,cell_type,reviewer\n" + "".join(f"S0,cell_{n:03d}.jpg,monocyte,Ada\n" for n in range(4))
    )
    assert command("report", run, "--corrections", "c.csv").code == 0
    assert command("report", run, "--uncertain", "2", "--out", "todo").code == 0
    assert not any(image.startswith("S0/") for image in shown(Path("todo", UNCERTAIN)))


def test_the_same_run_gives_the_same_page(command: Command, run: Path) -> None:
    for folder in ("a", "b"):
        assert command("report", run, "--uncertain", "5", "--out", folder).code == 0
    assert Path("a", UNCERTAIN).read_bytes() == Path("b", UNCERTAIN).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--uncertain", "0"), "--uncertain"),
        (("run", "--uncertain", "5", "--explain"), "leave out --explain"),
        (("run", "--uncertain", "5", "--corrections", "c.csv"), "leave out --corrections"),
        (("run", "--uncertain", "5", "--truth", "reported"), "--uncertain goes with the page of a run"),
        (("night", "--uncertain", "5"), "--uncertain goes with the page of a run"),
        (("run", "--uncertain", "5", "--export", "hl7"), "leave out --uncertain"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    arguments: tuple[str, ...], said: str, command: Command, run: Path
) -> None:
    before = sorted(run.rglob("*"))
    outcome = command("report", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert sorted(run.rglob("*")) == before
