"""The examples of the API's docstrings and of its page, run on the sample slides with the ensemble that ships."""

import doctest
import re
import shutil
from pathlib import Path

import pytest

import slidescreen.api
from slidescreen.api import functions, screened_run

ROOT = Path(__file__).parents[2]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.fixture(scope="module", autouse=True)
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample slides, and their run in `results`."""
    folder = tmp_path_factory.mktemp("examples")
    for path in sorted((ROOT / "sample_data").iterdir()):
        if path.is_dir() and not path.name.startswith("_"):
            shutil.copytree(path, folder / "sample_data" / path.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SLIDESCREEN_ENSEMBLE", raising=False)
        patch.chdir(folder)
        slidescreen.classify("sample_data", "results")
    return folder


@pytest.fixture
def here(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sample)
    monkeypatch.delenv("SLIDESCREEN_ENSEMBLE", raising=False)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("module", [slidescreen.api, functions, screened_run], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_hold(module: object) -> None:
    failed, tried = doctest.testmod(module, optionflags=OPTIONS)  # type: ignore[arg-type]
    assert tried
    assert not failed


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("page", ["docs/reference/api.md"])
def test_the_code_of_the_page_runs_and_prints_what_it_says(page: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, page, 0)
    assert len(test.examples) >= 12
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(test).failed == 0
