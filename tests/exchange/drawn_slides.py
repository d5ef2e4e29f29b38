"""Slides as a run finds them, and what is exported of them; and a reader of HL7 that shares no line with the writer."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from test_screening import NORMAL, ensemble, measured

from slidescreen import cells
from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import Slide
from slidescreen.exchange.formats import ExportedFile, Exporter, Refusal
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.screening.results import Run, SlideResult, judge
from slidescreen.screening.thresholds import default_thresholds

BOTH = (ExportFormat.FHIR, ExportFormat.HL7)
LEUKAEMIC = {**NORMAL, "myeloblast": 90, "promyelocyte": 40, "erythroblast": 12, "smudge_cell": 9}
ONLY_PLATELETS = {"platelet": 3}
WEIGHTS = {"efficientnet_b1.safetensors": "b1" * 32, "efficientnetv2_b2.safetensors": "a6" * 32}


def slide_of(name: str, counts: Mapping[str, int], **others: int) -> SlideResult:
    """A slide on which so many cells of each type were called, and so many images came to another status."""
    calls = [Call(f"{n}{i}", Status.CLASSIFIED, n, 0.9) for n, times in counts.items() for i in range(times)]
    calls += [Call(f"{s}{i}", Status(s)) for s, times in others.items() for i in range(times)]
    place = Slide(name, Path("/somewhere/x"), ())
    return judge(place, tuple(calls), ensemble(measured()), default_thresholds())


def run_of(*slides: SlideResult, types: tuple[str, ...] = cells.CELL_TYPES, **info: Any) -> Run:
    """A run of some slides, with a record such as `run.json` has."""
    members = [{"file": file, "sha256": digest} for file, digest in WEIGHTS.items()]
    record = {
        "finished": "2026-11-23T02:07:21+00:00",
        "versions": {"slidescreen": "0.1.0"},
        "ensemble": {"members": members},
        "slides": [{"slide": slide.name, "finished": "2026-11-23T02:04:10+00:00"} for slide in slides],
    }
    return Run(slides, types, record | info)


def of_twelve_types(slide: SlideResult) -> SlideResult:
    """The slide as an ensemble of the 12 leukocytes alone sees it."""
    none = dict.fromkeys(cells.OTHER_OBJECTS)
    return replace(slide, differential=replace(slide.differential, per_100=none))


def exported(run: Run, formats: tuple[ExportFormat, ...] = BOTH, **options: Any) -> dict[str, bytes]:
    """What each file holds, by its name."""
    files = Exporter(ExportOptions(formats, **options)).files(run)
    return {each.name: each.content() for each in files if isinstance(each, ExportedFile)}


def refused(run: Run, **options: Any) -> list[Refusal]:
    """What is not exported."""
    return [each for each in Exporter(ExportOptions(BOTH, **options)).files(run) if isinstance(each, Refusal)]


def bundle(run: Run, **options: Any) -> dict[str, Any]:
    """The one bundle of a run."""
    (content,) = exported(run, (ExportFormat.FHIR,), **options).values()
    return dict(json.loads(content))


def message(run: Run, **options: Any) -> str:
    """The one message of a run."""
    (content,) = exported(run, (ExportFormat.HL7,), **options).values()
    return content.decode("utf-8")


def resources(found: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """A bundle's resources of a kind."""
    return [entry["resource"] for entry in found["entry"] if entry["resource"]["resourceType"] == kind]


def observations(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A bundle's observations, by our own codes."""
    return {each["code"]["coding"][-1]["code"]: each for each in resources(found, "Observation")}


def segments(text: str, name: str) -> list[dict[int, str]]:
    """A message's segments of a name: their fields by number, as they stand."""
    found = [line.split("|") for line in text.split("\r") if line.startswith(f"{name}|")]
    first = 2 if name == "MSH" else 1  # the separator is the header's first field
    return [dict(enumerate(fields[1:], start=first)) for fields in found]


def results(text: str) -> dict[str, dict[int, str]]:
    """A message's OBX segments, by our own codes."""
    found = {}
    for fields in segments(text, "OBX"):
        coded = fields[3].split("^")
        found[coded[3] if len(coded) > 3 else coded[0]] = fields
    return found


def unescaped(text: str) -> str:
    """A field's text as a receiver has it."""
    parts, rest = [], text
    while "\\" in rest:
        before, sequence, rest = rest.split("\\", 2)
        parts.append(before)
        if sequence.startswith("X"):
            parts.append(bytes.fromhex(sequence[1:]).decode("utf-8", "surrogatepass"))
        else:
            parts.append({"F": "|", "S": "^", "R": "~", "E": "\\", "T": "&"}[sequence])
    return "".join([*parts, rest])
