"""The symbol of each verdict on the terminal and on the page. The symbols differ even without colour."""

from slidescreen.screening.finding import Verdict

SYMBOLS = {Verdict.URGENT: "▲", Verdict.REVIEW: "◆", Verdict.INSUFFICIENT: "○", Verdict.CLEAR: "✓"}
