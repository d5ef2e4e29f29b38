"""Slides are shared out to machines that refuse, break and vanish: each comes back exactly once."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from hypothesis import given
from hypothesis import strategies as st

from slidescreen.data.calls import Call, Status
from slidescreen.data.slides import CellImage, Slide
from slidescreen.errors import InputError, StoppedError
from slidescreen.runs import distribution
from slidescreen.runs import night as nights
from slidescreen.runs.classification import Classification
from slidescreen.runs.distribution import MOST_TRIES, Distribution, Lost, Node
from slidescreen.runs.ray_worker import SlideCalls, Unfit

Answer = SlideCalls | Unfit | Lost


def slide(name: str, images: int = 2) -> Slide:
    return Slide(
        name, Path("in") / name, [CellImage(Path(f"in/{name}/{n}.jpg"), f"{n}.jpg", "Band") for n in range(images)]
    )


def calls_of(one: Slide, probability: float = 0.75) -> tuple[Call, ...]:
    return tuple(
        Call(image.name, Status.CLASSIFIED, "neutrophil", probability, probabilities=(probability, 1 - probability))
        for image in one.images
    )


@dataclass
class Pretended:
    """Machines that do a task when they are asked how it ended, as `behave` says."""

    machines: dict[str, int]
    behave: Callable[[str, Sequence[Slide]], Answer]
    begun: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    under_way: dict[int, tuple[str, Sequence[Slide]]] = field(default_factory=dict)
    most: Counter[str] = field(default_factory=Counter)

    def nodes(self) -> Sequence[Node]:
        return [Node(name, f"host-{name}", slots) for name, slots in self.machines.items()]

    def begin(self, node: Node, slides: Sequence[Slide]) -> int:
        self.begun.append((node.identity, tuple(each.name for each in slides)))
        ticket = len(self.begun)
        self.under_way[ticket] = node.identity, slides
        now = Counter(name for name, _ in self.under_way.values())
        self.most |= now
        return ticket

    def finished(self, tickets: Sequence[int], seconds: float) -> int:
        return sorted(tickets)[len(self.begun) % len(tickets)]

    def answer(self, ticket: int) -> Answer:
        return self.behave(*self.under_way.pop(ticket))


def well(engine: str = "engine") -> Callable[[str, Sequence[Slide]], Answer]:
    return lambda _, slides: SlideCalls(engine, tuple(map(calls_of, slides)))


def shared_out(
    place: Pretended, slides: Sequence[Slide], visible: bool = True
) -> tuple[dict[str, tuple[Call, ...]], Distribution, list[str]]:
    said: list[str] = []
    one = Distribution(place, said.append, said.append, lambda _: visible)
    found = [(each.name, calls) for each, calls in one.run(slides)]
    assert len(found) == len(dict(found)), "a slide came back twice"
    return dict(found), one, said


@given(
    st.lists(st.integers(0, 600), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), min_size=1),
    st.lists(st.sampled_from(["well", "well", "well", "lost", "unbegun"]), max_size=60),
)
def test_whatever_ends_each_slide_comes_back_once(sizes: list[int], machines: dict[str, int], fates: list[str]) -> None:
    slides = [slide(f"S{number:02}", size) for number, size in enumerate(sizes)]
    coming = list(fates)
    tries: Counter[str] = Counter()

    def behave(_: str, asked: Sequence[Slide]) -> Answer:
        fate = coming.pop() if coming else "well"
        tries.update(each.name for each in asked if fate == "lost")
        return {"lost": Lost("its process ended"), "unbegun": Lost("gone", begun=False)}.get(fate) or well()("", asked)

    place = Pretended(machines, behave)
    try:
        found, _, _ = shared_out(place, slides)
    except InputError:  # so many ended in a row that every machine counts as broken
        assert fates.count("lost") >= 4 * len(machines)
        return
    assert set(found) == {each.name for each in slides}
    for each in slides:
        lost = tries[each.name] >= MOST_TRIES
        assert found[each.name] == (
            distribution.unreadable(each, found[each.name][0].reason) if lost else calls_of(each)
        )
        assert tries[each.name] <= MOST_TRIES
    assert all(place.most[name] <= 2 * slots for name, slots in machines.items())


def test_a_slide_whose_process_always_ends_becomes_unreadable_after_four_tries() -> None:
    def behave(_: str, asked: Sequence[Slide]) -> Answer:
        return Lost("its process ended") if "S3" in [each.name for each in asked] else well()("", asked)

    place = Pretended({"a": 1}, behave)
    slides = [slide(f"S{number}") for number in range(40)]
    found, _, _ = shared_out(place, slides)
    assert [name for name, calls in found.items() if calls[0].status is Status.UNREADABLE] == ["S3"]
    assert found["S3"][0].reason == "not classified: tried 4 times, each time its process ended"
    assert found["S3"][0].reported_type == "Band"
    assert sum("S3" in names for _, names in place.begun) == 4
    assert all(sum(name in names for _, names in place.begun) <= 2 for name in found if name != "S3")


def test_a_slide_is_tried_on_another_machine_first() -> None:
    place = Pretended({"a": 1, "b": 1}, lambda name, asked: Lost("it ended") if name == "a" else well()(name, asked))
    found, _, _ = shared_out(place, [slide(f"S{number}") for number in range(3)])
    assert all(calls[0].status is Status.CLASSIFIED for calls in found.values())


def test_a_broken_machine_gets_no_more_tasks() -> None:
    place = Pretended({"a": 1, "b": 1}, lambda name, asked: Lost("it ended") if name == "a" else well()(name, asked))
    found, one, said = shared_out(place, [slide(f"S{number}") for number in range(60)])
    assert len(found) == 60
    assert all(calls[0].status is Status.CLASSIFIED for calls in found.values())
    assert sum(name == "a" for name, _ in place.begun) <= 6
    assert one.record()["refused"] == [{"host": "host-a", "reason": "it ended, again and again"}]
    assert "host-a does not take part: it ended, again and again" in said


def test_a_machine_that_refuses_is_named_and_its_slides_go_elsewhere() -> None:
    place = Pretended({"a": 2, "b": 1}, lambda name, asked: Unfit("no bf16") if name == "a" else well()(name, asked))
    found, one, said = shared_out(place, [slide(f"S{number}") for number in range(9)])
    assert len(found) == 9
    assert said == ["host-a does not take part: no bf16"]
    assert sum(name == "a" for name, _ in place.begun) <= 4
    assert one.record()["processors"] == [{"host": "host-b", "engine": "engine", "slides": sorted(found)}]


def test_where_all_refuse_the_run_ends_with_their_reasons() -> None:
    place = Pretended({"a": 1, "b": 1}, lambda name, _: Unfit(f"no {name}"))
    with pytest.raises(InputError, match=r"no machine of the cluster can classify \(host-a: no a; host-b: no b\)"):
        shared_out(place, [slide("S0")])


def test_a_slide_whose_folder_has_gone_for_all_refuses_no_machine() -> None:
    def behave(_: str, asked: Sequence[Slide]) -> Answer:
        unseen = [each for each in asked if each.name == "S1"]
        return Unfit("not seen", str(unseen[0].folder)) if unseen else well()("", asked)

    found, one, _ = shared_out(Pretended({"a": 1}, behave), [slide(f"S{n}") for n in range(9)], visible=False)
    assert found["S1"] == distribution.unreadable(slide("S1"), "its folder has gone")
    assert found["S0"] == calls_of(slide("S0"))
    assert one.record()["refused"] == []


def test_a_machine_that_comes_later_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Pretended({}, well())
    monkeypatch.setattr(distribution, "_LONG", 0.0)
    monkeypatch.setattr(distribution.time, "sleep", lambda _: place.machines.update(a=1))
    found, _, _ = shared_out(place, [slide("S0")])
    assert found == {"S0": calls_of(slide("S0"))}


def test_processors_of_another_type_call_one_slide_too_and_the_difference_is_told() -> None:
    probabilities = {"a": 0.75, "b": 0.5, "c": 0.75}

    def behave(name: str, asked: Sequence[Slide]) -> Answer:
        return SlideCalls(name.replace("c", "a"), tuple(calls_of(each, probabilities[name]) for each in asked))

    place = Pretended({"a": 1, "b": 1, "c": 1}, behave)
    _, one, said = shared_out(place, [slide(f"S{number}") for number in range(40)])
    (found,) = one.record()["differences"]
    assert {found["engine"], found["reference"]} == {"a", "b"}
    assert (found["images"], found["calls_changed"], found["largest_difference"]) == (2, 0, 0.25)
    assert sum("differ in 0 of 2 calls" in text for text in said) == 1
    twice = Counter(name for _, names in place.begun for name in names)
    assert sorted(twice.values())[-2:] == [1, 2]


def test_slides_without_images_need_no_machine() -> None:
    found, _, _ = shared_out(Pretended({}, well()), [slide("empty", 0)])
    assert found == {"empty": ()}


def test_large_slides_travel_alone_and_small_ones_together() -> None:
    place = Pretended({"a": 1}, well())
    shared_out(place, [slide(f"L{number}", 900) for number in range(10)])
    assert all(len(names) == 1 for _, names in place.begun)
    place = Pretended({"a": 1}, well())
    shared_out(place, [slide(f"S{number:02}") for number in range(40)])
    assert {len(names) for _, names in place.begun} == {4}
    spread = Pretended({"a": 2, "b": 2}, well())
    shared_out(spread, [slide(f"S{number:02}") for number in range(17)])
    by_machine = defaultdict(int)
    for name, names in spread.begun:
        by_machine[name] += len(names)
    assert min(by_machine.values()) >= 4


def test_a_run_that_cannot_continue_writes_its_finished_slides(
    command: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = nights.classify

    def stopping(*given: Any) -> Classification:
        found = sound(*given)

        def calls() -> Iterator[tuple[Slide, tuple[Call, ...]]]:
            yield next(found.calls)
            raise StoppedError("no machine can classify; what was finished is kept")

        return replace(found, calls=calls())

    monkeypatch.setattr(nights, "classify", stopping)
    outcome = command("classify", night, "--out", "run", "--quiet")
    assert (outcome.code, outcome.err) == (2, "error: no machine can classify; what was finished is kept\n")
    with Path("run/differential.csv").open(newline="", encoding="utf-8") as file:
        assert [row["slide"] for row in csv.DictReader(file)] == ["S0"]
    told = json.loads(Path("run/run.json").read_text())
    assert (told["complete"], told["unfinished_slides"]) == (False, ["S1"])
    monkeypatch.setattr(nights, "classify", sound)
    assert command("classify", night, "--out", "run", "--quiet").code == 0


def test_a_slide_none_of_whose_images_any_machine_can_read_is_told_apart_from_one_that_has_gone(tmp_path: Path) -> None:
    one = Slide("S0", tmp_path, [CellImage(tmp_path / "gone.jpg", "gone.jpg", "")])
    refusing = Pretended({"a": 1}, lambda _, asked: Unfit("not seen", str(asked[0].folder)))
    found, distributed, _ = shared_out(refusing, [one], visible=False)
    assert [call.reason for call in found["S0"]] == ["none of its slide's images can be read"]
    assert distributed.record()["refused"] == []
