"""What earlier nights exported: the outcome of each file, and the slides of each accession number."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slidescreen.exchange.accessions import NOT_SENT
from slidescreen.exchange.formats import ExportedFile, Refusal
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.writing import write_text

_NAME = ".exported.json"
_FILES, _ACCESSIONS = "files", "accessions"


@dataclass
class ExportMemory:
    """What earlier nights exported.

    Attributes:
        files: the outcome of each exported file, by its name.
        accessions: the slides of each accession number that had several, each with the digest of what was sent of it.
    """

    files: dict[str, str] = field(default_factory=dict)
    accessions: dict[str, dict[str, str]] = field(default_factory=dict)

    def is_due(self, file: ExportedFile) -> bool:
        """Whether a file differs from its last export. An outdated result is not exported again."""
        return file.name not in self.files or (self.files[file.name] != file.outcome and not file.outdated)

    def add_slides(self, night: Iterable[ExportedFile | Refusal]) -> None:
        """Add the slides of a night, after its files were added."""
        now: dict[str, dict[str, str]] = {}
        for each in night:
            if isinstance(each, ExportedFile) and self.files.get(each.name) != each.outcome:
                before = self.accessions.get(each.accession, {})
                now[each.accession] = {name: before.get(name, NOT_SENT) for name in each.slides}
            else:
                now.setdefault(each.accession, dict(each.slides))
        alone = {accession for accession, slides in now.items() if len(slides) < 2}
        together = self.accessions | now
        self.accessions = {accession: slides for accession, slides in together.items() if accession not in alone}

    def write(self, folder: Path) -> None:
        """Store the memory in the folder of the exported files."""
        write_text(folder / _NAME, json.dumps({_FILES: self.files, _ACCESSIONS: self.accessions}, indent=1) + "\n")


def read_memory(folder: Path) -> ExportMemory:
    """The memory in the folder of the exported files. If it cannot be read, everything is exported again.

    Earlier releases wrote the outcomes alone.
    """
    content: Any = None
    with contextlib.suppress(OSError, DamagedError):
        content = read_json(folder / _NAME)
    if not isinstance(content, Mapping):
        return ExportMemory()
    if not isinstance(content.get(_FILES), Mapping):
        return ExportMemory(_texts(content))
    accessions = content.get(_ACCESSIONS)
    found = accessions.items() if isinstance(accessions, Mapping) else ()
    return ExportMemory(_texts(content[_FILES]), {number: _texts(slides) for number, slides in found})


def _texts(content: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in content.items()} if isinstance(content, Mapping) else {}
