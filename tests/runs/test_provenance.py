"""What earlier results depend on."""

import sys
from pathlib import Path
from types import FrameType

import pytest
from test_screening import NORMAL, ensemble, measured

from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles import storage
from slidescreen.runs.provenance import JUDGING, provenance_of
from slidescreen.screening.results import judge
from slidescreen.screening.thresholds import default_thresholds

SHIPPED = Path(__file__).resolve().parents[2] / "weights" / "default"
SLIDES = (
    NORMAL,
    {**NORMAL, "myeloblast": 8},
    {**NORMAL, "lymphoblast": 150, "promyelocyte": 60},
    {**NORMAL, "basophil": 16, "myelocyte": 25, "metamyelocyte": 20, "band_neutrophil": 20},
    {"monocyte": 60, "variant_lymphocyte": 30, "smudge_cell": 9},
    {"monocyte": 3},
    {},
)


def test_every_module_whose_code_judges_a_slide_is_known() -> None:
    """A change in a forgotten one would leave earlier slides with their old verdicts."""
    run: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        name = str(frame.f_globals.get("__name__"))
        if event == "call" and name.startswith("slidescreen."):
            run.add(name)

    ensembles = ((storage.load(SHIPPED), 1.5), (ensemble(measured()), None), (ensemble(measured(support=30)), 0.5))
    slide, limits, row = Slide("S", Path("/nowhere"), ()), default_thresholds(), (1 / 16,) * 16
    for counts in SLIDES:
        for each, strange in ensembles:
            calls = [
                Call(f"{kind}{n}", Status.CLASSIFIED, kind, 0.9, probabilities=row, unfamiliarity=strange)
                for kind, times in counts.items()
                for n in range(times)
            ]
            calls += [Call(f"u{n}", Status.UNIDENTIFIED, "", 0.3, probabilities=row) for n in range(len(calls) // 3)]
            before = sys.getprofile()
            sys.setprofile(note)
            try:
                judge(slide, tuple(calls), each, limits)
            finally:
                sys.setprofile(before)
    assert run >= {"slidescreen.screening.verdict", "slidescreen.screening.differential"}
    assert run <= {module.__name__ for module in JUDGING}


def test_another_code_of_the_verdict_judges_anew_and_calls_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> tuple[str, str, str]:
        provenance = provenance_of(ensemble(measured()), EngineConfiguration("openvino", "cpu", "fp32"), limits)
        return provenance.voted, provenance.called, provenance.judged

    limits, read = default_thresholds(), Path.read_bytes
    before = found()
    for module in JUDGING:
        file = Path(str(module.__file__))
        with monkeypatch.context() as changed:
            changed.setattr(Path, "read_bytes", lambda path, file=file: read(path) + b"#" * (path == file))
            after = found()
        assert after[:2] == before[:2]
        assert after[2] != before[2], module.__name__
    assert found() == before
