"""The cells that are worth a look, in a real browser: what is said of them comes back to the run."""

import csv
import hashlib
import json
import re
from pathlib import Path

from browser import Browser
from conftest import Command, write_cells
from test_desk import downloaded, reload, text_of


def test_what_is_said_of_the_cells_comes_back_to_the_run(command: Command, browser: Browser, tmp_path: Path) -> None:
    for number in range(2):
        write_cells(Path(f"night/S{number}"), 3, first_seed=20 * number)
    assert command("classify", "night", "--out", "run", "--quiet").code == 0
    assert command("report", "run", "--uncertain", "4", "--out", tmp_path).code == 0
    (tmp_path / "uncertain.html").rename(tmp_path / "page.html")
    browser.complaints.clear()
    reload(browser, tmp_path)
    first = re.findall(r'data-image="([^"]+)"', (tmp_path / "page.html").read_text(encoding="utf-8"))[0]
    assert text_of(browser, "#left") == "4 of 4 cells left to look at"
    browser.press("3", "c", "c", "4")
    assert text_of(browser, "#left") == "You have looked at all cells"
    browser.ask("reviewer.value = 'Ada'; reviewer.dispatchEvent(new Event('input'))")
    rows = downloaded(browser, tmp_path)
    assert len(rows) == 4
    assert {row["run"] for row in rows} == {json.loads(Path("run/run.json").read_text())["run"]}
    for row in rows:
        picture = Path("night", row["slide"], row["image"]).read_bytes()
        assert row["content"] == "sha256:" + hashlib.sha256(picture).hexdigest()[:12]
    outcome = command("report", "run", "--corrections", tmp_path / "corrections.csv")
    assert outcome.code == 0, outcome.err
    with Path("run/cells.csv").open(newline="") as file:
        reviewed = {f"{row['slide']}/{row['image']}": row["reviewed_type"] for row in csv.DictReader(file)}
    assert reviewed[first] == "eosinophil"
    assert sum(bool(cell_type) for cell_type in reviewed.values()) == 4
    assert browser.complaints == []
