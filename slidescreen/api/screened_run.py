"""A finished run and its slides, as notebooks and scripts see them."""

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
    """What a run found on one slide.

    >>> import slidescreen
    >>> slide = slidescreen.read_run("results").slide("left_shift_01")
    >>> slide
    <slide left_shift_01: review>
    >>> slide.leukocytes
    88
    >>> share = slide.shares["immature_granulocytes"]
    >>> print(f"{share.count} cells, {share.percent:.1f}% ({share.low:.1f} to {share.high:.1f}%)")
    18 cells, 20.5% (12.6 to 30.4%)
    """

    result: SlideResult
    _cell_types: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its folder's path relative to the folder that was classified."""
        return self.result.name

    @property
    def folder(self) -> Path:
        """Where its images lay when they were classified."""
        return self.result.folder

    @property
    def verdict(self) -> Verdict:
        """`urgent`, `review`, `insufficient` or `clear`; compares with these texts."""
        return self.result.finding.verdict

    @property
    def flags(self) -> tuple[str, ...]:
        """Codes of what was found; docs/reference/flags.md explains them."""
        return tuple(map(str, self.result.finding.flags))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences that explain the verdict, with their numbers."""
        return self.result.finding.reasons

    @property
    def images(self) -> int:
        """How many images it has."""
        return self.result.differential.images

    @property
    def leukocytes(self) -> int:
        """How many of its images were classified as leukocytes."""
        return self.result.differential.leukocytes

    @property
    def shares(self) -> Mapping[str, Share]:
        """Count and percentages of each leukocyte type, `blasts` and `immature_granulocytes`, by name.

        Percentages are 0–100 of the leukocytes, limits are 95%; each is None on a slide without leukocytes.
        """
        return self.result.differential.shares

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Its images that could not be read, and why."""
        return self.result.failures

    def differential(self) -> "pandas.DataFrame":
        """Its differential: a row for each of the names in `shares`, 14 in all.

        Columns: `count` (int), and in percent of the leukocytes, 0–100 (float, NaN where undefined): `percent` with
        its exact 95% limits `low` and `high`, and `corrected_percent` with `corrected_low` and `corrected_high`,
        which allow for the classifier's known errors.

        >>> import slidescreen
        >>> slide = slidescreen.read_run("results").slide("blasts_01")
        >>> slide.differential().loc[["myeloblast", "blasts"], ["count", "percent", "low", "high"]].round(1)
                    count  percent   low  high
        cell_type
        myeloblast     48     57.8  46.5  68.6
        blasts         48     57.8  46.5  68.6
        """
        return frames.frame_of_shares(self.shares)

    def cells(self) -> "pandas.DataFrame":
        """Its images, a row each: the rows that `ScreenedRun.cells` has of this slide."""
        return frames.frame_of_cells([self.result], self._cell_types)

    def __repr__(self) -> str:
        return f"<slide {printable(self.name)}: {self.verdict}>"


@dataclass(frozen=True, repr=False)
class ScreenedRun:
    """What was classified into one folder.

    Attributes:
        folder: where the run's files lie: cells.csv, differential.csv, report.html and run.json.
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
        """The slides, in the order in which they are to be seen."""
        return tuple(ScreenedSlide(slide, self.cell_types) for slide in self.result.worklist())

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Each slide's verdict by its name, in the order of `slides`."""
        return {slide.name: slide.verdict for slide in self.slides}

    @property
    def cell_types(self) -> tuple[str, ...]:
        """The cell types that the ensemble knows, in the order of its probabilities."""
        return self.result.cell_types

    @property
    def info(self) -> Mapping[str, Any]:
        """What `run.json` says: versions, hashes of the weights, options, times, counts, warnings."""
        return self.result.info

    @property
    def report(self) -> Path:
        """The run's page."""
        return self.folder / fallback_names(self.info).get("report.html", "report.html")

    @property
    def failures(self) -> tuple[tuple[str, str, str], ...]:
        """Slide and image of each image that could not be read, and why."""
        return tuple((slide.name, image, why) for slide in self.result.slides for image, why in slide.failures)

    @property
    def flawless(self) -> bool:
        """Whether all images and folders could be read and all files written: the command's exit code 0, not 3."""
        return not self.result.has_failures()

    def slide(self, name: str) -> ScreenedSlide:
        """The slide of a name.

        Raises:
            InputError: the run has no such slide.
        """
        for slide in self.slides:
            if slide.name == name:
                return slide
        raise InputError(f"the run has no slide {printable(name)}")

    def cells(self) -> "pandas.DataFrame":
        """All images: a row each, with the columns of `cells.csv`.

        `slide`, `image`, `status`, `cell_type` (missing unless classified), `probability` of the most probable type
        (0–1, NaN where the image was not looked at), `reported_type` (the laboratory's own call, missing where there
        is none), and a column `p_TYPE` (0–1) for each of `cell_types`. Probabilities have six decimals.

        >>> import slidescreen
        >>> cells = slidescreen.read_run("results").cells()
        >>> cells.shape
        (299, 23)
        >>> cells.query("slide == 'blasts_01'").cell_type.value_counts().head(2).to_dict()
        {'myeloblast': 48, 'lymphocyte': 25}
        """
        return frames.frame_of_cells(self.result.slides, self.cell_types)

    def differentials(self) -> "pandas.DataFrame":
        """All differentials: a row for each slide, with the columns of `differential.csv`, slides by name.

        Counts are int. Percentages are 0–100 with three decimals and have 95% limits; NaN where undefined.
        `flags` are joined by `;`.

        >>> import slidescreen
        >>> table = slidescreen.read_run("results").differentials()
        >>> table.set_index("slide")[["leukocytes", "blasts_percent", "verdict"]]
                       leukocytes  blasts_percent verdict
        slide
        blasts_01              83          57.831  urgent
        left_shift_01          88           0.000  review
        normal_01             107           0.000   clear
        """
        return frames.frame_of_differentials(self.result.slides)

    def __repr__(self) -> str:
        verdicts = list(self.verdicts.values())
        of_each = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
        found = f"{number_of(len(verdicts), 'slide')}{': ' if of_each else ''}{', '.join(of_each)}"
        return f"<run in {printable(self.folder)}: {found}>"
