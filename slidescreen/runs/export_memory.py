"""What earlier nights exported: the outcome of each file, and the slides of each accession number."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slidescreen.exchange.accessions import NOT_SENT
from slidescreen.exchange.formats import ExportedFile, Refusal
from slidescreen.exchange.outcome import Outcome
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.writing import write_text

_NAME = ".exported.json"
_FILES, _ACCESSIONS = "files", "accessions"
_PARTS = ("findings", "order", "later")  # of an outcome


@dataclass
class ExportMemory:
    """What earlier nights exported.

    Attributes:
        files: the outcome of each exported file, by its name. Text, the whole outcome, is from an earlier release.
        accessions: the slides of each accession number that had several, each with the digest of what was sent of it.
    """

    files: dict[str, Outcome | str] = field(default_factory=dict)
    accessions: dict[str, dict[str, str]] = field(default_factory=dict)

    def is_due(self, file: ExportedFile) -> bool:
        """Whether a file differs from its last export.

        A vanished or changing slide keeps its earlier result, so its figures are not sent again. Its review and its
        order are. An order that this night does not tell is the same as before.
        """
        before, now = self.files.get(file.name), file.outcome
        if not isinstance(before, Outcome):
            return before is None or (before != now.whole and not file.outdated)
        is_changed = before.findings != now.findings and not file.outdated
        return is_changed or before.later != now.later or (file.is_ordered and before.order != now.order)

    def add(self, file: ExportedFile) -> None:
        """Add an exported file."""
        self.files[file.name] = file.outcome

    def renew(self, night: Iterable[ExportedFile | Refusal]) -> None:
        """Replace outcomes of an earlier release that have not changed."""
        for each in night:
            if isinstance(each, ExportedFile) and self.files.get(each.name) == each.outcome.whole:
                self.add(each)

    def add_slides(self, night: Iterable[ExportedFile | Refusal]) -> None:
        """Add the slides of a night, after its files were added."""
        now: dict[str, dict[str, str]] = {}
        for each in night:
            if isinstance(each, ExportedFile) and not self._has_sent(each):
                before = self.accessions.get(each.accession, {})
                now[each.accession] = {name: before.get(name, NOT_SENT) for name in each.slides}
            else:
                now.setdefault(each.accession, dict(each.slides))
        alone = {accession for accession, slides in now.items() if len(slides) < 2}
        together = self.accessions | now
        self.accessions = {accession: slides for accession, slides in together.items() if accession not in alone}

    def _has_sent(self, file: ExportedFile) -> bool:
        sent, now = self.files.get(file.name), file.outcome
        return isinstance(sent, Outcome) and (sent.findings, sent.later) == (now.findings, now.later)

    def write(self, folder: Path) -> None:
        """Store the memory in the folder of the exported files."""
        files = {name: each if isinstance(each, str) else _parts(each) for name, each in self.files.items()}
        write_text(folder / _NAME, json.dumps({_FILES: files, _ACCESSIONS: self.accessions}, indent=1) + "\n")


def read_memory(folder: Path) -> ExportMemory:
    """The memory in the folder of the exported files. If it cannot be read, everything is exported again.

    Earlier releases wrote the outcomes alone.
    """
    content: Any = None
    with contextlib.suppress(OSError, DamagedError):
        content = read_json(folder / _NAME)
    if not isinstance(content, Mapping):
        return ExportMemory()
    files = content.get(_FILES)
    if not isinstance(files, Mapping):
        return ExportMemory({**_texts(content)})
    accessions = content.get(_ACCESSIONS)
    found = accessions.items() if isinstance(accessions, Mapping) else ()
    return ExportMemory(
        {str(name): _outcome(each) for name, each in files.items()},
        {number: _texts(slides) for number, slides in found},
    )


def _outcome(stored: Any) -> Outcome | str:
    """A stored outcome. One that is damaged is like no other, so the file is exported again."""
    parts = _texts(stored)
    return Outcome(*(parts[name] for name in _PARTS)) if {*parts} == {*_PARTS} else str(stored)


def _parts(outcome: Outcome) -> dict[str, str]:
    return {name: getattr(outcome, name) for name in _PARTS}


def _texts(content: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in content.items()} if isinstance(content, Mapping) else {}
