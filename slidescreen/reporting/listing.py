"""What `classify --list` shows: the recognised slides, and everything that is passed over."""

from typing import Any

from rich.markup import escape
from rich.table import Table

from slidescreen import output
from slidescreen.data.skipped_files import sentences
from slidescreen.data.slides import Survey
from slidescreen.files.writing import printable

_MOST_NAMES = 20  # listed of each kind of passed-over item


def show_survey(found: Survey) -> None:
    """Print a row for each slide, then remarks on the layout, then what is passed over."""
    console = output.console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("slide", overflow="fold", min_width=8)
    table.add_column("images", justify="right", no_wrap=True)
    table.add_column("recognised by", overflow="fold")
    for slide in found.slides:
        layout = f"{slide.layout}: {slide.absence}" if slide.absence else slide.layout
        table.add_row(escape(slide.name), str(len(slide.images)), escape(layout))
    if found.slides:
        console.print(table)
    refused = sum(bool(image.refusal) for slide in found.slides for image in slide.images)
    total = f"\nslides: {len(found.slides)}, images: {sum(len(slide.images) for slide in found.slides)}"
    console.print(f"{total}, unreadable: {refused}" if refused else total)
    for remark in found.remarks:
        console.print(f"layout: {escape(remark)}")
    for line in sentences(found.to_record()["passed_over"], _MOST_NAMES):
        console.print(f"passed over: {escape(line)}")
    console.print("Nothing was classified.")


def survey_to_dict(found: Survey) -> dict[str, Any]:
    """The survey for scripts."""
    return {
        "input": printable(found.folder),
        "slides": [
            {
                "slide": slide.name,
                "folder": printable(slide.folder),
                "images": len(slide.images),
                "cannot_be_read": sum(bool(image.refusal) for image in slide.images),
                "recognised_by": slide.layout,
                "absence": slide.absence,
            }
            for slide in found.slides
        ],
        **found.to_record(),
    }
