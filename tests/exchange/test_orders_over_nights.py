"""A result keeps the order of an earlier night, and is not sent where that order is not at hand."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drawn_slides import LEUKAEMIC, run_of, segments, slide_of
from test_later_exports import signed
from test_screening import NORMAL

from slidescreen.exchange.formats import Exporter
from slidescreen.exchange.options import ExportFormat, ExportOptions
from slidescreen.exchange.orders import Order
from slidescreen.runs.export_memory import read_memory
from slidescreen.runs.monitoring import Monitor
from slidescreen.runs.result_export import export_night
from slidescreen.screening.results import SlideResult

A, B, C = slide_of("a", NORMAL), slide_of("b", LEUKAEMIC), slide_of("c", NORMAL)
A1, A2, B1, B2 = "a,26-1,ORD-1,81", "a,26-2,ORD-2,82", "b,26-1,ORD-1,81", "b,26-1,ORD-2,82"
NONE = "z,26-9,ORD-9,99"  # a line of another slide
PATTERN = r"^(?P<accession>.)"
OLD = "no line of --orders tells the order that they had before: "


class Screen:
    """A display that keeps what it shows."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def note(self, text: str) -> None:
        pass


@dataclass
class Night:
    """What a night exported: files by name, warnings, and the number of files that should have been written."""

    files: dict[str, str]
    warned: list[str]
    unwritten: int

    def order(self, name: str) -> tuple[str, str, str]:
        """Accession number, placer's order number and patient of a written file."""
        text = self.files[f"{name}.hl7"]
        request, patients = segments(text, "OBR")[0], segments(text, "PID")
        return request[3], request[2], patients[0][3] if patients else ""


class Outbox:
    """Nights into one folder, whose files an interface engine takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.list = folder / "export" / ".exported.json"

    def night(self, slides: Sequence[SlideResult], *lines: str, **options: Any) -> Night:
        table = self.folder / "orders.csv"
        if lines:
            table.write_text("\n".join(["slide,accession,placer,patient", *lines]))
            options["orders"] = table
        screen = Screen()
        monitor = Monitor(screen)  # type: ignore[arg-type]
        export_night(run_of(*slides), Exporter(ExportOptions((ExportFormat.HL7,), **options)), self.folder, monitor)
        files = {path.name: path.read_bytes().decode() for path in self.list.parent.glob("*.hl7") if path.is_file()}
        for name in files:
            (self.list.parent / name).unlink()
        return Night(files, screen.warned, len(monitor.unwritten))


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


@pytest.mark.parametrize("sums", [True, False])
def test_slides_of_two_patients_are_refused_on_every_night_that_lacks_their_lines(outbox: Outbox, sums: bool) -> None:
    for lines in ((A1, B2), (NONE,), (), (A1,), (B2,), (NONE,)):
        night = outbox.night([A, B], *lines, sum_accessions=sums)
        assert (night.files, night.unwritten) == ({}, 2), lines


def test_a_third_slide_that_was_refused_is_never_added(outbox: Outbox) -> None:
    assert outbox.night([A, B], A1, B1, sum_accessions=True).order("a+b") == ("26-1", "ORD-1", "81")
    for lines in (("c,26-1,ORD-3,83",), (NONE,), (A1, B1)):
        night = outbox.night([A, B, C], *lines, sum_accessions=True)
        assert (night.files, night.unwritten) == ({}, 3), lines


def test_a_slide_of_a_later_night_does_not_replace_the_result_of_another(outbox: Outbox) -> None:
    assert outbox.night([A], A1).order("a") == ("26-1", "ORD-1", "81")
    for lines in ((B1,), (B2,), (NONE,)):
        night = outbox.night([A, B], *lines)
        assert (night.files, night.unwritten) == ({}, 2), lines


def test_a_slide_does_not_replace_the_result_of_one_in_the_archive(outbox: Outbox) -> None:
    outbox.night([A], A1)
    for lines in ((B1,), (B2,), (NONE,)):
        for sums in (True, False):
            night = outbox.night([B], *lines, sum_accessions=sums)
            assert (night.files, night.unwritten) == ({}, 1), lines
            assert "an earlier night also had a with accession number 26-1: b" in night.warned[-1]


def test_a_line_frees_the_accession_number_of_a_slide_in_the_archive_for_good(outbox: Outbox) -> None:
    outbox.night([A], A1)
    assert outbox.night([B], B1, "a,26-7,ORD-1,81").order("b") == ("26-1", "ORD-1", "81")
    assert outbox.night([signed(B)], B1).order("b") == ("26-1", "ORD-1", "81")


def test_slides_of_several_nights_are_added_up_for_the_same_order(outbox: Outbox) -> None:
    outbox.night([A], A1, sum_accessions=True)
    assert outbox.night([A, B], B1, sum_accessions=True).order("a+b") == ("26-1", "ORD-1", "81")
    quiet = outbox.night([A, B], NONE, sum_accessions=True)
    assert (quiet.files, quiet.unwritten) == ({}, 0)
    assert outbox.night([A, signed(B)], A1, sum_accessions=True).order("a+b") == ("26-1", "ORD-1", "81")
    assert outbox.night([A, B], NONE, sum_accessions=True).unwritten == 1


@pytest.mark.parametrize("lines", [(NONE,), ()])
@pytest.mark.parametrize("options", [{}, {"order_pattern": PATTERN}])
def test_a_changed_result_whose_order_is_not_at_hand_is_not_sent(
    outbox: Outbox, lines: tuple[str, ...], options: dict[str, str]
) -> None:
    outbox.night([A], A1, **options)
    for slide, missing in ((A, 0), (signed(A), 1), (slide_of("a", LEUKAEMIC), 1), (A, 0)):
        night = outbox.night([slide], *lines, **options)
        assert (night.files, night.unwritten) == ({}, missing)
        assert sum(text.endswith(f"{OLD}a") for text in night.warned) == missing
    assert outbox.night([signed(A)], A1, **options).order("a") == ("26-1", "ORD-1", "81")


def test_one_warning_names_all_slides_whose_orders_are_not_at_hand(outbox: Outbox) -> None:
    outbox.night([A, B], A1, "b,26-3,ORD-3,83")
    night = outbox.night([signed(A), signed(B)], NONE)
    assert night.unwritten == 2
    assert [text for text in night.warned if OLD in text] == [f"not exported, because {OLD}a, b"]


def test_an_accession_number_without_placer_and_patient_is_kept(outbox: Outbox) -> None:
    outbox.night([A, B], "a,26-1,,")
    for options in ({}, {"order_pattern": PATTERN}):
        night = outbox.night([signed(A) if not options else A, B], NONE, **options)
        assert night.order("a") == ("26-1", "", "")
    assert outbox.night([signed(A), signed(B)]).order("a") == ("26-1", "", "")


def test_a_pattern_that_is_no_longer_given_has_not_changed_the_accession_number(outbox: Outbox) -> None:
    slide = slide_of("26-1_a", NORMAL)
    outbox.night([slide], order_pattern=r"(?P<accession>26-\d)")
    assert outbox.night([slide]).files == {}
    assert outbox.night([signed(slide)]).order("26-1_a") == ("26-1", "", "")
    assert outbox.night([signed(slide)], order_pattern=r"(?P<accession>26)").order("26-1_a") == ("26", "", "")


def test_an_order_that_could_not_be_sent_is_not_forgotten(outbox: Outbox) -> None:
    outbox.night([A], A1)
    blocked = outbox.list.parent / "a.hl7"
    blocked.mkdir()
    (blocked / "file").touch()
    assert outbox.night([A], A2).unwritten == 1
    (blocked / "file").unlink()
    blocked.rmdir()
    night = outbox.night([A], NONE)
    assert (night.files, night.unwritten) == ({}, 1)
    assert outbox.night([A], A2).order("a") == ("26-2", "ORD-2", "82")


def test_no_patient_and_no_placer_is_stored(outbox: Outbox) -> None:
    outbox.night([A], "a,26-1,PLACER-77,PATIENT-88")
    assert "26-1" in outbox.list.read_text()
    assert not {"PLACER-77", "PATIENT-88"} & set(outbox.list.read_text().split('"'))


def test_a_night_warns_only_of_orders_of_what_it_exports(outbox: Outbox) -> None:
    first = outbox.night([A, B, C], NONE, "b,26-3,,", "c,26-4,ORD-4,84")
    without = "exported without placer's order number and patient"
    assert first.warned == [f"--orders has no line for a: {without}, and with the name as accession number"]
    assert outbox.night([A, B, C], NONE).warned == []
    assert outbox.night([A, signed(B), C], NONE).warned == [f"--orders has no line for b: {without}"]
    assert outbox.night([A, signed(B), signed(C)], NONE).warned == [f"not exported, because {OLD}c"]


def test_a_slide_whose_order_another_line_tells_is_exported_without_a_warning(outbox: Outbox) -> None:
    outbox.night([A, B], A1, B1, sum_accessions=True)
    night = outbox.night([A, signed(B)], A1, sum_accessions=True)
    assert (len(night.files), night.warned) == (1, [])


def test_a_pattern_that_does_not_match_is_said_only_of_what_is_exported(outbox: Outbox) -> None:
    (said,) = outbox.night([A], order_pattern="(?P<accession>26)").warned
    assert said == "--order-pattern does not match a: exported with the name as accession number"
    assert outbox.night([A], order_pattern="(?P<accession>26)").warned == []


@pytest.mark.parametrize("name", ["A", "a ", " a"])
def test_a_line_with_the_slides_name_in_another_spelling_tells_its_order(outbox: Outbox, name: str) -> None:
    assert outbox.night([A], f"{name},26-1,ORD-1,81").order("a") == ("26-1", "ORD-1", "81")
    assert outbox.night([signed(A)], f"{name},26-1,ORD-1,82").order("a") == ("26-1", "ORD-1", "82")


def test_a_line_never_tells_the_order_of_a_slide_that_it_may_not_mean(outbox: Outbox) -> None:
    other = slide_of("A", NORMAL)
    first = outbox.night([A, other], A1)
    patients = {text.split("SPM|1|^")[1][0]: "PID|" in text for text in first.files.values()}
    assert patients == {"a": True, "A": False}
    (later,) = outbox.night([signed(other)], "a,26-7,ORD-7,87").files.values()  # "a" is in the archive
    assert "PID|" not in later


CASES = ("26A-17", "26a-17")


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize(("first", "second"), [CASES, CASES[::-1]])
def test_a_slide_whose_name_differs_in_letter_case_has_no_other_exported_again(
    first: str, second: str, is_old: bool, outbox: Outbox
) -> None:
    before, new = slide_of(first, NORMAL), slide_of(second, LEUKAEMIC)
    line = f"{first},26-1,ORD-1,81"
    assert [*outbox.night([before], line).files] == [f"{first}.hl7"]
    if is_old:
        TestListOfAnEarlierRelease().make_old(outbox)
    night = outbox.night([before, new], f"{second},26-2,ORD-2,82")
    (name,) = night.files
    assert name.lower() != f"{first}.hl7".lower()
    assert name.startswith(second)
    assert (night.order(name.removesuffix(".hl7")), night.warned, night.unwritten) == (("26-2", "ORD-2", "82"), [], 0)
    for slides in ([before, new], [new, before], [new], [before]):
        night = outbox.night(slides, NONE)
        assert (night.files, night.warned, night.unwritten) == ({}, [], 0)
    assert [*outbox.night([signed(before), new], line).files] == [f"{first}.hl7"]
    assert [*outbox.night([before, signed(new)], f"{second},26-2,ORD-2,82").files][-1] == name


def test_a_file_in_the_outbox_is_not_replaced_by_that_of_a_slide_in_other_letter_case(outbox: Outbox) -> None:
    first, second = (slide_of(name, NORMAL) for name in CASES)
    names = {name for slide in (first, second) for name in outbox.night([slide]).files}  # the first is in the archive
    assert len({name.lower() for name in names}) == 2


class TestListOfAnEarlierRelease:
    """Such a list has the digest of each file's order, and accession numbers of several slides alone."""

    def make_old(self, outbox: Outbox, accessions: dict[str, dict[str, str]] | None = None) -> None:
        content = json.loads(outbox.list.read_text())
        outbox.list.write_text(json.dumps({"files": content["files"], "accessions": accessions or {}}))

    def test_an_order_that_it_may_have_had_is_not_lost(self, outbox: Outbox) -> None:
        outbox.night([A], A1)
        self.make_old(outbox)
        assert outbox.night([A], NONE).unwritten == 0
        self.make_old(outbox)
        assert outbox.night([signed(A)], NONE).unwritten == 1
        assert outbox.night([signed(A)], NONE).unwritten == 1
        assert outbox.night([signed(A)], A1).order("a") == ("26-1", "ORD-1", "81")

    @pytest.mark.parametrize("options", [{}, {"order_pattern": PATTERN}])
    def test_a_slide_without_an_order_stays_without_one(self, outbox: Outbox, options: dict[str, str]) -> None:
        slide = slide_of("xyz", NORMAL)
        first = outbox.night([slide], **options).order("xyz")
        self.make_old(outbox)
        assert outbox.night([signed(slide)], **options).order("xyz") == first

    @pytest.mark.parametrize("slides", [(A, B), (B,)])
    def test_a_result_is_not_replaced_by_one_of_the_same_order(
        self, outbox: Outbox, slides: tuple[SlideResult, ...]
    ) -> None:
        outbox.night([A], A1)
        self.make_old(outbox)
        for line in (B1, NONE):
            night = outbox.night(slides, line)
            assert (night.files, night.unwritten) == ({}, len(slides))

    def test_refused_slides_stay_refused(self, outbox: Outbox) -> None:
        outbox.night([C], "c,26-3,,")
        self.make_old(outbox, {"26-1": {"a": "", "b": ""}})
        for line in (NONE, A1):
            assert outbox.night([A, B, C], line, sum_accessions=True).unwritten == 2
        assert outbox.night([A, B, C], A1, B1, sum_accessions=True).order("a+b") == ("26-1", "ORD-1", "81")

    def test_a_sum_is_sent_again_only_with_its_order(self, outbox: Outbox) -> None:
        outbox.night([A, B], A1, B1, sum_accessions=True)
        sent = {name: each.sent for name, each in read_memory(outbox.list.parent).slides.items()}
        self.make_old(outbox, {"26-1": sent})
        assert outbox.night([A, B], NONE, sum_accessions=True).unwritten == 0
        assert outbox.night([A, signed(B)], NONE, sum_accessions=True).unwritten == 1
        assert outbox.night([A, signed(B)], A1, sum_accessions=True).order("a+b") == ("26-1", "ORD-1", "81")

    def test_the_oldest_list_tells_only_what_is_unchanged(self, outbox: Outbox) -> None:
        outbox.list.parent.mkdir()
        outbox.list.write_text(
            json.dumps({"a.hl7": hashlib.sha256(repr(Order("26-1", "O", "8")).encode()).hexdigest()})
        )
        night = outbox.night([A], NONE)
        assert (night.files, night.unwritten) == ({}, 1)
        assert outbox.night([A], NONE).unwritten == 1
        assert outbox.night([A], A1).order("a") == ("26-1", "ORD-1", "81")
