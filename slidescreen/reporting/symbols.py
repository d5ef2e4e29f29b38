"""How each verdict is marked, on the terminal and on the page: told apart without colour."""

from slidescreen.screening.finding import Verdict

SYMBOLS = {Verdict.URGENT: "▲", Verdict.REVIEW: "◆", Verdict.INSUFFICIENT: "○", Verdict.CLEAR: "✓"}
