"""Free numbers, compared with a set of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metallb_controller.allocator.free import FreeNumbers, ends_within


def _all(numbers: FreeNumbers) -> list[int]:
    found: list[int] = []
    number = numbers.lowest()
    while number is not None:
        found.append(number)
        number = numbers.lowest(number + 1)
    return found


def test_the_lowest_comes_first_and_again_when_given_back() -> None:
    numbers = FreeNumbers(5, 7)
    for number in (5, 6, 7):
        assert numbers.lowest() == number
        numbers.take(number)
    assert (numbers.lowest(), numbers.count) == (None, 0)
    numbers.give(6)
    numbers.give(5)
    assert (numbers.lowest(), numbers.lowest(6), numbers.lowest(7)) == (5, 6, None)
    assert 4 not in numbers
    assert 5 in numbers
    assert 7 not in numbers


@pytest.mark.parametrize("number", [4, 6, 8])
def test_what_is_not_free_cannot_be_taken(number: int) -> None:
    numbers = FreeNumbers(5, 7)
    numbers.take(6)
    with pytest.raises(ValueError, match=f"{number} is not free"):
        numbers.take(number)


@pytest.mark.parametrize("number", [4, 6, 8])
def test_what_is_not_taken_cannot_be_given(number: int) -> None:
    numbers = FreeNumbers(5, 7)
    with pytest.raises(ValueError, match=f"{number} is not taken"):
        numbers.give(number)


def test_full_words_are_climbed_over_and_found_again() -> None:
    numbers = FreeNumbers(10, 10 + 3 * 65536)
    for number in range(10, 70_000):
        numbers.take(number)
    assert numbers.lowest() == 70_000
    numbers.check_invariants()
    numbers.give(300)
    assert numbers.lowest() == 300
    assert numbers.lowest(301) == 70_000
    numbers.give(66_000)
    assert numbers.lowest(301) == 66_000
    numbers.check_invariants()


@pytest.mark.parametrize("size", [1, 256, 65536])
def test_a_range_of_full_words_can_be_full(size: int) -> None:
    numbers = FreeNumbers(0, size - 1)
    for number in range(size):
        numbers.take(number)
    assert (numbers.lowest(), numbers.count) == (None, 0)
    numbers.check_invariants()
    numbers.give(0)
    assert numbers.lowest() == 0
    assert numbers.lowest(size) is None
    assert numbers.lowest(1) is None
    numbers.check_invariants()


def test_a_range_as_large_as_can_be_costs_nothing() -> None:
    numbers = FreeNumbers(0, 2**128 - 1)
    numbers.take(0)
    numbers.take(2**128 - 1)
    assert numbers.lowest() == 1
    assert numbers.lowest(2**128 - 1) is None
    assert numbers.count == 2**128 - 2
    numbers.check_invariants()


def test_ends_are_avoided() -> None:
    numbers = FreeNumbers(254, 257, avoid_ends=True)
    assert numbers.avoids_ends
    assert (_all(numbers), numbers.count) == ([254, 257], 2)
    with pytest.raises(ValueError, match="255 is not free"):
        numbers.take(255)
    with pytest.raises(ValueError, match="255 is not taken"):
        numbers.give(255)
    numbers.take(254)
    numbers.give(254)
    numbers.check_invariants()
    assert FreeNumbers(256, 256, avoid_ends=True).count == 0
    assert FreeNumbers(256, 256, avoid_ends=True).lowest() is None


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [(0, 255, 2), (0, 0, 1), (255, 255, 1), (1, 254, 0), (255, 256, 2), (0, 2**24 - 1, 131072)],
)
def test_ends_are_counted(first: int, last: int, count: int) -> None:
    assert ends_within(first, last) == count


@pytest.mark.parametrize("spoil", ["count", "levels"])
def test_the_check_of_invariants_can_fail(spoil: str) -> None:
    numbers = FreeNumbers(0, 70_000)
    for number in range(256):
        numbers.take(number)
    numbers.check_invariants()
    if spoil == "count":
        numbers.count += 1
    else:
        numbers._levels[1].clear()
    with pytest.raises(AssertionError):
        numbers.check_invariants()


@given(
    st.integers(0, 600),
    st.integers(0, 600),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 300)), max_size=12),
)
def test_it_does_what_a_set_does(
    first: int, length: int, avoids: bool, runs: list[tuple[int, int]]
) -> None:
    last = first + length
    usable = {number for number in range(first, last + 1) if not avoids or number % 256 % 255}
    free = set(usable)
    numbers = FreeNumbers(first, last, avoid_ends=avoids)
    for start, size in runs:
        for number in range(start, start + size):
            if number in free:
                free.remove(number)
                numbers.take(number)
            elif number in usable:
                free.add(number)
                numbers.give(number)
        assert numbers.lowest() == min(free, default=None)
        assert numbers.count == len(free)
    assert _all(numbers) == sorted(free)
    assert all((number in numbers) == (number in free) for number in range(1300))
    numbers.check_invariants()
