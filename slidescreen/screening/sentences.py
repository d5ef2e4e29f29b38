"""The sentences that give a verdict's reasons."""

from collections.abc import Sequence

from slidescreen.screening.differential import Differential, Share
from slidescreen.screening.excess import ExcessTest
from slidescreen.screening.thresholds import Thresholds
from slidescreen.statistics.intervals import trials_to_decide


def number_of(count: int, what: str) -> str:
    """A count and its noun."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def percent_text(counted: float | None, graded: float) -> str:
    """A percentage, and beside it the one that is graded, if that is corrected."""
    text = f"{counted or 0.0:.1f}%"
    return text if text == f"{graded:.1f}%" else f"{text}, corrected {graded:.1f}%"


def excess_sentence(what: str, differential: Differential, share: Share, found: ExcessTest) -> str:
    """A group's number of cells, and the number expected from classifier error."""
    among = number_of(differential.leukocytes, "leukocyte")
    text = f"{number_of(found.count, what)} among {among} ({share.percent:.1f}%"
    if share.corrected_percent is not None:
        text += f", corrected {share.corrected_percent:.1f}%, "
        text += f"95% limits {share.corrected_low:.1f}–{share.corrected_high:.1f}"
    text += ")"
    if found.expected is not None and found.p_value is not None:
        tested = "" if found.certain == found.count else f", {found.certain} of them certain"
        text += f"{tested}, expected from classifier error: {found.expected:.1f} (p {_p_text(found.p_value)})"
    return text


def nothing_found(differential: Differential, blasts: ExcessTest, immature: ExcessTest, thresholds: Thresholds) -> str:
    """Why a slide is clear."""
    found = (_tested(blasts, "blast"), _tested(immature, "immature granulocyte"))
    counted = f"{' and '.join(found)} among {number_of(differential.leukocytes, 'leukocyte')}"
    percent = _below(differential.shares["immature_granulocytes"], thresholds.ig_raised)
    few = f"immature granulocytes {percent}below {thresholds.ig_raised:g}%"
    significant = immature.significant(thresholds.error_rate)
    if blasts.expected is None:  # error rates were not measured, and no cell was called a blast
        return f"{counted}: {few}" if significant else counted
    return (
        f"{counted}: blasts {_expected(blasts)}, {few}" if significant else f"{counted}: {_expected(blasts, immature)}"
    )


def _below(share: Share, limit: float) -> str:
    """A corrected percentage below a limit, with as many digits as show that, where the counted one is not below."""
    if share.percent is None or share.corrected_percent is None or share.percent < limit:
        return ""
    digits = next((n for n in range(1, 6) if round(share.corrected_percent, n) < limit), 6)
    return f"{share.percent:.1f}%, corrected {share.corrected_percent:.{digits}f}%: "


def _expected(*tests: ExcessTest) -> str:
    """What the tests say that found nothing. They look at certain calls only."""
    certain = "certain ones " if any(found.certain < found.count for found in tests) else ""
    return f"no more {certain}than expected from classifier error"


def _tested(found: ExcessTest, what: str) -> str:
    """The number of calls, and of calls certain enough for the test."""
    text = number_of(found.count, what)
    if found.certain == found.count:
        return text
    return f"{text} ({found.certain or 'none'} of them certain)" if found.count > 1 else f"{text} (not certain)"


def undecided(what: str, share: Share, differential: Differential, cut_offs: Sequence[float]) -> list[str]:
    """If the limits of a percentage include a cut-off: a sentence with the number of leukocytes that would decide. The
    percentage is the corrected one if there is one, as in the sentence before."""
    percent, low, high = share.corrected_percent, share.corrected_low, share.corrected_high
    if percent is None or low is None or high is None:
        percent, low, high = share.percent, share.low, share.high
    if percent is None or low is None or high is None:
        return []
    for cut_off in cut_offs:
        if low < cut_off < high:
            needed = trials_to_decide(percent / 100, cut_off / 100)
            count = f"about {needed}" if needed else "more than 5000"
            if 0 < (needed or 0) <= differential.leukocytes:
                count = "a few more"
            counted = number_of(differential.leukocytes, "leukocyte")
            return [f"the 95% limits for {what} include {cut_off:g}%: {counted} counted, {count} needed to decide"]
    return []


def _p_text(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"= {p:.4f}"
