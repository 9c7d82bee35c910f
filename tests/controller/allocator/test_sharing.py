"""Addresses under one sharing key, and how few of them are looked at."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from metallb.api.services import ServicePort
from metallb_controller.allocator.model import Claim
from metallb_controller.allocator.sharing import (
    MOST_SHAPES,
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


def test_closed_addresses_are_not_looked_at_again() -> None:
    made = _shared(*[_claim(80)] * 1000)
    counting = _Counting()
    assert made.first(_claim(80), counting) is None
    assert made.first(_claim(80), counting) is None
    assert counting.asked == 0
    other = Occupancy(9)
    other.add(_claim(443))
    made.update(FIRST + 500, (0, 500), other)
    assert made.first(_claim(80), counting) == ((0, 500), FIRST + 500)
    assert counting.asked == 1
    other.add(_claim(80))
    made.update(FIRST + 500, (0, 500), other)
    made.check_invariants()
    assert made.first(_claim(80), counting) is None
    other.remove(_claim(80))
    made.update(FIRST + 500, (0, 500), other)
    assert made.first(_claim(80), counting) is not None
    made.remove(FIRST + 500)
    assert made.first(_claim(80), counting) is None
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
    (kept,) = made._shapes.values()
    assert len(kept.heap) == 2


def test_shapes_that_have_not_asked_for_long_are_forgotten() -> None:
    made = _shared(_claim(80))
    for port in range(MOST_SHAPES + 3):
        assert made.first(_claim(1000 + port), _Counting()) is not None
    assert len(made._shapes) == MOST_SHAPES
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


@pytest.mark.parametrize("spoil", ["members", "queued", "heap"])
def test_the_check_of_invariants_can_fail(spoil: str) -> None:
    made = _shared(_claim(80))
    made.first(_claim(443), _Counting())
    made.check_invariants()
    (kept,) = made._shapes.values()
    match spoil:
        case "members":
            kept.members.clear()
        case "queued":
            kept.queued.clear()
        case "heap":
            kept.heap.clear()
    with pytest.raises(AssertionError):
        made.check_invariants()
