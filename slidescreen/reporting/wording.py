"""How an evaluation's figures are worded, on the terminal and on pages alike."""

import math
from typing import Protocol

from slidescreen import cells
from slidescreen.evaluation import Comparison, Unscored
from slidescreen.evaluation.predictions import WHY_UNSCORED
from slidescreen.networks import BACKBONES
from slidescreen.statistics.intervals import Interval


class Named(Protocol):
    """Scores of something that has a name."""

    @property
    def name(self) -> str: ...


def model_name(name: str) -> str:
    """A backbone, numbered perhaps, by its full name; other models by theirs."""
    backbone, bracket, number = name.partition(" (")
    return f"{BACKBONES.get(backbone, backbone)}{bracket}{number}"


def display_name(scored: Named) -> str:
    """A cell type, group or contrast in words."""
    return cells.DISPLAY_NAMES.get(scored.name, scored.name.replace("_", " ").capitalize())


def as_number(value: float) -> str:
    """Four digits, or a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{value:.4f}"


def with_limits(value: float, limits: Interval[float]) -> str:
    """A figure and its limits."""
    if math.isnan(value) or math.isnan(limits.low):
        return as_number(value)
    return f"{value:.4f} ({as_limit(limits.low)}–{as_limit(limits.high)})"


def as_limit(value: float) -> str:
    """Three digits, or infinity where a limit is unbounded."""
    return f"{round(value, 3) + 0.0:.3f}".replace("inf", "∞")  # + 0.0: no minus before a zero


def p_text(value: float) -> str:
    """A p-value with its sign."""
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def comparison_sentence(comparison: Comparison) -> str:
    """What the tests between two models found."""
    ranked = [t for t in comparison.types if t.auroc_p_holm is not None]
    text = (
        f"{model_name(comparison.model)} against {model_name(comparison.other)}: right alone "
        f"{comparison.only_first_right} and {comparison.only_other_right} times (McNemar p "
        f"{p_text(comparison.mcnemar_p_holm)}), macro F1 {comparison.macro_f1_difference:+.4f} "
        f"(p {p_text(comparison.macro_f1_p_holm)})"
    )
    if ranked:
        differing = [t.name for t in ranked if (t.auroc_p_holm or 0.0) < 0.05]
        text += f", AUROC differs in {len(differing)} of {len(ranked)} types (DeLong)"
    recalls = [t.name for t in comparison.types if t.mcnemar_p_holm < 0.05]
    text += f", recall in {', '.join(map(_plain_name, recalls)) or 'none'} (McNemar)"
    return f"{text}. Every cell called; p after Holm."


def unscored_sentence(left: Unscored) -> str:
    """What is in no figure, why, and the first few by name, but where the user asked for that."""
    said = f"{WHY_UNSCORED[left.why]}: {left.count}"
    if left.why in ("left_out", "other_split"):
        return said
    return f"{said} ({', '.join(left.first)}{', …' if left.count > len(left.first) else ''})"


def _plain_name(name: str) -> str:
    return name.replace("_", " ")
