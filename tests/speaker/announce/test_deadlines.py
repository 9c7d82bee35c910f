"""Deadlines: the earliest first, changed and dropped ones never."""

from hypothesis import given
from hypothesis import strategies as st

from metallb_speaker.announce.deadlines import STALE_MIN, Deadlines


def test_the_earliest_is_told_and_taken_first() -> None:
    made: Deadlines[str] = Deadlines()
    assert made.next_at() is None
    made.set("a", 3.0)
    made.set("b", 1.0)
    assert "a" in made
    assert made.next_at() == 1.0
    assert made.take_due(0.5, 9) == []
    assert made.take_due(3.0, 1) == ["b"]
    assert made.take_due(3.0, 9) == ["a"]
    assert "a" not in made


def test_a_changed_deadline_counts_and_a_dropped_one_does_not() -> None:
    made: Deadlines[str] = Deadlines()
    made.set("a", 1.0)
    made.set("a", 5.0)
    made.set("b", 2.0)
    made.drop("b")
    made.drop("nobody")
    assert made.next_at() == 5.0
    assert made.take_due(4.0, 9) == []


def test_deadlines_that_are_put_off_for_ever_take_no_room() -> None:
    made: Deadlines[str] = Deadlines()
    for number in range(10_000):
        made.set("a", float(number))
    assert len(made._heap) <= 2 + STALE_MIN
    assert made.take_due(9_999.0, 9) == ["a"]


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 5))), st.integers(0, 5))
def test_it_is_a_dictionary_of_times(steps: list[tuple[int, int | None]], now: int) -> None:
    made: Deadlines[int] = Deadlines()
    model: dict[int, float] = {}
    for key, at in steps:
        if at is None:
            made.drop(key)
            model.pop(key, None)
        else:
            made.set(key, at)
            model[key] = at
        assert made.next_at() == min(model.values(), default=None)
    due = made.take_due(now, 99)
    assert sorted(due) == sorted(key for key, at in model.items() if at <= now)
    assert [model[key] for key in due] == sorted(model[key] for key in due)
