"""Addresses of pools, for whatever Services and pools there are: rules that no case may break.

After each step all Services are looked at until nothing changes any more, which must come soon.
Then nobody waits for what is there, nobody goes without a reason, holders of one address may share
it, and an address is of a pool that serves its holder.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from metallb.api.services import read_service
from metallb.domain.selection import serves
from support.pools import Office, pinned, pool, reserved

if TYPE_CHECKING:
    from metallb.domain.address_pools import AddressPool

NAMES = ("a", "b", "c", "d")
ROUNDS = 6
"""So often all Services are looked at until nothing changes; more is a circle."""

RANGES = (
    ("10.0.0.0/31",), ("10.0.0.2/32", "fd00::/127"), ("10.0.0.3/32",), ("fd00::4/127",),
    ("10.0.0.254-10.0.1.0",),
)  # fmt: skip
FAMILIES = (
    (["IPv4"], "SingleStack"),
    (["IPv6"], "SingleStack"),
    (["IPv4", "IPv6"], "PreferDualStack"),
    (["IPv6", "IPv4"], "RequireDualStack"),
)


@st.composite
def pool_sets(draw: st.DrawFn) -> list[AddressPool]:
    found = []
    for number, ranges in enumerate(RANGES):
        if draw(st.booleans()):
            continue
        allocation = draw(
            st.sampled_from(
                [None, None, pinned(1), pinned(2, "m"), pinned(0, selected=({"team": "x"},))]
            )
        )
        kept = draw(st.sampled_from([(), (), (reserved(ranges[0], "m"),)]))
        found.append(
            pool(
                f"p{number}",
                *ranges,
                allocation=allocation,
                auto_assign=draw(st.booleans()),
                avoid_buggy_ips=draw(st.booleans()),
                is_disabled=draw(st.integers(0, 3)) == 0,
                namespace_quota=draw(st.sampled_from([0, 0, 1, 2])),
                reservations=kept,
            )
        )
    return found


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    families, policy = draw(st.sampled_from(FAMILIES))
    notes: dict[str, str] = {}
    if draw(st.booleans()):
        notes["metallb.io/allow-shared-ip"] = draw(st.sampled_from(["k", "l"]))
    match draw(st.integers(0, 5)):
        case 0:
            notes["metallb.io/address-pool"] = draw(st.sampled_from(["p0", "p1", "p9"]))
        case 1:
            request = st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::", "10.0.0.2,fd00::", "x"])
            notes["metallb.io/loadBalancerIPs"] = draw(request)
        case _:
            pass
    return {
        "notes": notes,
        "ipFamilies": families,
        "ipFamilyPolicy": policy,
        "count": draw(st.sampled_from([None, None, "2"])),
        "ports": (("TCP", draw(st.integers(1, 3))),),
        "externalTrafficPolicy": draw(st.sampled_from(["Cluster", "Local"])),
    }


class PoolMachine(RuleBasedStateMachine):
    """Services and pools come, change and go."""

    def __init__(self) -> None:
        super().__init__()
        self.office = Office()
        self.office.namespaces = {"m": {"team": "x"}, "n": {}}

    @rule(pools=pool_sets())
    def set_pools(self, pools: Any) -> None:
        self.office.set_pools(*pools)

    @rule(name=st.sampled_from(NAMES), wish=wishes())
    def put(self, name: str, wish: dict[str, Any]) -> None:
        number = NAMES.index(name)
        created = f"2026-01-0{number + 1}T00:00:00Z"
        namespace = "mn"[number % 2]
        shown = self.office.addresses(name) if name in self.office.services else []
        self.office.put(name, namespace=namespace, created=created, ingress=tuple(shown), **wish)

    @precondition(lambda self: self.office.services)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.office.delete(data.draw(st.sampled_from(sorted(self.office.services))))

    @rule(has_label=st.booleans())
    def relabel(self, has_label: bool) -> None:
        self.office.namespaces["n"] = {"team": "x"} if has_label else {}

    @invariant()
    def it_settles(self) -> None:
        for _ in range(ROUNDS):
            before = {name: self.office.addresses(name) for name in self.office.services}
            self.office.sync_all()
            if before == {name: self.office.addresses(name) for name in self.office.services}:
                break
        else:
            raise AssertionError("it goes round in circles")
        for name in self.office.services:
            self.check_service(name)
        self.check_sharing()

    def check_service(self, name: str) -> None:
        if self.office.choices[name] is None:
            assert self.office.addresses(name) == []
            return
        plan = self.office.plans[name]
        assert len(plan.wanted) >= plan.total or self.office.reasons(name), f"{name}: no reason"
        for supply in plan.awaits_any:
            assert not self.office.allocator.available(supply), f"{name} waits for what is there"
        service = read_service(self.office.services[name])
        for address, key in plan.pools.items():
            assert self.office.allocator.range_owner(address) == key
            assert serves(self.office.pools[key], service, self.office.namespaces)

    def check_sharing(self) -> None:
        allocator = self.office.allocator
        for address in {item for plan in self.office.plans.values() for item in plan.wanted}:
            for one, other in combinations(allocator.claims(address).values(), 2):
                assert one.why_not_beside(other) is None, f"{address} is shared wrongly"


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(stateful_step_count=20)
