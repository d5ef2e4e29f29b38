"""Which images a checkpoint was trained on, as it records them."""

import hashlib

from slidescreen.models.trained_on import TrainedOn, record, signed_record, trained_on


def sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def held(found: TrainedOn, most: int = 50) -> list[int]:
    return [number for number in range(most) if found.holds(sha256(number))]


def test_a_record_holds_the_images_of_the_training_and_no_others_whatever_their_order() -> None:
    entry = record(map(sha256, (3, 1, 2, 1)))
    assert entry == record(map(sha256, (1, 2, 3)))
    found = trained_on({**entry, "split": "drawn by slide"})
    assert (held(found), found.complete, found.as_given) == ([1, 2, 3], True, False)


def test_a_training_that_went_on_from_another_holds_the_images_of_both() -> None:
    first = trained_on(record(map(sha256, (1, 2))))
    assert held(trained_on(record(map(sha256, (2, 3)), first))) == [1, 2, 3]


def test_a_mean_of_checkpoints_holds_the_images_of_each_and_is_complete_if_each_is() -> None:
    one, other = record([sha256(1)]), {**record([sha256(2)]), "split": "as given"}
    found = trained_on({"mean_of": [one, {"mean_of": [other]}]})
    assert (held(found), found.complete, found.as_given) == ([1, 2], True, True)
    assert not trained_on({"mean_of": [one, {"seed": 0}]}).complete


def test_the_signed_cells_of_an_adaptation_are_known_even_where_those_of_the_training_are_not() -> None:
    before = {"adapted": {"guard": 1.0, **record([sha256(4)])}}
    found = trained_on({"adapted": signed_record([sha256(6)], before)})
    assert (held(found), found.complete) == ([4, 6], False)


def test_a_checkpoint_of_an_earlier_release_records_nothing() -> None:
    found = trained_on({"seed": 0, "data_hash": "0" * 64})
    assert (held(found), found.complete) == ([], False)
