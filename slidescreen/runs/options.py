"""What a run can be told."""

from dataclasses import dataclass, field
from pathlib import Path

from slidescreen.engine.options import EngineOptions
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


def default_out(path: Path) -> Path:
    """Where the results of a folder go unless another place is named: in the working folder, never inside `path`."""
    return Path("slidescreen-out") / legal_name(path.resolve().name or "root")
