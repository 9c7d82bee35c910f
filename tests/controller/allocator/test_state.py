from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from metallb.api.meta import ObjectKey
from metallb.api.services import ServicePort
from metallb.net.addresses import Family, IPAddress
from metallb.net.ranges import AddressRange, parse_range
from metallb_controller.allocator.model import Capacity, Claim, Objection, PoolSpace, Refusal
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
    assert made.why_not("q", ip("10.0.0.1"), B, ALONE) == Objection(Refusal.OUTSIDE)
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
    assert made.release(ip("10.0.0.1"), B)
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


@pytest.mark.parametrize("spoil", ["holders", "by_service", "held", "free", "shared", "outside"])
def test_the_check_of_invariants_can_fail(spoil: str) -> None:
    made = _allocator(p=("10.0.0.1-10.0.0.4",))
    made.assign("p", ip("10.0.0.1"), A, _shared(HTTP))
    made.check_invariants()
    pool = made._pools["p"]
    match spoil:
        case "holders":
            made._allocations[ip("10.0.0.1")].holders.clear()
        case "by_service":
            made._by_service[B] = {ip("10.0.0.1"): None}
        case "held":
            pool.held.clear()
        case "free":
            pool.space.spans[0].give(int(ip("10.0.0.1")))
        case "shared":
            pool.shared.clear()
        case "outside":
            pool.outside.add(ip("10.0.0.1"))
    with pytest.raises(AssertionError):
        made.check_invariants()


class AllocatorMachine(RuleBasedStateMachine):
    """Whatever is done, the indexes agree, and no address is both free and held."""

    def __init__(self) -> None:
        super().__init__()
        self.allocator = Allocator()

    @rule(
        spans=st.lists(
            st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from("pq")), max_size=4
        )
    )
    def set_pools(self, spans: list[tuple[int, int, str]]) -> None:
        pools: dict[str, list[AddressRange]] = {}
        end = -1
        for first, length, pool in sorted(spans):
            start = max(first, end + 1)
            end = start + length
            pools.setdefault(pool, []).append(AddressRange(Family.IPV4, start, end))
        self.allocator.set_pools({name: PoolSpace(tuple(ranges)) for name, ranges in pools.items()})

    @rule(
        pool=st.sampled_from("pq"),
        service=st.sampled_from("abc"),
        key=st.sampled_from(["", "k", "l"]),
        port=st.integers(1, 3),
    )
    def assign(self, pool: str, service: str, key: str, port: int) -> None:
        claim = Claim(key, frozenset({ServicePort("TCP", port)}))
        name = ObjectKey("ns", service)
        shared = self.allocator.first_shareable(pool, Family.IPV4, name, claim, ())
        free = self.allocator.free_addresses(pool, Family.IPV4, 1)
        for address in [shared, *free]:
            if address is not None:
                assert self.allocator.why_not(pool, address, name, claim) is None
                self.allocator.assign(pool, address, name, claim)
                return

    @precondition(lambda self: any(self.allocator.addresses_of(ObjectKey("ns", n)) for n in "abc"))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        held = [
            (address, ObjectKey("ns", name))
            for name in "abc"
            for address in self.allocator.addresses_of(ObjectKey("ns", name))
        ]
        address, service = data.draw(st.sampled_from(held))
        was_alone = self.allocator.holders(address) == (service,)
        assert self.allocator.release(address, service) is was_alone

    @invariant()
    def indexes_agree(self) -> None:
        self.allocator.check_invariants()


TestAllocatorMachine = AllocatorMachine.TestCase
TestAllocatorMachine.settings = settings(stateful_step_count=40)
