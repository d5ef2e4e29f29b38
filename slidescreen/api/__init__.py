"""The interface for notebooks and scripts: `classify` does what the command does, `read_run` reads a finished run.

>>> import slidescreen
>>> run = slidescreen.classify("sample_data", "results")
>>> run
<run in results: 3 slides: 1 urgent, 1 review, 1 clear>
>>> for slide in run.slides:
...     print(slide.name, slide.verdict, ", ".join(slide.flags))
blasts_01 urgent blasts, blasts_5, blasts_20, lineage_myeloid
left_shift_01 review ig, left_shift
normal_01 clear
"""

from slidescreen.api.functions import classify, read_run
from slidescreen.api.screened_run import ScreenedRun, ScreenedSlide

__all__ = ["ScreenedRun", "ScreenedSlide", "classify", "read_run"]
