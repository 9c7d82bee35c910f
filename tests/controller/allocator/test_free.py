from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_controller.allocator.free import FreeNumbers


def test_a_range_begins_free() -> None:
    free = FreeNumbers(10, 12)
    assert list(free.intervals()) == [(10, 12)]
    assert free.count == 3
    assert 10 in free
    assert 9 not in free
    assert 13 not in free


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ([10], [(11, 14)]),
        ([14], [(10, 13)]),
        ([12], [(10, 11), (13, 14)]),
        ([10, 11, 12, 13, 14], []),
        ([12, 11, 13], [(10, 10), (14, 14)]),
    ],
)
def test_taking_cuts_intervals(taken: list[int], left: list[tuple[int, int]]) -> None:
    free = FreeNumbers(10, 14)
    for number in taken:
        free.take(number)
    assert list(free.intervals()) == left
    assert free.count == 5 - len(taken)


def test_giving_back_joins_intervals() -> None:
    free = FreeNumbers(1, 5)
    for number in (1, 2, 3, 4, 5):
        free.take(number)
    for number, left in (
        (3, [(3, 3)]),
        (5, [(3, 3), (5, 5)]),
        (4, [(3, 5)]),
        (1, [(1, 1), (3, 5)]),
        (2, [(1, 5)]),
    ):
        free.give(number)
        assert list(free.intervals()) == left


@pytest.mark.parametrize("number", [0, 6, 2])
def test_what_is_not_free_cannot_be_taken(number: int) -> None:
    free = FreeNumbers(1, 5)
    free.take(2)
    with pytest.raises(ValueError, match="is not free"):
        free.take(number)


def test_what_is_free_cannot_be_given() -> None:
    with pytest.raises(ValueError, match="is free already"):
        FreeNumbers(1, 5).give(3)


@given(st.lists(st.integers(0, 20), max_size=60))
def test_intervals_agree_with_a_plain_set(numbers: list[int]) -> None:
    free, plain = FreeNumbers(0, 20), set(range(21))
    for number in numbers:
        if number in plain:
            free.take(number)
            plain.remove(number)
        else:
            free.give(number)
            plain.add(number)
        assert {n for first, last in free.intervals() for n in range(first, last + 1)} == plain
        assert free.count == len(plain)
