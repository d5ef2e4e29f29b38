"""What earlier nights exported: the outcome of each file, and the order of each slide."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from slidescreen.exchange.accessions import Group
from slidescreen.exchange.earlier_orders import NOT_SENT, EarlierSlide
from slidescreen.exchange.formats import ExportedFile, Exporter, Refusal
from slidescreen.exchange.outcome import Outcome, digest_of
from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.writing import write_text
from slidescreen.runs.earlier_list import adopted, slides_of_list
from slidescreen.screening.results import SlideResult

_NAME = ".exported.json"
_FILES, _SLIDES, _ACCESSIONS = "files", "slides", "accessions"
_PARTS = ("findings", "order", "later")  # of an outcome


@dataclass
class ExportMemory:
    """What earlier nights exported.

    Attributes:
        files: the outcome of each exported file, by its name. Text, the whole outcome, is from an earlier release.
        slides: each slide that was exported or refused, by its name.
        damaged: whether the list was there, but damaged.
    """

    files: dict[str, Outcome | str] = field(default_factory=dict)
    slides: dict[str, EarlierSlide] = field(default_factory=dict)
    damaged: bool = False

    def is_due(self, file: ExportedFile) -> bool:
        """Whether a file differs from its last export.

        A vanished or changing slide keeps its earlier result, so its figures are not sent again. Its review and its
        order are.
        """
        before, now = self.files.get(file.name), file.outcome
        if not isinstance(before, Outcome):
            return before is None or (before != now.whole and not file.outdated)
        is_changed = before.findings != now.findings and not file.outdated
        return is_changed or before.later not in (now.later, now.signatures) or before.order != now.order

    def prepare(self, slides: Sequence[SlideResult], exporter: Exporter) -> None:
        """Add slides that only have a file in a list of an earlier release, and tonight's lines of orders."""
        exporter.meet((*self.slides, *(slide.name for slide in slides)))
        lost = {s.name for s in slides if not s.new and exporter.has_table_without(s.name)} if self.damaged else set()
        self.slides = exporter.retold(adopted(self.slides, self.files, [slide.name for slide in slides], lost))

    def add(self, file: ExportedFile) -> None:
        """Add an exported file."""
        self.files[file.name] = file.outcome
        self._remember(file.group, sent=True)

    def renew(self, night: Iterable[ExportedFile | Refusal]) -> None:
        """Replace outcomes of earlier releases that have not changed."""
        for each in night:
            if isinstance(each, ExportedFile):
                before, now = self.files.get(each.name), each.outcome
                if isinstance(before, Outcome) and before.later == now.signatures:
                    self.files[each.name] = replace(before, later=now.later)
                elif before == now.whole:
                    self._renew_whole(each)

    def _renew_whole(self, file: ExportedFile) -> None:
        """Replace an outcome without parts. It has not changed, so the order has not changed either."""
        order = file.group.order
        self.files[file.name] = replace(file.outcome, order=order.digest)
        for slide in file.group.slides:
            self.slides[slide.name] = EarlierSlide(order.accession, order.digest, False, digest_of(slide))

    def add_night(self, night: Iterable[ExportedFile | Refusal]) -> None:
        """Add the slides of a night, after its written files were added."""
        for each in night:
            if isinstance(each, ExportedFile):
                known = [self.slides.get(slide.name) for slide in each.group.slides]
                lacks = any(slide is None or slide.sent == NOT_SENT for slide in known)
                self._remember(each.group, sent=lacks and self._has_sent(each))
            else:
                self._remember(each.group, sent=False)

    def _remember(self, group: Group, sent: bool) -> None:
        for slide in group.slides:
            now, before = group.known[slide.name], self.slides.get(slide.name)
            told = digest_of(slide) if sent else before.sent if before else NOT_SENT
            self.slides[slide.name] = EarlierSlide(now.accession, now.digest, now.told, told)

    def write(self, folder: Path) -> None:
        """Store the memory in the folder of the exported files."""
        files = {name: each if isinstance(each, str) else _parts(each) for name, each in self.files.items()}
        slides = {name: vars(each) for name, each in self.slides.items()}
        write_text(folder / _NAME, json.dumps({_FILES: files, _SLIDES: slides}, indent=1) + "\n")

    def _has_sent(self, file: ExportedFile) -> bool:
        sent, now = self.files.get(file.name), file.outcome
        return isinstance(sent, Outcome) and (sent.findings, sent.later) == (now.findings, now.later)


def read_memory(folder: Path) -> ExportMemory:
    """The memory in the folder of the exported files. If it cannot be read, everything is exported again.

    Earlier releases wrote the outcomes alone, or with the slides of those accession numbers that had several.
    """
    content: Any = None
    try:
        with contextlib.suppress(DamagedError):
            content = read_json(folder / _NAME)
    except FileNotFoundError:
        return ExportMemory()
    if not isinstance(content, Mapping):
        return ExportMemory(damaged=True)
    listed = content.get(_FILES)
    found: Mapping[str, Any] = listed if isinstance(listed, Mapping) else content
    files = {str(name): _outcome(each) for name, each in found.items()}
    slides = content.get(_SLIDES)
    if isinstance(slides, Mapping):
        return ExportMemory(files, {str(name): _slide(each) for name, each in slides.items()})
    accessions = content.get(_ACCESSIONS) if found is listed else None
    groups = accessions.items() if isinstance(accessions, Mapping) else ()
    return ExportMemory(files, slides_of_list(files, {str(number): _texts(those) for number, those in groups}))


def _outcome(stored: Any) -> Outcome | str:
    """A stored outcome. One that is damaged is like no other, so the file is exported again."""
    parts = _texts(stored)
    return Outcome(*(parts[name] for name in _PARTS)) if {*parts} == {*_PARTS} else str(stored)


def _parts(outcome: Outcome) -> dict[str, str]:
    return {name: getattr(outcome, name) for name in _PARTS}


def _slide(stored: Any) -> EarlierSlide:
    """A stored slide. Of one that is damaged, nothing is known."""
    parts = _texts(stored)
    told = parts.get("told") != str(False)
    return EarlierSlide(parts.get("accession", ""), parts.get("order", ""), told, parts.get("sent", NOT_SENT))


def _texts(content: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in content.items()} if isinstance(content, Mapping) else {}
