"""Judge a slide by its differential: whether a morphologist has to see it, and why."""

from collections.abc import Sequence

import numpy as np

from slidescreen import cells
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.screening.differential import Differential, Share, corrected_draws, corrected_share
from slidescreen.screening.excess import ExcessTest, excess_test
from slidescreen.screening.finding import Finding, Flag, Verdict
from slidescreen.screening.sentences import excess_sentence, nothing_found, number_of, percent_text, undecided
from slidescreen.screening.thresholds import Thresholds, default_thresholds
from slidescreen.screening.unfamiliar_cells import (
    has_unknown_cells,
    is_unfamiliar,
    unfamiliar_sentence,
    unknown_sentence,
)
from slidescreen.screening.unsigned import unsigned_reasons

_LINEAGES = {"myeloid": Flag.LINEAGE_MYELOID, "lymphoid": Flag.LINEAGE_LYMPHOID}


def urgency(differential: Differential, finding: Finding) -> tuple[int, float, float, str]:
    """A key that sorts slides by urgency, the most urgent first."""
    blasts = best_percent(differential.shares["blasts"])
    immature = best_percent(differential.shares["immature_granulocytes"])
    return list(Verdict).index(finding.verdict), -blasts, -immature, differential.slide


def screen(differential: Differential, ensemble: Ensemble, thresholds: Thresholds | None = None) -> Finding:
    """Judge one slide, by the default thresholds if none are given. The finding never names a diagnosis."""
    thresholds = thresholds or default_thresholds()
    many = min(thresholds.blasts_workup, thresholds.blasts_always_seen)
    blasts = _tested(differential, ensemble, "blasts", many, thresholds.error_rate)
    immature = _tested(
        differential, ensemble, "immature_granulocytes", thresholds.ig_always_seen, thresholds.error_rate
    )
    equivalents = excess_test(differential, ensemble, "blast_equivalents")
    flags: list[Flag] = []
    reasons: list[str] = []
    unfamiliar = is_unfamiliar(differential, ensemble, thresholds.error_rate)
    if blasts.significant(thresholds.error_rate):
        _grade_blasts(differential, ensemble, thresholds, blasts, flags, reasons)
        if not unfamiliar:  # types of unfamiliar cells are not reliable enough
            _grade_lineage(differential, ensemble, thresholds, flags, reasons)
    if immature.significant(thresholds.error_rate):
        _grade_immature(differential, ensemble, thresholds, immature, flags, reasons)
    if equivalents.significant(thresholds.error_rate):
        _grade_equivalents(differential, ensemble, thresholds, flags, reasons)
    _grade_monocytes(differential.shares["monocyte"], thresholds, flags, reasons)
    _flag_lookalikes(differential, thresholds, flags, reasons)
    if not unfamiliar and has_unknown_cells(differential, ensemble, thresholds.error_rate):
        flags.append(Flag.UNKNOWN_CELLS)
        reasons.append(unknown_sentence(differential, ensemble))
    urgent = bool({Flag.BLASTS, Flag.BLAST_EQUIVALENTS, Flag.APL} & set(flags))
    review = bool(flags)
    quality, remarks = _judge_quality(differential, thresholds)
    if unfamiliar:
        quality.insert(0, Flag.UNFAMILIAR)
        remarks.insert(0, unfamiliar_sentence(differential, ensemble))
    if urgent:
        verdict = Verdict.URGENT
    elif review:
        verdict = Verdict.REVIEW
    elif quality:
        verdict = Verdict.INSUFFICIENT
    else:
        verdict = Verdict.CLEAR
        reasons.append(nothing_found(differential, blasts, immature, thresholds))
        reasons += undecided("blasts", differential.shares["blasts"], differential, (thresholds.blasts_workup,))
    flags += quality
    reasons += remarks + unsigned_reasons(differential, ensemble)
    missing = ensemble.measured_on.shortfalls()
    if missing:
        flags.append(Flag.FEW_VALIDATION_CELLS)
        reasons.append(f"too few validation data to know the classifier's error rates ({', '.join(missing)})")
    return Finding(verdict, tuple(flags), tuple(reasons))


def _tested(differential: Differential, ensemble: Ensemble, group: str, many: float, error_rate: float) -> ExcessTest:
    """The test of a group's certain calls; or of all its calls if these are many, in percent, and only that test finds
    an excess."""
    certain = excess_test(differential, ensemble, group)
    if certain.significant(error_rate) or _look_like(differential, cells.TESTED_GROUPS[group])[1] < many:
        return certain
    however_certain = excess_test(differential, ensemble, group, however_certain=True)
    return however_certain if however_certain.significant(error_rate) else certain


def _grade_blasts(
    differential: Differential,
    ensemble: Ensemble,
    thresholds: Thresholds,
    blasts: ExcessTest,
    flags: list[Flag],
    reasons: list[str],
) -> None:
    share = differential.shares["blasts"]
    flags.append(Flag.BLASTS)
    reasons.append(excess_sentence("blast", differential, share, blasts))
    percent = graded_percent(share, ensemble)
    if percent >= thresholds.blasts_acute:
        flags += [Flag.BLASTS_5, Flag.BLASTS_20]
        reasons.append(f"blasts {thresholds.blasts_acute:g}% or more: in the range of acute leukaemia")
    elif percent >= thresholds.blasts_workup:
        flags.append(Flag.BLASTS_5)
        reasons.append(f"blasts {thresholds.blasts_workup:g}% or more: work-up needed")
    reasons += undecided("blasts", share, differential, (thresholds.blasts_workup, thresholds.blasts_acute))


def _grade_lineage(
    differential: Differential, ensemble: Ensemble, thresholds: Thresholds, flags: list[Flag], reasons: list[str]
) -> None:
    lineage = _lineage(differential, ensemble, thresholds)
    if lineage:
        flags.append(_LINEAGES[lineage])
        reasons.append(f"the blasts look {lineage}: confirm by immunophenotyping")


def _lineage(differential: Differential, ensemble: Ensemble, thresholds: Thresholds) -> str:
    """`myeloid` or `lymphoid` if one blast type exceeds the other by more than confusion explains; else empty."""
    composition = differential.composition
    members = [cells.indices(ensemble.cell_types, (name,)) for name in cells.BLASTS]
    if composition is None or not all(composition.identifies(positions) for positions in members):
        return ""
    myeloid = corrected_draws(composition, ("myeloblast",), ensemble.cell_types)
    lymphoid = corrected_draws(composition, ("lymphoblast",), ensemble.cell_types)
    for name, more, less in (("myeloid", myeloid, lymphoid), ("lymphoid", lymphoid, myeloid)):
        if np.quantile(more - thresholds.lineage_ratio * less, 0.025) > 0:
            return name
    return ""


def _grade_immature(
    differential: Differential,
    ensemble: Ensemble,
    thresholds: Thresholds,
    immature: ExcessTest,
    flags: list[Flag],
    reasons: list[str],
) -> None:
    shares = differential.shares
    share = shares["immature_granulocytes"]
    percent = graded_percent(share, ensemble)
    if percent >= thresholds.ig_raised:
        flags.append(Flag.IG)
        reasons.append(excess_sentence("immature granulocyte", differential, share, immature))
        if percent >= thresholds.ig_high:
            reasons.append(f"immature granulocytes {thresholds.ig_high:g}% or more")
        reasons += undecided("immature granulocytes", share, differential, (thresholds.ig_raised,))
    bands = shares["band_neutrophil"]
    shifted = percent + graded_percent(bands, ensemble)
    if Flag.IG in flags and shifted >= thresholds.left_shift:
        flags.append(Flag.LEFT_SHIFT)
        counted = (share.percent or 0.0) + (bands.percent or 0.0)
        reasons.append(f"left shift: band neutrophils and immature granulocytes {percent_text(counted, shifted)}")
    promyelocytes = graded_percent(shares["promyelocyte"], ensemble)
    if promyelocytes >= thresholds.apl_promyelocytes and promyelocytes > percent / 2:
        flags.append(Flag.APL)
        text = percent_text(shares["promyelocyte"].percent, promyelocytes)
        reasons.append(f"promyelocytes {text}: consider acute promyelocytic leukaemia (APL)")
    basophils = graded_percent(shares["basophil"], ensemble)
    if Flag.LEFT_SHIFT in flags and basophils >= thresholds.cml_basophils:
        flags.append(Flag.CML)
        text = percent_text(shares["basophil"].percent, basophils)
        reasons.append(f"basophils {text} with a left shift: consider chronic myeloid leukaemia (CML)")


def _grade_equivalents(
    differential: Differential, ensemble: Ensemble, thresholds: Thresholds, flags: list[Flag], reasons: list[str]
) -> None:
    """Flag blasts and promyelocytes that reach the acute range together, if blasts alone do not."""
    shares = [differential.shares[name] for name in ("blasts", "promyelocyte")]
    counted = 100 * sum(share.count for share in shares) / differential.leukocytes
    percent = counted
    if all(share.corrected_percent is not None for share in shares):
        corrected = corrected_share(differential.composition, cells.BLAST_EQUIVALENTS, ensemble.cell_types)
        percent = _graded(counted, None if corrected is None else 100 * corrected, ensemble)
    if percent >= thresholds.blasts_acute and Flag.BLASTS_20 not in flags:
        flags.append(Flag.BLAST_EQUIVALENTS)
        reasons.append(
            f"blasts and promyelocytes together {percent_text(counted, percent)}: in the range of acute leukaemia "
            f"({thresholds.blasts_acute:g}% or more) if the promyelocytes are leukaemic"
        )


def _grade_monocytes(share: Share, thresholds: Thresholds, flags: list[Flag], reasons: list[str]) -> None:
    """Flag many monocytes. Promonocytes count as blasts, but have no type and are mostly called monocytes."""
    if share.count and share.percent is not None and share.low is not None and share.low >= thresholds.monocytes:
        flags.append(Flag.MONOCYTES)
        reasons.append(
            f"monocytes {share.percent:.1f}% (95% limits {share.low:.1f}–{share.high:.1f}), above "
            f"{thresholds.monocytes:g}%: some may be promonocytes, which count as blasts"
        )


def _flag_lookalikes(differential: Differential, thresholds: Thresholds, flags: list[Flag], reasons: list[str]) -> None:
    """Flag a slide with many cells that look like blasts or immature granulocytes, even if the tests do not."""
    nets = (
        ("blasts", cells.BLASTS, thresholds.blasts_always_seen, Flag.MANY_BLASTS, {Flag.BLASTS}),
        (
            "blasts or promyelocytes",
            cells.BLAST_EQUIVALENTS,
            thresholds.blasts_always_seen,
            Flag.MANY_BLASTS,
            {Flag.BLASTS, Flag.MANY_BLASTS, Flag.BLAST_EQUIVALENTS, Flag.APL},
        ),
        (
            "immature granulocytes",
            cells.IMMATURE_GRANULOCYTES,
            thresholds.ig_always_seen,
            Flag.IG,
            {Flag.IG, Flag.APL, Flag.MANY_BLASTS},
        ),
    )
    for what, members, least, flag, known in nets:
        count, percent = _look_like(differential, members)
        if count and percent >= least and not known & set(flags):
            flags.append(flag)
            verb = "looks" if count == 1 else "look"
            reasons.append(
                f"{number_of(count, 'cell')} ({percent:.1f}% of the leukocytes) {verb} like {what}: "
                f"from {least:g}% on, a morphologist must see them, even if classifier error may explain them"
            )


def _look_like(differential: Differential, members: Sequence[str]) -> tuple[int, float]:
    """The number of cells that are called one of `members`, and their percentage of the leukocytes.

    Where that gives more percent, unidentified cells count as the type with the highest probability.
    """
    unsure = differential.look_like
    called = sum(differential.shares[name].count for name in members)
    seeming = called + sum(unsure.get(name, 0) for name in members)
    whole = differential.leukocytes + sum(unsure.get(name, 0) for name in cells.LEUKOCYTES)
    ways = ((called, differential.leukocytes), (seeming, whole))
    return max(((count, 100 * count / of if of else 0.0) for count, of in ways), key=lambda way: way[1])


def _judge_quality(differential: Differential, thresholds: Thresholds) -> tuple[list[Flag], list[str]]:
    """Flags and remarks on whether the slide has enough usable cells."""
    flags: list[Flag] = []
    remarks: list[str] = []
    if differential.leukocytes < thresholds.least_leukocytes:
        flags.append(Flag.TOO_FEW_CELLS)
        verb = "was" if differential.leukocytes == 1 else "were"
        remarks.append(f"only {number_of(differential.leukocytes, 'leukocyte')} {verb} classified")
    elif differential.leukocytes < thresholds.usual_leukocytes:
        remarks.append(f"{differential.leukocytes} leukocytes counted (usual: {thresholds.usual_leukocytes})")
    unusable = differential.unidentified + differential.unreadable
    images = differential.images - differential.duplicates
    if images and unusable > thresholds.most_unusable * images:
        flags.append(Flag.UNRELIABLE)
        remarks.append(f"{unusable} of {images} images could not be identified or read")
    return flags, remarks


def graded_percent(share: Share, ensemble: Ensemble) -> float:
    """The percentage to compare with the thresholds: the corrected one if there is one, else the counted one.

    A correction that was not tested on validation slides may be wrong: it can raise a percentage, but not lower it.
    """
    return _graded(share.percent or 0.0, share.corrected_percent, ensemble)


def _graded(counted: float, corrected: float | None, ensemble: Ensemble) -> float:
    if corrected is None:
        return counted
    return corrected if ensemble.validation.corrected is not None else max(counted, corrected)


def best_percent(share: Share) -> float:
    """The corrected percentage if there is one, else the counted one; 0 without leukocytes."""
    if share.corrected_percent is not None:
        return share.corrected_percent
    return share.percent or 0.0
