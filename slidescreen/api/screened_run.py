"""A finished run and its slides, for notebooks and scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slidescreen.errors import InputError
from slidescreen.files.run_files import fallback_names
from slidescreen.files.writing import printable
from slidescreen.reporting import frames
from slidescreen.screening.differential import Share
from slidescreen.screening.finding import Verdict
from slidescreen.screening.results import Run, SlideResult
from slidescreen.screening.sentences import number_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class ScreenedSlide:
    """The result of one slide.

    >>> import slidescreen
    >>> slide = slidescreen.read_run("results").slide("left_shift_01")
    >>> slide
    <slide left_shift_01: review>
    >>> slide.leukocytes
    90
    >>> share = slide.shares["immature_granulocytes"]
    >>> print(f"{share.count} cells, {share.percent:.1f}% ({share.low:.1f} to {share.high:.1f}%)")
    19 cells, 21.1% (13.2 to 31.0%)
    """

    result: SlideResult
    _cell_types: tuple[str, ...]

    @property
    def name(self) -> str:
        """The path of the slide's folder, relative to the folder that was classified."""
        return self.result.name

    @property
    def folder(self) -> Path:
        """The folder of its images at the time of classification."""
        return self.result.folder

    @property
    def verdict(self) -> Verdict:
        """`urgent`, `review`, `insufficient` or `clear`. A verdict equals its text."""
        return self.result.finding.verdict

    @property
    def flags(self) -> tuple[str, ...]:
        """The codes of the findings. docs/reference/flags.md explains them."""
        return tuple(map(str, self.result.finding.flags))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences that explain the verdict, with their numbers."""
        return self.result.finding.reasons

    @property
    def images(self) -> int:
        """The number of images."""
        return self.result.differential.images

    @property
    def leukocytes(self) -> int:
        """The number of images classified as leukocytes."""
        return self.result.differential.leukocytes

    @property
    def shares(self) -> Mapping[str, Share]:
        """Count and percentages of each leukocyte type, `blasts` and `immature_granulocytes`, by name.

        Percentages are of the leukocytes, 0–100. Limits are 95%. All are None on a slide without leukocytes.
        """
        return self.result.differential.shares

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """The images that could not be read, and why."""
        return self.result.failures

    def differential(self) -> "pandas.DataFrame":
        """The differential: a row for each of the 14 names in `shares`.

        The column `count` is int. The others are percentages of the leukocytes, 0–100 (float, NaN if undefined):
        `percent` with its exact 95% limits `low` and `high`, and `corrected_percent` with `corrected_low` and
        `corrected_high`, which allow for the classifier's known errors.

        >>> import slidescreen
        >>> slide = slidescreen.read_run("results").slide("blasts_01")
        >>> slide.differential().loc[["myeloblast", "blasts"], ["count", "percent", "low", "high"]].round(1)
                    count  percent   low  high
        cell_type
        myeloblast     49     58.3  47.1  69.0
        blasts         49     58.3  47.1  69.0
        """
        return frames.frame_of_shares(self.shares)

    def cells(self) -> "pandas.DataFrame":
        """A row for each image: the rows of `ScreenedRun.cells` for this slide."""
        return frames.frame_of_cells([self.result], self._cell_types)

    def __repr__(self) -> str:
        return f"<slide {printable(self.name)}: {self.verdict}>"


@dataclass(frozen=True, repr=False)
class ScreenedRun:
    """A run, read from its folder.

    Attributes:
        folder: the folder of the run's files: cells.csv, differential.csv, report.html and run.json.
        result: the run as the package's own modules use it.

    >>> import slidescreen
    >>> run = slidescreen.read_run("results")
    >>> run.verdicts["blasts_01"] == "urgent"
    True
    >>> run.report.name
    'report.html'
    >>> len(run.failures)
    2
    """

    folder: Path
    result: Run

    @property
    def slides(self) -> tuple[ScreenedSlide, ...]:
        """The slides, in the order of the worklist."""
        return tuple(ScreenedSlide(slide, self.cell_types) for slide in self.result.worklist())

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Each slide's verdict by its name, in the order of `slides`."""
        return {slide.name: slide.verdict for slide in self.slides}

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The ensemble's cell types, in the order of its probabilities."""
        return self.result.cell_types

    @property
    def info(self) -> Mapping[str, Any]:
        """The content of `run.json`: versions, hashes of the weights, options, times, counts, warnings."""
        return self.result.info

    @property
    def report(self) -> Path:
        """The path of the run's page."""
        return self.folder / fallback_names(self.info).get("report.html", "report.html")

    @property
    def failures(self) -> tuple[tuple[str, str, str], ...]:
        """The slide and name of each image that could not be read, and why."""
        return tuple((slide.name, image, why) for slide in self.result.slides for image, why in slide.failures)

    @property
    def flawless(self) -> bool:
        """Whether everything could be read and written. The command's exit code is then 0, else 3."""
        return not self.result.has_failures()

    def slide(self, name: str) -> ScreenedSlide:
        """The slide of this name.

        Raises:
            InputError: the run has no such slide.
        """
        for slide in self.slides:
            if slide.name == name:
                return slide
        raise InputError(f"the run has no slide {printable(name)}")

    def cells(self) -> "pandas.DataFrame":
        """A row for each image, with the columns of `cells.csv`.

        These are `slide`, `image`, `status`, `cell_type` (missing unless classified), `probability` of the most
        probable type (0–1, NaN if the ensemble did not see the image), `reported_type` (the laboratory's own call, of
        unsigned slides the analyser's, if there is one), and a column `p_TYPE` (0–1) for each of `cell_types`.
        Probabilities have six decimals.

        >>> import slidescreen
        >>> cells = slidescreen.read_run("results").cells()
        >>> cells.shape
        (299, 23)
        >>> cells.query("slide == 'blasts_01'").cell_type.value_counts().head(2).to_dict()
        {'myeloblast': 49, 'lymphocyte': 25}
        """
        return frames.frame_of_cells(self.result.slides, self.cell_types)

    def differentials(self) -> "pandas.DataFrame":
        """A row for each slide, sorted by name, with the columns of `differential.csv`.

        Counts are int. Percentages are 0–100 with three decimals, and have 95% limits. They are NaN if undefined.
        `flags` are joined by `;`.

        >>> import slidescreen
        >>> table = slidescreen.read_run("results").differentials()
        >>> table.set_index("slide")[["leukocytes", "blasts_percent", "verdict"]]
                       leukocytes  blasts_percent verdict
        slide
        blasts_01              84          58.333  urgent
        left_shift_01          90           0.000  review
        normal_01             108           0.000   clear
        """
        return frames.frame_of_differentials(self.result.slides)

    def __repr__(self) -> str:
        verdicts = list(self.verdicts.values())
        of_each = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
        found = f"{number_of(len(verdicts), 'slide')}{': ' if of_each else ''}{', '.join(of_each)}"
        return f"<run in {printable(self.folder)}: {found}>"
