"""What a run's slides are known by from orders of this run and of earlier ones, kept in `run.json` without patients.

A night's table of orders has the night's slides alone, but earlier slides stay in the worklist.
"""

from collections.abc import Collection, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from slidescreen.files.damaged import DamagedError, read_json
from slidescreen.files.run_files import RECORD
from slidescreen.files.writing import printable
from slidescreen.screening.blood_context import BloodContext, slides_of_one_patient

_PATIENTS, _COUNTS = "same_patient", "leukocytes_per_nl"
_NOBODY = "\0"  # begins what stands for a patient whose name was not kept; no table holds it


def orders_record(slides: Collection[str], contexts: Mapping[str, BloodContext]) -> dict[str, Any]:
    """What orders say of slides, given by name, in the form for `run.json`; empty if they say nothing. No patient is
    named.

    `same_patient` has a list of names for each patient with several slides. `leukocytes_per_nl` has a count for each
    slide whose count is known.
    """
    told = {slide: contexts.get(slide, BloodContext()).leukocytes_per_nl for slide in slides}
    patients = slides_of_one_patient(slides, contexts)
    counts = {name: count for name, count in told.items() if count is not None}
    return {**({_PATIENTS: patients} if patients else {}), **({_COUNTS: counts} if counts else {})}


def without_orders(info: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what orders say."""
    return {name: value for name, value in info.items() if name not in (_PATIENTS, _COUNTS)}


def contexts_in(info: Mapping[str, Any]) -> dict[str, BloodContext]:
    """The slides' contexts by a record. Patients are told apart, but not named.

    Raises:
        TypeError, ValueError: the record holds something else.
    """
    patients = {str(name): f"{_NOBODY}{n}" for n, names in enumerate(info.get(_PATIENTS, ())) for name in names}
    counts = dict(info.get(_COUNTS, {}))
    if not all(isinstance(count, Real) for count in counts.values()):
        raise TypeError(f"{_COUNTS} is not what a run writes")
    return {name: BloodContext(patients.get(name, ""), counts.get(name)) for name in {**patients, **counts}}


def earlier_contexts(out: Path, source: Path) -> dict[str, BloodContext]:
    """The contexts by the record of the last run of `source` into a folder; none if there is no such record."""
    try:
        info = read_json(out / RECORD)
        return contexts_in(info) if info["input"] == printable(source.resolve()) else {}
    except (DamagedError, FileNotFoundError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def joined(
    ordered: Mapping[str, BloodContext], earlier: Mapping[str, BloodContext], same: Collection[str]
) -> dict[str, BloodContext]:
    """The slides' contexts from a table of orders, and from earlier runs for slides that it does not name.

    Args:
        ordered: from the table. A slide's line replaces all that was known of the slide. Its patient may be another
            than before, so it no longer counts to the patient of earlier slides without a line.
        earlier: from the record of earlier runs.
        same: the slides that still have the images they had then. Under the name of another slide there may be another
            patient.
    """
    return {**{name: earlier[name] for name in earlier.keys() & set(same)}, **ordered}
