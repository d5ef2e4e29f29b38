"""What adapting an ensemble to a laboratory brings, as found on cells of slides that it did not learn from."""

from dataclasses import dataclass

_SIGN_MORE = 0.01  # a gain from one step of the learning curve to the next that is worth signing for


@dataclass(frozen=True)
class Adaptation:
    """What an adaptation found.

    Attributes:
        cells: signed cells by label.
        slides: how many; None where they are not known.
        before, after: share of these cells called right, every cell called: by the old ensemble, and by an adapted one
            that did not learn from their slides.
        low, high: 95% limits of the difference; none where there are too few slides.
        curve: of cells of each type at most, the share called right.
        left_out: of each type, its recall by the old ensemble, and after adapting to the other types.
        guard: how much of its old probability an unsigned type keeps, 0–1; blasts and promyelocytes keep all.
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
    """Whether the last step of the learning curve still gained."""
    values = list(found.curve.values())
    return len(values) > 1 and values[-1] - values[-2] > _SIGN_MORE
