"""Addresses under one sharing key, and how few of them are looked at."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from metallb.api.services import ServicePort
from metallb_controller.allocator.model import Claim
from metallb_controller.allocator.sharing import (
    FEW,
    MOST_LISTS,
    Occupancy,
    Shape,
    SharedAddresses,
)

FIRST = IPv4Address("10.0.0.0")


def _claim(*ports: int, backend: str = "") -> Claim:
    pairs = (("app", backend),) if backend else None
    return Claim("k", frozenset(ServicePort("TCP", port) for port in ports), pairs)


def _shared(*claims: Claim) -> SharedAddresses:
    """Make addresses that are each held with one claim."""
    made = SharedAddresses("k")
    for number, claim in enumerate(claims):
        occupancy = Occupancy(9)
        occupancy.add(claim)
        made.update(FIRST + number, (0, number), occupancy)
    return made


class _Counting:
    """Says whether an address may be had, and counts how often it is asked."""

    def __init__(self, *refused: IPv4Address) -> None:
        self.refused = refused
        self.asked = 0

    def __call__(self, address: object) -> bool:
        self.asked += 1
        return address not in self.refused


def test_the_first_open_address_is_found() -> None:
    made = _shared(_claim(80), _claim(80, backend="a"), _claim(443), _claim(443))
    assert made.first(_claim(80), _Counting()) == ((0, 2), FIRST + 2)
    assert made.first(_claim(443), _Counting()) == ((0, 0), FIRST)
    assert made.first(_claim(80, 443), _Counting()) is None
    assert made.first(_claim(1, backend="a"), _Counting()) == ((0, 1), FIRST + 1)
    made.check_invariants()


def test_what_may_not_be_had_is_passed_over_and_stays() -> None:
    made = _shared(_claim(80), _claim(80), _claim(80))
    assert made.first(_claim(443), _Counting(FIRST, FIRST + 1)) == ((0, 2), FIRST + 2)
    assert made.first(_claim(443), _Counting()) == ((0, 0), FIRST)
    made.check_invariants()


class _Watched(Occupancy):
    """Counts how often somebody asks whether it is open."""

    asked = 0

    def is_open(self, key: str, shape: Shape) -> bool:
        _Watched.asked += 1
        return super().is_open(key, shape)


def test_a_port_that_is_in_the_way_is_not_tried_at_each_address_again() -> None:
    made = SharedAddresses("k")
    for number in range(1000):
        occupancy = _Watched(9)
        occupancy.add(_claim(80))
        made.update(FIRST + number, (0, number), occupancy)
    assert made.first(_claim(80, 1), _Counting()) is None
    made.check_invariants()
    _Watched.asked = 0
    for port in range(2, 50):
        assert made.first(_claim(80, port), _Counting()) is None
    assert _Watched.asked == 0
    assert made.first(_claim(443), _Counting()) == ((0, 0), FIRST)
    assert _Watched.asked < 5
    other = Occupancy(9)
    other.add(_claim(443))
    made.update(FIRST + 500, (0, 500), other)
    assert made.first(_claim(80), _Counting()) == ((0, 500), FIRST + 500)
    other.add(_claim(80))
    made.update(FIRST + 500, (0, 500), other, may_open=False)
    made.update(FIRST + 500, (0, 500), other)
    made.check_invariants()
    assert made.first(_claim(80), _Counting()) is None
    other.remove(_claim(80))
    made.update(FIRST + 500, (0, 500), other)
    assert made.first(_claim(80), _Counting()) is not None
    made.remove(FIRST + 500)
    assert made.first(_claim(80), _Counting()) is None
    made.check_invariants()


def test_the_port_that_the_fewest_lack_is_looked_at() -> None:
    made = _shared(*[_claim(80)] * 20, *[_claim(443)] * 10)
    assert made.first(_claim(80, 443), _Counting()) is None
    assert made.first(_claim(443, 444), _Counting()) == ((0, 0), FIRST)
    assert made.first(_claim(80, 443), _Counting()) is None
    assert len(made._lists) == 3
    _Watched.asked = 0
    assert made.first(_claim(80, 443), _Counting()) is None
    made.check_invariants()


def test_an_address_that_closes_and_opens_is_queued_once() -> None:
    made = _shared(_claim(80), _claim(80))
    made.first(_claim(443), _Counting())
    occupancy = made.addresses[FIRST + 1][1]
    for _ in range(5):
        occupancy.add(_claim(443))
        made.update(FIRST + 1, (0, 1), occupancy)
        occupancy.remove(_claim(443))
        made.update(FIRST + 1, (0, 1), occupancy)
    (kept,) = made._lists.values()
    assert len(kept.heap) == 2


def test_lists_that_are_too_many_go() -> None:
    made = _shared(*[_claim(*range(1, MOST_LISTS + 9))] * (FEW + 2))
    for port in range(1, MOST_LISTS + 9):
        assert made.first(_claim(port), _Counting()) is None
    assert len(made._lists) == MOST_LISTS
    made.check_invariants()


def test_an_address_is_open_to_those_like_its_holders() -> None:
    occupancy = Occupancy(most_holders=2)
    occupancy.add(_claim(80))
    shape = Shape(_claim(443).ports, None)
    assert occupancy.is_open("k", shape)
    assert not occupancy.is_open("other", shape)
    occupancy.add(Claim("", frozenset()))
    assert not occupancy.is_open("k", shape)
    occupancy.remove(Claim("", frozenset()))
    occupancy.add(_claim(80))
    assert not occupancy.is_open("k", shape)
    occupancy.remove(_claim(80))
    assert occupancy.ports == {ServicePort("TCP", 80): 1}
    assert not occupancy.is_open("k", Shape(_claim(80).ports, None))


@pytest.mark.parametrize("spoil", ["queued", "heap"])
def test_the_check_of_invariants_can_fail(spoil: str) -> None:
    made = _shared(_claim(80))
    made.first(_claim(443), _Counting())
    made.check_invariants()
    (kept,) = made._lists.values()
    if spoil == "queued":
        kept.queued.clear()
    kept.heap.clear()
    with pytest.raises(AssertionError):
        made.check_invariants()
