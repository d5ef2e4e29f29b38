"""Find out what a list of exported files tells of slides, if an earlier release wrote it.

Such a list tells the slides of an accession number only if there are several, and otherwise the digest of each file's
order. What it does not tell is unknown, so it is never guessed.
"""

from collections.abc import Collection, Mapping, Sequence

from slidescreen.exchange.earlier_orders import EarlierSlide
from slidescreen.exchange.formats import WRITERS
from slidescreen.exchange.outcome import Outcome
from slidescreen.files.legal_names import distinct_names, legal_name

_SUFFIXES = tuple(writer.suffix for writer in WRITERS.values())
_Files = Mapping[str, Outcome | str]


def slides_of_list(files: _Files, accessions: Mapping[str, Mapping[str, str]]) -> dict[str, EarlierSlide]:
    """The slides of a list, by name. A slide that was alone goes by the name of its file without the suffix."""
    slides = {}
    for name, outcome in files.items():
        stem = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), "")
        if stem and "+" not in stem and isinstance(outcome, Outcome):
            slides[stem] = EarlierSlide("", outcome.order, told=True)
    for accession, those in accessions.items():
        order = _order_of("+".join(those), files)
        slides |= {slide: EarlierSlide(accession, order, True, sent) for slide, sent in those.items()}
    return slides


def adopted(
    slides: Mapping[str, EarlierSlide], files: _Files, names: Sequence[str], lost: Collection[str]
) -> dict[str, EarlierSlide]:
    """The slides, with those that only have a file. The orders of `lost` slides are unknown."""
    found = dict(slides)
    for suffix in _SUFFIXES:
        for name, file in zip(names, distinct_names(names, suffix, files), strict=True):
            if name not in slides and file in files:
                outcome = files[file]
                found[name] = EarlierSlide("", outcome.order if isinstance(outcome, Outcome) else "", told=True)
                if file.removesuffix(suffix) != name:
                    found.pop(file.removesuffix(suffix), None)
    return {name: EarlierSlide("", "", told=True) for name in lost} | found


def _order_of(text: str, files: _Files) -> str:
    """The digest of the order of a file; empty if unknown."""
    outcomes = (files.get(legal_name(text, suffix)) for suffix in _SUFFIXES)
    return next((each.order for each in outcomes if isinstance(each, Outcome)), "")
