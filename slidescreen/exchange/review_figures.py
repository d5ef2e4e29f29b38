"""The figures of a review that a report tells."""

from slidescreen.screening.slide_review import SlideReview


def review_figures(review: SlideReview) -> dict[str, str]:
    """The percentages that matter most, by the reviewed cell types: a text for each name."""
    shares = {name: review.shares[name].percent for name in ("blasts", "immature_granulocytes")}
    return {name: "undefined" if percent is None else f"{percent:.1f}%" for name, percent in shares.items()}
