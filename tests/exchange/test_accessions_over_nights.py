"""A result of several slides stays whole, or is refused, after one of them has left the worklist."""

import shutil
from pathlib import Path

import pytest
from conftest import Command, Outcome, write_cells

SUM = "--sum-accessions"


class Laboratory:
    """Nights over one folder of slides, whose accession number is the part of the name before the underscore."""

    def __init__(self, command: Command, folder: Path) -> None:
        self._command, self._folder = command, folder
        self.slides, self.out = folder / "in", folder / "run"
        for seed, name in enumerate(("26-1_a", "26-1_b", "26-2_a")):
            self.add(name, seed)

    def add(self, name: str, seed: int, cells: int = 3) -> None:
        write_cells(self.slides / name, cells, first_seed=10 * seed)

    def remove(self, name: str) -> None:
        shutil.rmtree(self.slides / name)

    def night(self, *options: str, orders: str = "") -> Outcome:
        """A night that archives vanished slides at once. An interface engine took the files of the night before."""
        for path in (self.out / "export").glob("*.hl7"):
            path.unlink()
        told: tuple[object, ...] = ("--order-pattern", r"(?P<accession>26-\d+)_")
        if orders:
            (self._folder / "orders.csv").write_text(f"slide,accession,patient\n{orders}")
            told = ("--orders", self._folder / "orders.csv")
        export = ("--export", "hl7", *told, *options)
        return self._command("classify", self.slides, "--out", self.out, "--keep", "0", "-q", *export)

    def written(self) -> set[str]:
        return {path.name for path in (self.out / "export").glob("*.hl7")}


@pytest.fixture
def laboratory(command: Command, tmp_path: Path) -> Laboratory:
    return Laboratory(command, tmp_path)


def test_a_part_of_a_sum_is_not_sent_after_a_slide_was_archived(laboratory: Laboratory) -> None:
    assert laboratory.night(SUM).code == 0
    assert laboratory.written() == {"26-1_a+26-1_b.hl7", "26-2_a.hl7"}
    laboratory.remove("26-1_a")
    after = laboratory.night(SUM)
    assert laboratory.written() == set()
    assert after.code == 0  # the laboratory has the whole result
    assert "an earlier night also had 26-1_a with accession number 26-1: 26-1_b" in after.err
    laboratory.add("26-1_b", 7, cells=5)
    changed = laboratory.night(SUM)
    assert laboratory.written() == set()
    assert changed.code == 3  # it lacks the change
    assert "26-1_a" in changed.err
    assert laboratory.night(SUM).code == 3


def test_the_rest_of_refused_slides_is_refused_after_one_was_archived(laboratory: Laboratory) -> None:
    assert laboratory.night().code == 3
    laboratory.remove("26-1_a")
    for _ in range(2):
        after = laboratory.night()
        assert after.code == 3
        assert "26-1_b.hl7" not in laboratory.written()
        assert "an earlier night also had 26-1_a with accession number 26-1: 26-1_b" in after.err


def test_a_slide_that_joins_the_rest_does_not_make_it_whole(laboratory: Laboratory) -> None:
    laboratory.night(SUM)
    laboratory.remove("26-1_a")
    laboratory.add("26-1_c", 8)
    assert laboratory.night(SUM).code == 3
    laboratory.remove("26-1_b")
    assert laboratory.night(SUM).code == 3
    assert laboratory.written() == set()


def test_slides_that_come_back_or_join_are_sent(laboratory: Laboratory) -> None:
    laboratory.night(SUM)
    laboratory.remove("26-1_a")
    laboratory.night(SUM)
    laboratory.add("26-1_a", 0)
    laboratory.add("26-1_c", 8)
    assert laboratory.night(SUM).code == 0
    assert laboratory.written() == {"26-1_a+26-1_b+26-1_c.hl7"}


def test_a_slide_that_orders_give_another_accession_number_leaves_a_whole_result(laboratory: Laboratory) -> None:
    laboratory.night(orders="26-1_a,26-1,5\n26-1_b,26-1,5\n26-2_a,26-2,6\n")
    after = laboratory.night(orders="26-1_a,26-9,5\n26-1_b,26-1,5\n26-2_a,26-2,6\n")
    assert after.code == 0
    assert laboratory.written() == {"26-1_a.hl7", "26-1_b.hl7"}


def test_slides_whose_orders_an_earlier_table_told_stay_together(laboratory: Laboratory) -> None:
    laboratory.night(SUM, orders="26-1_a,26-1,5\n26-1_b,26-1,5\n26-2_a,26-2,6\n")
    assert laboratory.written() == {"26-1_a+26-1_b.hl7", "26-2_a.hl7"}
    after = laboratory.night(SUM, orders="26-1_b,26-1,5\n26-2_a,26-2,6\n")
    assert laboratory.written() == set()
    assert after.code == 0  # an order that is not told is the same as before
    other = laboratory.night(SUM, orders="26-1_b,26-1,7\n26-2_a,26-2,6\n")
    assert laboratory.written() == set()
    assert other.code == 3
    assert "different orders or patients: 26-1_a, 26-1_b" in other.err


def test_a_report_writes_no_part_of_what_nights_sent_as_a_whole(laboratory: Laboratory, command: Command) -> None:
    laboratory.night(SUM)
    laboratory.remove("26-1_a")
    laboratory.night(SUM)
    options = ("--export", "hl7", "--order-pattern", r"(?P<accession>26-\d+)_", SUM)
    (month,) = (path for path in (laboratory.out / "archive").iterdir() if path.is_dir())
    for source, whole in ((laboratory.out, {"26-2_a.hl7"}), (month, set())):
        place = laboratory.out.parent / f"outbox-{source.name}"
        done = command("report", source, *options, "--out", place)
        assert done.code == 3
        assert "with accession number 26-1" in done.err
        assert {path.name for path in place.iterdir()} == whole


@pytest.mark.parametrize("content", ["[]", "{", '{"files": {"a": 1}, "accessions": 7}', '{"accessions": {"26-1": 3}}'])
def test_a_damaged_list_exports_everything_again(laboratory: Laboratory, content: str) -> None:
    laboratory.night(SUM)
    (laboratory.out / "export" / ".exported.json").write_text(content)
    assert laboratory.night(SUM).code == 0
    assert laboratory.written() == {"26-1_a+26-1_b.hl7", "26-2_a.hl7"}


def test_a_report_writes_no_result_whose_order_is_not_at_hand(laboratory: Laboratory, command: Command) -> None:
    laboratory.night(orders="26-1_a,26-1,5\n26-1_b,26-3,5\n")
    place = laboratory.out.parent / "outbox"
    table = laboratory.out.parent / "orders.csv"
    table.write_text("slide,accession,patient\n26-1_a,26-1,5\n")
    for options, written in (((), {"26-2_a.hl7"}), (("--orders", table), {"26-1_a.hl7", "26-2_a.hl7"})):
        done = command("report", laboratory.out, "--export", "hl7", "--out", place, *options)
        assert done.code == 3
        assert "no line of --orders tells the order that they had before: " in done.err
        assert {path.name for path in place.iterdir()} == written
