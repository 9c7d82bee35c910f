from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from metallb.api.meta import ObjectKey
from metallb.api.pool_options import Reservation
from metallb.api.services import ServicePort
from metallb.net.addresses import Family, IPAddress
from metallb.net.ranges import AddressRange, parse_range, parse_whole_range
from metallb_controller.allocator.model import (
    Capacity,
    Claim,
    ForeignUse,
    Objection,
    PoolSpace,
    Refusal,
    Supply,
)
from metallb_controller.allocator.state import Allocator

A, B, C = (ObjectKey("ns", name) for name in "abc")
HTTP, DNS = ServicePort("TCP", 80), ServicePort("UDP", 53)
ALONE = Claim("", frozenset({HTTP}))


def ip(text: str) -> IPAddress:
    return ip_address(text)


def _shared(*ports: ServicePort, key: str = "k", backend: str | None = None) -> Claim:
    return Claim(key, frozenset(ports), (("app", backend),) if backend else None)


def _allocator(**pools: tuple[str, ...]) -> Allocator:
    made = Allocator()
    _set(made, **pools)
    return made


def _set(allocator: Allocator, **pools: tuple[str, ...]) -> None:
    allocator.set_pools(
        {name: PoolSpace(tuple(map(parse_range, ranges))) for name, ranges in pools.items()}
    )


@pytest.mark.parametrize(
    ("one", "other", "refusal"),
    [
        (ALONE, ALONE, Refusal.HELD),
        (_shared(HTTP), ALONE, Refusal.HELD),
        (_shared(HTTP), _shared(DNS), None),
        (_shared(HTTP), _shared(DNS, key="x"), Refusal.OTHER_KEY),
        (_shared(HTTP, DNS), _shared(DNS), Refusal.PORT_TAKEN),
        (_shared(HTTP), _shared(DNS, backend="a"), Refusal.OTHER_POLICY),
        (_shared(HTTP, backend="a"), _shared(DNS, backend="b"), Refusal.OTHER_POLICY),
        (_shared(HTTP, backend="a"), _shared(DNS, backend="a"), None),
    ],
)
def test_who_may_share(one: Claim, other: Claim, refusal: Refusal | None) -> None:
    assert one.why_not_beside(other) is refusal
    assert other.why_not_beside(one) is refusal


def test_an_address_takes_only_so_many_holders() -> None:
    made = Allocator(most_holders=2)
    _set(made, p=("10.0.0.1-10.0.0.2",))
    claims = [_shared(ServicePort("TCP", port)) for port in (1, 2, 3)]
    for key, claim in zip((A, B), claims, strict=False):
        made.assign("p", ip("10.0.0.1"), key, claim)
    assert made.why_not("p", ip("10.0.0.1"), C, claims[2]) == Objection(Refusal.FULL)
    assert made.first_shareable("p", Family.IPV4, C, claims[2], ()) is None
    assert made.why_not("p", ip("10.0.0.1"), B, claims[1]) is None
    made.release(ip("10.0.0.1"), A)
    assert made.why_not("p", ip("10.0.0.1"), C, claims[2]) is None


def test_the_holders_under_a_key_are_those_of_the_family_that_name_it() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.2", "fd00::1"))
    made.assign("p", ip("10.0.0.2"), A, _shared(HTTP))
    made.assign("p", ip("10.0.0.2"), B, _shared(DNS, key="other"))
    made.assign("p", ip("fd00::1"), C, _shared(DNS))
    found = list(made.held_under("p", Family.IPV4, "k"))
    assert found == [(ip("10.0.0.2"), A, _shared(HTTP))]
    assert [key for _, key, _ in made.held_under("p", Family.IPV6, "k")] == [C]
    assert list(made.held_under("q", Family.IPV4, "k")) == []


def test_the_ranges_of_a_pool_are_told_by_family() -> None:
    made = _allocator(p=("10.0.1.1", "fd00::1", "10.0.0.1-10.0.0.2"))
    assert list(map(str, made.ranges("p", Family.IPV4))) == ["10.0.1.1", "10.0.0.1-10.0.0.2"]
    assert list(map(str, made.ranges("p", Family.IPV6))) == ["fd00::1"]
    assert made.ranges("q", Family.IPV4) == []


def test_addresses_come_in_the_order_of_the_ranges_as_written() -> None:
    made = _allocator(p=("10.0.0.9", "10.0.0.1-10.0.0.2", "fd00::1"))
    assert list(map(str, made.free_addresses("p", Family.IPV4, 9))) == [
        "10.0.0.9",
        "10.0.0.1",
        "10.0.0.2",
    ]
    assert list(map(str, made.free_addresses("p", Family.IPV4, 1, {ip("10.0.0.9")}))) == [
        "10.0.0.1"
    ]
    assert made.free_addresses("p", Family.IPV4, 0) == []
    assert made.free_addresses("unknown", Family.IPV4, 1) == []


def test_what_is_assigned_is_held_and_not_free() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.2", "fd00::1"))
    made.assign("p", ip("10.0.0.1"), A, ALONE)
    assert made.holders(ip("10.0.0.1")) == (A,)
    assert made.pool_of(ip("10.0.0.1")) == "p"
    assert made.addresses_of(A) == (ip("10.0.0.1"),)
    assert made.claim(ip("10.0.0.1"), A) == ALONE
    assert made.claim(ip("10.0.0.1"), B) is None
    assert made.claim(ip("10.0.0.9"), A) is None
    assert made.capacity("p") == Capacity(3, 1, 2)
    assert made.free_count("p", Family.IPV4) == 1
    assert made.size("p", Family.IPV6) == 1
    assert made.why_not("p", ip("10.0.0.1"), B, ALONE) == Objection(Refusal.HELD, A)
    assert made.why_not("p", ip("10.0.0.1"), A, ALONE) is None
    assert made.why_not("p", ip("10.0.0.2"), B, ALONE) is None
    assert made.why_not("p", ip("10.0.0.3"), B, ALONE) == Objection(Refusal.OUTSIDE)
    for key in (A, B):
        assert made.why_not("q", ip("10.0.0.1"), key, ALONE) == Objection(Refusal.OUTSIDE)
    assert made.range_owner(ip("10.0.0.1")) == "p"
    assert made.range_owner(ip("10.0.0.3")) is None
    made.check_invariants()


def test_nobody_holds_what_was_never_assigned() -> None:
    made = _allocator()
    assert made.holders(ip("10.0.0.1")) == ()
    assert made.pool_of(ip("10.0.0.1")) is None
    assert made.addresses_of(A) == ()
    assert made.capacity("p") == Capacity(0, 0, 0)
    assert made.pools() == []


def test_a_shared_address_is_free_when_the_last_holder_goes() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.2",))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    found = made.first_shareable("p", Family.IPV4, B, _shared(DNS), ())
    assert found == ip("10.0.0.1")
    made.assign("p", ip("10.0.0.1"), B, _shared(DNS))
    assert made.holders(ip("10.0.0.1")) == (A, B)
    assert not made.release(ip("10.0.0.1"), A)
    made.assign("p", ip("10.0.0.2"), B, _shared(DNS))
    assert made.release(ip("10.0.0.1"), B)
    assert made.addresses_of(B) == (ip("10.0.0.2"),)
    assert made.release(ip("10.0.0.2"), B)
    assert made.capacity("p") == Capacity(2, 0, 2)
    made.check_invariants()


def test_an_address_is_shared_only_where_it_may_be() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.3", "fd00::1"))
    made.assign("p", ip("10.0.0.2"), A, _shared(HTTP))
    made.assign("p", ip("10.0.0.1"), B, _shared(DNS))
    assert made.first_shareable("p", Family.IPV4, C, _shared(HTTP), ()) == ip("10.0.0.1")
    assert made.first_shareable("p", Family.IPV4, C, _shared(HTTP), {ip("10.0.0.1")}) is None
    assert made.first_shareable("p", Family.IPV6, C, _shared(HTTP), ()) is None
    assert made.first_shareable("p", Family.IPV4, C, _shared(HTTP, key="z"), ()) is None
    assert made.first_shareable("q", Family.IPV4, C, _shared(HTTP), ()) is None
    held = [(str(address), key.name) for address, key, _ in made.held_under("p", Family.IPV4, "k")]
    assert held == [("10.0.0.1", "b"), ("10.0.0.2", "a")]


def test_the_senior_holder_stays_when_claims_change() -> None:
    made = _allocator(p=("10.0.0.1",))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    made.assign("p", ip("10.0.0.1"), B, _shared(DNS))
    assert made.why_not_stay(ip("10.0.0.1"), A, _shared(HTTP, DNS)) is None
    assert made.why_not_stay(ip("10.0.0.1"), B, _shared(HTTP)) == Objection(Refusal.PORT_TAKEN, A)
    assert made.why_not_stay(ip("10.0.0.1"), B, _shared(DNS)) is None


def test_a_holder_who_changes_the_key_is_found_under_the_new_one() -> None:
    made = _allocator(p=("10.0.0.1",))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP, key="new"))
    assert list(made.held_under("p", Family.IPV4, "k")) == []
    assert len(list(made.held_under("p", Family.IPV4, "new"))) == 1
    made.assign("p", ip("10.0.0.1"), A, ALONE)
    assert list(made.held_under("p", Family.IPV4, "new")) == []
    made.check_invariants()


def test_a_holder_keeps_its_address_when_the_pool_shrinks() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.9",))
    made.assign("p", ip("10.0.0.5"), A, ALONE)
    made.assign("p", ip("10.0.0.1"), B, ALONE)
    _set(made, p=("10.0.0.1-10.0.0.2",))
    assert made.held_outside("p") == [ip("10.0.0.5")]
    assert set(made.held("p")) == {ip("10.0.0.1"), ip("10.0.0.5")}
    assert not made.held("none-such")
    assert made.capacity("p") == Capacity(2, 2, 1)
    assert made.addresses_of(A) == (ip("10.0.0.5"),)
    made.check_invariants()
    assert made.release(ip("10.0.0.5"), A)
    assert made.why_not("p", ip("10.0.0.5"), A, ALONE) == Objection(Refusal.OUTSIDE)
    assert made.held_outside("p") == []
    made.check_invariants()


def test_a_removed_pool_is_remembered_until_the_last_address_is_given_back() -> None:
    made = _allocator(p=("10.0.0.1",), q=("10.0.1.1",))
    made.assign("p", ip("10.0.0.1"), A, ALONE)
    _set(made)
    assert made.pools() == ["p"]
    assert made.release(ip("10.0.0.1"), A)
    assert made.pools() == []


def test_an_address_that_another_pool_has_in_its_range_now_is_not_free_there() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.2",))
    made.assign("p", ip("10.0.0.1"), A, ALONE)
    _set(made, q=("10.0.0.1-10.0.0.2",))
    assert list(map(str, made.free_addresses("q", Family.IPV4, 9))) == ["10.0.0.2"]
    assert made.why_not("q", ip("10.0.0.1"), B, ALONE) == Objection(Refusal.HELD, A)
    assert made.why_not("q", ip("10.0.0.1"), A, ALONE) is None
    assert made.capacity("q") == Capacity(2, 0, 1)
    made.check_invariants()
    made.assign("q", ip("10.0.0.1"), A, _shared(HTTP))
    assert made.pool_of(ip("10.0.0.1")) == "q"
    assert made.capacity("q") == Capacity(2, 1, 1)
    assert made.pools() == ["q"]
    made.check_invariants()


def test_an_address_that_others_share_does_not_change_its_pool() -> None:
    made = _allocator(p=("10.0.0.1",))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    made.assign("p", ip("10.0.0.1"), B, _shared(DNS))
    made.assign("q", ip("10.0.0.1"), A, _shared(HTTP))
    assert made.pool_of(ip("10.0.0.1")) == "p"
    made.check_invariants()


def test_a_ledger_entry_of_an_unknown_pool_is_taken_as_it_is() -> None:
    made = _allocator()
    made.assign("old", ip("10.0.0.1"), A, ALONE)
    assert made.pool_of(ip("10.0.0.1")) == "old"
    _set(made, old=("10.0.0.0-10.0.0.3",))
    assert made.capacity("old") == Capacity(4, 1, 3)
    made.check_invariants()


def test_counts_of_one_family() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.4", "fd00::1-fd00::2"))
    made.assign("p", ip("10.0.0.1"), A, ALONE)
    made.assign("p", ip("fd00::1"), A, ALONE)
    made.assign("p", ip("10.9.9.9"), B, ALONE)
    assert made.capacity("p", Family.IPV4) == Capacity(4, 2, 3)
    assert made.capacity("p", Family.IPV6) == Capacity(2, 1, 1)
    assert made.capacity("p") == Capacity(6, 3, 4)


@pytest.mark.parametrize(
    ("ranges", "avoids", "ipv4", "ipv6"),
    [
        pytest.param(("10.0.0.0/24",), False, 256, 0, id="1.13-24"),
        pytest.param(("10.0.0.0/24", "10.0.1.128/25"), True, 381, 0, id="1.13-24-and-25"),
        pytest.param(("10.0.0.0/24", "10.0.1.128/25", "fd00::/64"), True, 381, 2**64, id="1.13-v6"),
        pytest.param(("10.0.0.0/32",), True, 0, 0, id="1.15-not-minus-one"),
        pytest.param(("fd00::/64", "fd01::/120"), False, 0, 2**64 + 256, id="1.13-no-overflow"),
        pytest.param(("10.0.0.0/8",), True, 2**24 - 2 * 2**16, 0, id="1.13-8"),
    ],
)
def test_1_13_counts_are_exact(ranges: tuple[str, ...], avoids: bool, ipv4: int, ipv6: int) -> None:
    made = Allocator()
    found = tuple(map(parse_whole_range, ranges))
    made.set_pools({"p": PoolSpace(found, avoid_buggy_ips=avoids)})
    assert made.size("p", Family.IPV4) == made.free_count("p", Family.IPV4) == ipv4
    assert made.size("p", Family.IPV6) == made.free_count("p", Family.IPV6) == ipv6
    made.check_invariants()


def test_buggy_addresses_are_none_of_the_pools() -> None:
    made = Allocator()
    ranges = (parse_range("10.0.0.254-10.0.1.1"), parse_range("fd00::-fd00::1"))
    made.set_pools({"p": PoolSpace(ranges)})
    made.assign("p", ip("10.0.1.0"), A, _shared(HTTP))
    made.set_pools({"p": PoolSpace(ranges, avoid_buggy_ips=True)})
    assert made.held_outside("p") == [ip("10.0.1.0")]
    assert made.range_owner(ip("10.0.1.0")) is None
    assert made.why_not("p", ip("10.0.0.255"), B, ALONE) == Objection(Refusal.AVOIDED)
    assert made.free_addresses("p", Family.IPV4, 9) == [ip("10.0.0.254"), ip("10.0.1.1")]
    assert made.free_addresses("p", Family.IPV6, 1) == [ip("fd00::")]
    made.check_invariants()
    assert made.release(ip("10.0.1.0"), A)
    made.check_invariants()


def test_a_disabled_pool_gives_nothing() -> None:
    made = Allocator()
    ranges = (parse_range("10.0.0.1-10.0.0.9"),)
    made.set_pools({"p": PoolSpace(ranges)})
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    made.set_pools({"p": PoolSpace(ranges, is_disabled=True)})
    assert made.why_not("p", ip("10.0.0.2"), B, ALONE) == Objection(Refusal.DISABLED)
    assert made.why_not("p", ip("10.0.0.1"), A, _shared(HTTP)) is None
    assert made.free_addresses("p", Family.IPV4, 1) == []
    assert made.first_usable("p", Family.IPV4, B, _shared(DNS), ()) is None
    assert made.first_shareable("p", Family.IPV4, B, _shared(DNS), ()) is None
    assert made.free_count("p", Family.IPV4) == 0
    assert made.available(Supply("p", Family.IPV4)) == 0
    assert made.capacity("p") == Capacity(9, 1, 8)


def test_what_is_reserved_is_a_supply_of_its_own() -> None:
    made = Allocator()
    team = Reservation(parse_range("10.0.0.1-10.0.0.2"), "ns")
    both = Reservation(parse_range("10.0.0.2-10.0.0.3"), "ns", "a")
    other = Reservation(parse_range("fd00::1"), "ns")
    ranges = (parse_range("10.0.0.0-10.0.0.9"),)
    made.set_pools({"p": PoolSpace(ranges, reservations=(team, both, other))})
    last_bytes = [int(item) & 255 for item in made.free_addresses("p", Family.IPV4, 9, service=A)]
    assert last_bytes == [2, 3, 1, 0, 4, 5, 6, 7, 8]
    assert made.free_count("p", Family.IPV4, A) == 10
    assert made.free_addresses("p", Family.IPV4, 2) == [ip("10.0.0.0"), ip("10.0.0.4")]
    assert made.supplies("p", Family.IPV4, A) == [
        Supply("p", Family.IPV4, "ns", "a"), Supply("p", Family.IPV4, "ns"),
        Supply("p", Family.IPV4),
    ]  # fmt: skip
    assert [made.available(supply) for supply in made.supplies("p", Family.IPV4, A)] == [2, 2, 7]
    assert made.available(Supply("p", Family.IPV6, "ns")) == 0
    assert made.why_not("p", ip("10.0.0.3"), B, ALONE) == Objection(Refusal.RESERVED)
    made.assign("p", ip("10.0.0.2"), A, ALONE)
    assert made.free_count("p", Family.IPV4, A) == 9
    made.check_invariants()


def test_what_others_use_is_given_to_nobody() -> None:
    made = Allocator()
    made.assign("p", ip("10.0.0.4"), A, ALONE)
    team = Reservation(parse_range("10.0.0.2-10.0.0.3"), "ns")
    foreign = tuple(
        ForeignUse(parse_range(text), words)
        for text, words in (
            ("9.9.9.9", "far"), ("10.0.0.0-10.0.0.1", "routers"), ("10.0.0.3-10.0.0.5", "a host"),
            ("10.0.0.9-10.0.0.20", ""), ("fd00::1", "six"),
        )
    )  # fmt: skip
    ranges = (parse_range("10.0.0.1-10.0.0.9"), parse_range("fd00::1"))
    made.set_pools({"p": PoolSpace(ranges, reservations=(team,), foreign=foreign)})
    last_bytes = [int(item) & 255 for item in made.free_addresses("p", Family.IPV4, 9, service=A)]
    assert last_bytes == [2, 6, 7, 8]
    assert made.capacity("p") == Capacity(10, 1, 4, 5)
    assert made.capacity("p", Family.IPV6) == Capacity(1, 0, 0, 1)
    assert made.capacity("p", Family.IPV4).foreign == 4
    assert made.available(Supply("p", Family.IPV6)) == 0
    for text in ("10.0.0.1", "10.0.0.3", "10.0.0.9", "fd00::1"):
        assert made.why_not("p", ip(text), B, ALONE) == Objection(Refusal.IN_IPAM)
    assert made.foreign_use(ip("10.0.0.5")) == ForeignUse(
        parse_range("10.0.0.3-10.0.0.5"), "a host"
    )
    assert made.foreign_use(ip("10.0.0.6")) is made.foreign_use(ip("8.8.8.8")) is None
    made.check_invariants()
    assert made.addresses_of(A) == (ip("10.0.0.4"),)
    made.release(ip("10.0.0.4"), A)
    assert made.why_not("p", ip("10.0.0.4"), A, ALONE) == Objection(Refusal.IN_IPAM)
    assert made.capacity("p", Family.IPV4).foreign == 5
    made.check_invariants()


def test_a_quota_counts_addresses_and_not_holders() -> None:
    made = Allocator()
    ranges = (parse_range("10.0.0.1-10.0.0.9"),)
    made.set_pools({"p": PoolSpace(ranges, namespace_quota=2), "q": PoolSpace()})
    for key, port in ((A, HTTP), (B, DNS)):
        made.assign("p", ip("10.0.0.1"), key, _shared(port))
    assert made.room("p", "ns") == 1
    made.assign("p", ip("10.0.0.2"), C, ALONE)
    assert made.room("p", "ns") == 0
    assert made.why_not("p", ip("10.0.0.3"), C, ALONE) == Objection(Refusal.QUOTA)
    assert made.why_not("p", ip("10.0.0.1"), C, _shared(ServicePort("TCP", 1))) is None
    assert made.why_not("p", ip("10.0.0.3"), ObjectKey("other", "x"), ALONE) is None
    assert made.first_usable("p", Family.IPV4, C, _shared(ServicePort("TCP", 1)), ()) is not None
    assert made.room("unknown", "ns") > 2**30
    assert made.available(Supply("p", None, "ns")) == 0
    made.check_invariants()
    made.assign("q", ip("10.0.0.2"), C, ALONE)
    assert made.available(Supply("p", None, "ns")) == 1
    assert made.available(Supply("p", None, "ns", at_least=2)) == 0
    made.check_invariants()


def test_the_first_usable_address_is_free_or_shared_whichever_comes_first() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.3",))
    claim = _shared(DNS)
    made.assign("p", ip("10.0.0.2"), A, _shared(HTTP))
    assert made.first_usable("p", Family.IPV4, B, claim, ()) == ip("10.0.0.1")
    made.assign("p", ip("10.0.0.1"), C, ALONE)
    assert made.first_usable("p", Family.IPV4, B, claim, ()) == ip("10.0.0.2")
    assert made.first_usable("p", Family.IPV4, B, claim, {ip("10.0.0.2")}) == ip("10.0.0.3")
    assert made.first_usable("p", Family.IPV4, B, ALONE, ()) == ip("10.0.0.3")
    made.assign("p", ip("10.0.0.3"), C, ALONE)
    assert made.first_usable("p", Family.IPV4, B, claim, ()) == ip("10.0.0.2")
    assert made.first_usable("p", Family.IPV4, B, ALONE, ()) is None
    assert made.first_usable("p", Family.IPV6, B, claim, ()) is None


def test_who_holds_an_address_may_share_it_with_himself() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.3", "fd00::1"))
    made.assign("p", ip("fd00::1"), A, _shared(HTTP))
    made.assign("p", ip("10.0.0.2"), A, _shared(HTTP))
    assert made.first_shareable("p", Family.IPV4, A, _shared(HTTP), ()) == ip("10.0.0.2")
    assert made.first_shareable("p", Family.IPV4, A, _shared(HTTP), {ip("10.0.0.2")}) is None


def test_a_shared_address_moves_to_the_pool_that_has_it_now() -> None:
    made = _allocator(p=("10.0.0.1",))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    made.assign("p", ip("10.0.0.1"), B, _shared(DNS))
    _set(made, q=("10.0.0.1",))
    made.assign("q", ip("10.0.0.1"), A, _shared(HTTP))
    assert made.pool_of(ip("10.0.0.1")) == "q"
    assert made.pools() == ["q"]
    made.check_invariants()


def test_a_kept_address_is_nobodys_until_its_time() -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.2",))
    address = ip("10.0.0.1")
    made.retain(address, A, 10.0)
    made.retain(address, B, 20.0)
    assert made.kept_for(address) == {A: 10.0, B: 20.0}
    assert made.kept_for(ip("10.0.0.2")) == {}
    assert made.why_not("p", address, C, ALONE) == Objection(Refusal.RETAINED, A)
    assert made.why_not("p", address, B, ALONE) is None
    assert made.free_addresses("p", Family.IPV4, 9) == [ip("10.0.0.2")]
    made.check_invariants()
    assert made.expire(10.0) == []
    assert made.next_expiry() == 20.0
    assert made.retained_for(A) == ()
    _set(made, p=("10.0.0.1-10.0.0.3",))
    assert made.free_count("p", Family.IPV4) == 2
    assert made.expire(20.0) == [address]
    assert made.next_expiry() is None
    assert made.free_count("p", Family.IPV4) == 3
    made.check_invariants()


def test_a_kept_address_that_is_held_stays_kept_and_is_shared_by_its_holders() -> None:
    made = _allocator(p=("10.0.0.1",))
    address = ip("10.0.0.1")
    made.assign("p", address, A, _shared(HTTP))
    made.retain(address, B, 10.0)
    assert made.why_not("p", address, C, _shared(DNS)) is None
    assert made.release(address, A)
    assert made.free_count("p", Family.IPV4) == 0
    made.check_invariants()
    made.assign("p", address, B, ALONE)
    assert made.retained_for(B) == ()
    assert made.release(address, B)
    assert made.free_count("p", Family.IPV4) == 1
    made.retain(ip("10.9.9.9"), C, 10.0)
    assert made.expire(10.0) == [ip("10.9.9.9")]
    made.check_invariants()


@pytest.mark.parametrize(
    "spoil", ["holders", "by_service", "held", "free", "shared", "outside", "usage", "occupancy"]
)
def test_the_check_of_invariants_can_fail(spoil: str) -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.4",))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    made.check_invariants()
    pool = made._pools["p"]
    match spoil:
        case "holders":
            made._allocations[ip("10.0.0.1")].holders.clear()
        case "by_service":
            made._by_service[B] = (ip("10.0.0.1"),)
        case "held":
            pool.held.clear()
        case "free":
            pool.space.spans[0].give(int(ip("10.0.0.1")))
        case "shared":
            pool.shared.clear()
        case "outside":
            pool.outside.add(ip("10.0.0.1"))
        case "usage":
            pool.usage["ns"] = {ip("10.0.0.1"): 1}
        case "occupancy":
            made._allocations[ip("10.0.0.1")].occupancy = None
    with pytest.raises(AssertionError):
        made.check_invariants()


class AllocatorMachine(RuleBasedStateMachine):
    """Whatever is done, the indexes agree, and nobody gets what is not his to get."""

    def __init__(self) -> None:
        super().__init__()
        self.allocator = Allocator(most_holders=3)
        self.now = 0.0

    @rule(
        spans=st.lists(
            st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from("pq")), max_size=4
        ),
        reservations=st.lists(
            st.tuples(
                st.integers(0, 9), st.integers(0, 3), st.sampled_from("mn"), st.sampled_from(" a")
            ),
            max_size=3,
        ),
        options=st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)),
    )
    def set_pools(
        self,
        spans: list[tuple[int, int, str]],
        reservations: list[tuple[int, int, str, str]],
        options: tuple[bool, bool, int],
    ) -> None:
        pools: dict[str, list[AddressRange]] = {}
        end = -1
        for first, length, pool in sorted(spans):
            start = max(first, end + 1)
            end = start + length
            pools.setdefault(pool, []).append(AddressRange(Family.IPV4, start, end))
        avoids, is_disabled, quota = options
        kept = tuple(
            Reservation(AddressRange(Family.IPV4, first, first + length), namespace, name.strip())
            for first, length, namespace, name in reservations
        )
        self.allocator.set_pools(
            {
                name: PoolSpace(tuple(ranges), avoids, is_disabled and name == "q", quota, kept)
                for name, ranges in pools.items()
            }
        )

    @rule(
        pool=st.sampled_from("pq"),
        service=st.tuples(st.sampled_from("mn"), st.sampled_from("ab")),
        key=st.sampled_from(["", "k", "l"]),
        port=st.integers(1, 3),
        takes_first=st.booleans(),
    )
    def assign(
        self, pool: str, service: tuple[str, str], key: str, port: int, takes_first: bool
    ) -> None:
        claim = Claim(key, frozenset({ServicePort("TCP", port)}))
        name = ObjectKey(*service)
        mine = self.allocator.addresses_of(name)
        if takes_first:
            found = [self.allocator.first_usable(pool, Family.IPV4, name, claim, mine)]
        else:
            shared = self.allocator.first_shareable(pool, Family.IPV4, name, claim, ())
            free = self.allocator.free_addresses(pool, Family.IPV4, 1, service=name)
            found = [shared, *free]
        has_room = self.allocator.room(pool, service[0]) > 0
        for address in found:
            if address is not None:
                objection = self.allocator.why_not(pool, address, name, claim)
                if objection is None:
                    self.allocator.assign(pool, address, name, claim)
                else:
                    assert objection.refusal is Refusal.QUOTA
                    assert not has_room
                return

    @precondition(lambda self: self.held())
    @rule(data=st.data(), keeps=st.booleans())
    def release(self, data: st.DataObject, keeps: bool) -> None:
        address, service = data.draw(st.sampled_from(self.held()))
        was_alone = self.allocator.holders(address) == (service,)
        assert self.allocator.release(address, service) is was_alone
        if keeps:
            self.allocator.retain(address, service, self.now + 2)
            assert address in self.allocator.retained_for(service)

    @rule()
    def wait(self) -> None:
        self.now += 1
        for address in self.allocator.expire(self.now):
            assert not self.allocator.kept_for(address)
        next_at = self.allocator.next_expiry()
        assert next_at is None or next_at > self.now

    def held(self) -> list[tuple[IPAddress, ObjectKey]]:
        return [
            (address, ObjectKey(namespace, name))
            for namespace in "mn"
            for name in "ab"
            for address in self.allocator.addresses_of(ObjectKey(namespace, name))
        ]

    @invariant()
    def indexes_agree(self) -> None:
        self.allocator.check_invariants()


TestAllocatorMachine = AllocatorMachine.TestCase
TestAllocatorMachine.settings = settings(stateful_step_count=40)


def test_each_change_of_a_holder_counts_and_nothing_else_does() -> None:
    made, one, two = _allocator(p=("10.0.0.1-10.0.0.9",)), ip("10.0.0.1"), ip("10.0.0.2")
    seen = [made.changes]

    def has_changed() -> bool:
        seen.append(made.changes)
        return seen[-1] > seen[-2]

    made.assign("p", one, A, ALONE)
    assert has_changed()
    made.assign("p", one, A, ALONE)
    assert not has_changed()
    made.assign("p", one, A, _shared(HTTP))
    assert has_changed()
    made.first_usable("p", Family.IPV4, B, ALONE, ())
    _set(made, p=("10.0.0.1",), q=("10.0.0.2",))
    assert not has_changed()
    made.assign("q", one, A, _shared(HTTP))  # it holds it alone, so it may move
    assert has_changed()
    made.release(one, A)
    assert has_changed()
    made.retain(two, B, 10.0)
    assert has_changed()
    made.expire(9.0)
    assert not has_changed()
    made.expire(10.0)
    assert has_changed()
