"""The notice that every result carries, whatever its format."""

FOR_RESEARCH = "For research use only."
RESEARCH_USE = f"{FOR_RESEARCH} Not a medical device. It makes no diagnosis."
