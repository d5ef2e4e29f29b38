"""Classify the leukocytes of blood-smear slides and screen the slides for leukaemia. For research use only."""

from slidescreen.footprint import forbid_telemetry
from slidescreen.version import __version__ as __version__

forbid_telemetry()
