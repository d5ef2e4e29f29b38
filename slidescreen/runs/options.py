"""What a run and its report can be told. Imports nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path

from slidescreen.data.label_options import LabelOptions
from slidescreen.engine.options import Device, EngineOptions
from slidescreen.files.legal_names import legal_name
from slidescreen.screening.thresholds import Thresholds, default_thresholds


@dataclass(frozen=True)
class ClassifyOptions:
    """What the user asked for.

    `settle`: slides in which something arrived within so many seconds wait for the next run. `keep`: days after which
    a slide whose images have gone moves into the archive. `time_limit`: seconds that reading one image may take.
    `force`: classify finished slides again. `history`: of the nights before; None for `history.csv` in `out`.
    """

    path: Path
    out: Path
    ensemble: Path
    engine: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None
    slide_depth: int | None = None
    overwrite: bool = False
    force: bool = False
    settle: float = 0.0
    keep: float = 30.0
    time_limit: float = 60.0
    log_file: Path | None = None
    history: Path | None = None
    thresholds: Thresholds = field(default_factory=default_thresholds)


@dataclass(frozen=True)
class ReportOptions:
    """What the user asked for.

    `truth`: labelled images, or `reported` for the laboratory's own class folders; None for a run's page. `out`: None
    for a folder named after the source. `ensemble`: None for the default one.
    """

    sources: tuple[Path, ...]
    truth: str | None = None
    label_options: LabelOptions = field(default_factory=LabelOptions)
    out: Path | None = None
    ensemble: Path | None = None
    device: Device = Device.AUTO


def default_out(path: Path) -> Path:
    """Where the results of a folder go unless another place is named: in the working folder, never inside `path`."""
    return Path("slidescreen-out") / legal_name(path.resolve().name or "root")
