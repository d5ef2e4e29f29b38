"""The gain by adapting an ensemble to a laboratory, measured on slides that the adaptation did not learn from."""

from dataclasses import dataclass

_SIGN_MORE = 0.01  # if the learning curve's last step gains more, signing more cells is worthwhile


@dataclass(frozen=True)
class Adaptation:
    """The result of an adaptation.

    Attributes:
        cells: number of signed cells by label.
        slides: number of slides; None if unknown.
        before, after: share of these cells called right, with no cell rejected, by the old ensemble and by an adapted
            one that did not learn from their slides.
        low, high: 95% limits of the difference; None if there are too few slides.
        curve: the share called right, by the largest number of cells of each type to learn from.
        left_out: for each type, its recall by the old ensemble, and its recall after adapting to the other types only.
        guard: the part of its old probability that an unsigned type keeps, 0–1. Blasts and promyelocytes keep all.
        unsigned: types without a signed cell.
        adopted: whether the new ensemble is the adapted one; if not, it is the old one.
    """

    cells: dict[str, int]
    slides: int | None
    before: float
    after: float
    low: float | None
    high: float | None
    curve: dict[str, float]
    left_out: dict[str, tuple[float, float]]
    guard: float
    unsigned: tuple[str, ...]
    adopted: bool


def worth_signing_more(found: Adaptation) -> bool:
    """Whether the last step of the learning curve still brought a gain."""
    values = list(found.curve.values())
    return len(values) > 1 and values[-1] - values[-2] > _SIGN_MORE
