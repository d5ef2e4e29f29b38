"""Classify the leukocytes of blood-smear slides and screen the slides for leukaemia. For research use only."""

from importlib.metadata import PackageNotFoundError, version

from slidescreen.footprint import forbid_telemetry

forbid_telemetry()

try:
    __version__ = version("slidescreen")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0.0.0"
