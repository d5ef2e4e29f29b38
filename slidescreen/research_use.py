"""What every result says of itself, in whatever form it leaves."""

FOR_RESEARCH = "For research use only."
RESEARCH_USE = f"{FOR_RESEARCH} Not a medical device. It makes no diagnosis."
