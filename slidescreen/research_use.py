"""What every result says of itself, in whatever form it leaves."""

RESEARCH_USE = "For research use only. Not a medical device. It makes no diagnosis."
