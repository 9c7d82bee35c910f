from __future__ import annotations

from ipaddress import ip_address

import pytest

from metallb.api.meta import ObjectKey
from metallb_controller.allocator.retention import Retention

A, B = ObjectKey("ns", "a"), ObjectKey("ns", "b")
ONE, TWO = ip_address("10.0.0.1"), ip_address("fd00::2")


def test_what_is_kept_is_kept_until_its_time() -> None:
    kept = Retention()
    kept.keep(ONE, A, 10.0)
    kept.keep(ONE, B, 20.0)
    kept.keep(TWO, A, 10.0)
    assert ONE in kept
    assert (kept.services(ONE), kept.addresses(A)) == ((A, B), (ONE, TWO))
    assert kept.take_due(9.9) == []
    assert kept.take_due(10.0) == [TWO]
    assert (kept.services(ONE), kept.addresses(A)) == ((B,), ())
    assert kept.take_due(20.0) == [ONE]
    assert (ONE in kept, list(kept), kept.next_at()) == (False, [], None)


def test_a_time_that_was_changed_counts_and_the_old_one_does_not() -> None:
    kept = Retention()
    kept.keep(ONE, A, 10.0)
    kept.keep(ONE, A, 30.0)
    assert kept.next_at() == 30.0
    assert kept.take_due(29.0) == []
    kept.keep(ONE, A, 5.0)
    assert kept.next_at() == 5.0
    kept.check_invariants()
    assert kept.take_due(5.0) == [ONE]
    assert kept.take_due(30.0) == []


def test_what_is_dropped_is_kept_no_more() -> None:
    kept = Retention()
    kept.keep(ONE, A, 10.0)
    kept.keep(TWO, A, 20.0)
    assert kept.drop(ONE, A)
    assert not kept.drop(ONE, A)
    assert kept.next_at() == 20.0
    kept.check_invariants()


@pytest.mark.parametrize("spoil", ["time", "service", "address"])
def test_the_check_of_invariants_can_fail(spoil: str) -> None:
    kept = Retention()
    kept.keep(ONE, A, 10.0)
    kept.check_invariants()
    match spoil:
        case "time":
            kept._due.clear()
        case "service":
            kept._by_service[B] = {}
        case "address":
            kept._until[ONE] = {B: 10.0}
    with pytest.raises((AssertionError, KeyError)):
        kept.check_invariants()
