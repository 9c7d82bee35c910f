"""Who holds which address: the allocator's state, and the only way to change it.

A *pool* is the address space of one class: its ranges in the order in which the user wrote them.
An address is held by one Service, or by several that may share it (`Claim`), the first of them
being the senior. Holding does not depend on ranges: when a pool shrinks under a holder, the
holder keeps its address, and nobody else gets it afterwards.

Finding a free address takes the first free number of the first range that has one
(`FreeNumbers`), so its cost does not grow with the addresses in use, and the same state gives the
same address. Nothing is decided here about what a Service *should* have; see
`metallb_controller.reconcile`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING

from metallb.net.addresses import Family, IPAddress, family_of
from metallb.net.ranges import AddressRange, address_at
from metallb_controller.allocator.free import FreeNumbers
from metallb_controller.allocator.model import Capacity, Claim, Objection, Refusal

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from metallb.api.meta import ObjectKey


@dataclass(slots=True)
class _Range:
    span: AddressRange
    free: FreeNumbers

    def __contains__(self, address: IPAddress) -> bool:
        return address in self.span


@dataclass(slots=True)
class _Pool:
    ranges: list[_Range]
    held: set[IPAddress] = field(default_factory=set)
    outside: set[IPAddress] = field(default_factory=set)
    shared: dict[str, dict[IPAddress, None]] = field(default_factory=dict)

    def range_of(self, address: IPAddress) -> _Range | None:
        return next((item for item in self.ranges if address in item), None)


_NO_POOL = _Pool([])


@dataclass(slots=True)
class _Allocation:
    pool: str
    holders: dict[ObjectKey, Claim] = field(default_factory=dict)
    indexed: set[str] = field(default_factory=set)


class Allocator:
    """The state of all pools. A pool without ranges is as good as one that does not exist."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}
        self._allocations: dict[IPAddress, _Allocation] = {}
        self._by_service: dict[ObjectKey, dict[IPAddress, None]] = {}

    # -- pools ---------------------------------------------------------------------------------

    def set_pool(self, name: str, ranges: Iterable[AddressRange]) -> None:
        """Create a pool or replace its ranges (which must not overlap); holders keep what they
        have.
        """
        pool = self._pools.setdefault(name, _Pool([]))
        pool.ranges = [_Range(item, FreeNumbers(item.first, item.last)) for item in ranges]
        pool.outside.clear()
        for address in pool.held:
            self._take_number(pool, address)

    def _take_number(self, pool: _Pool, address: IPAddress) -> None:
        if found := pool.range_of(address):
            found.free.take(int(address))
        else:
            pool.outside.add(address)

    def remove_pool(self, name: str) -> None:
        """Take all ranges from a pool; it is forgotten once nobody holds an address of it."""
        if name in self._pools:
            self.set_pool(name, ())
            self._forget_if_empty(name)

    def pools(self) -> list[str]:
        """Name the pools that have ranges, or that addresses are held of."""
        return list(self._pools)

    def _forget_if_empty(self, name: str) -> None:
        pool = self._pools[name]
        if not pool.held and not pool.ranges:
            del self._pools[name]

    def capacity(self, name: str) -> Capacity:
        """Count the addresses of a pool."""
        pool = self._pools.get(name, _NO_POOL)
        total = sum(item.span.size for item in pool.ranges)
        return Capacity(total, len(pool.held), sum(item.free.count for item in pool.ranges))

    def _ranges(self, name: str) -> list[_Range]:
        return self._pools.get(name, _NO_POOL).ranges

    def free_count(self, name: str, family: Family) -> int:
        """Count the free addresses of one family."""
        return sum(item.free.count for item in self._ranges(name) if item.span.family is family)

    def size(self, name: str, family: Family) -> int:
        """Count the addresses of one family, free or not."""
        return sum(item.span.size for item in self._ranges(name) if item.span.family is family)

    def held_outside(self, name: str) -> list[IPAddress]:
        """Find the held addresses that are in none of the pool's ranges (any more), in order."""
        pool = self._pools.get(name, _NO_POOL)
        return sorted(pool.outside, key=lambda address: (address.version, int(address)))

    # -- questions -----------------------------------------------------------------------------

    def addresses_of(self, service: ObjectKey) -> tuple[IPAddress, ...]:
        """Give the addresses that a Service holds, in the order in which it got them."""
        return tuple(self._by_service.get(service, ()))

    def holders(self, address: IPAddress) -> tuple[ObjectKey, ...]:
        """Give the Services that hold an address, the senior one first."""
        allocation = self._allocations.get(address)
        return () if allocation is None else tuple(allocation.holders)

    def pool_of(self, address: IPAddress) -> str | None:
        """Give the pool of a held address; None when it is not held."""
        allocation = self._allocations.get(address)
        return None if allocation is None else allocation.pool

    def claim(self, address: IPAddress, service: ObjectKey) -> Claim:
        """Give the claim with which a Service holds an address; raises KeyError."""
        return self._allocations[address].holders[service]

    def free_addresses(
        self, pool: str, family: Family, count: int, besides: Container[IPAddress] = ()
    ) -> list[IPAddress]:
        """Find the first free addresses of a family, at most `count`, in the ranges' order."""
        found: list[IPAddress] = []
        for item in self._ranges(pool):
            if item.span.family is family and len(found) < count:
                numbers = chain.from_iterable(
                    range(first, last + 1) for first, last in item.free.intervals()
                )
                addresses = (address_at(family, number) for number in numbers)
                fitting = (address for address in addresses if address not in besides)
                found.extend(islice(fitting, count - len(found)))
        return found

    def held_under(
        self, pool: str, family: Family, sharing_key: str
    ) -> Iterator[tuple[IPAddress, ObjectKey, Claim]]:
        """Give the holders, with their claims, of the addresses held under a sharing key."""
        shared = self._pools.get(pool, _NO_POOL).shared.get(sharing_key, {})
        for address in sorted(shared, key=int):
            if family_of(address) is family:
                for holder, claim in self._allocations[address].holders.items():
                    if claim.sharing_key == sharing_key:
                        yield address, holder, claim

    def first_shareable(
        self,
        pool: str,
        family: Family,
        service: ObjectKey,
        claim: Claim,
        besides: Container[IPAddress],
    ) -> IPAddress | None:
        """Find the lowest address held under the same sharing key that the Service may share."""
        candidates = [
            address
            for address in self._pools.get(pool, _NO_POOL).shared.get(claim.sharing_key, ())
            if family_of(address) is family and address not in besides
        ]
        for address in sorted(candidates, key=int):
            if self.why_not(pool, address, service, claim) is None:
                return address
        return None

    def why_not(
        self, pool: str, address: IPAddress, service: ObjectKey, claim: Claim
    ) -> Objection | None:
        """Tell why a Service may not get an address of a pool; None: it may."""
        if (allocation := self._allocations.get(address)) is not None:
            if allocation.pool != pool:
                return Objection(Refusal.HELD, next(iter(allocation.holders)))
            for holder, theirs in allocation.holders.items():
                if holder != service and (refusal := claim.why_not_beside(theirs)) is not None:
                    return Objection(refusal, holder)
            return None
        return (
            None
            if self._pools.get(pool, _NO_POOL).range_of(address)
            else Objection(Refusal.OUTSIDE)
        )

    def why_not_stay(
        self, address: IPAddress, service: ObjectKey, claim: Claim
    ) -> Objection | None:
        """Tell why a holder may not stay beside those senior to it; None: it may."""
        for holder, theirs in self._allocations[address].holders.items():
            if holder == service:
                break
            if (refusal := claim.why_not_beside(theirs)) is not None:
                return Objection(refusal, holder)
        return None

    # -- changes -------------------------------------------------------------------------------

    def assign(self, pool: str, address: IPAddress, service: ObjectKey, claim: Claim) -> None:
        """Let a Service hold an address, or claim anew one that it holds.

        Nothing is asked here: a ledger that is read back must be taken as it is. A pool that does
        not exist (any more) is made, without ranges.
        """
        found = self._pools.setdefault(pool, _Pool([]))
        allocation = self._allocations.setdefault(address, _Allocation(pool))
        if not allocation.holders:
            allocation.pool = pool
            found.held.add(address)
            self._take_number(found, address)
        before = allocation.holders.get(service)
        allocation.holders[service] = claim
        self._by_service.setdefault(service, {})[address] = None
        if before is None or before.sharing_key != claim.sharing_key:
            self._index_sharing(allocation, address)

    def release(self, address: IPAddress, service: ObjectKey) -> bool:
        """Take an address from a Service; tell whether it is free now."""
        allocation = self._allocations[address]
        del allocation.holders[service]
        mine = self._by_service[service]
        del mine[address]
        if not mine:
            del self._by_service[service]
        self._index_sharing(allocation, address)
        if allocation.holders:
            return False
        del self._allocations[address]
        pool = self._pools[allocation.pool]
        pool.held.discard(address)
        pool.outside.discard(address)
        if span := pool.range_of(address):
            span.free.give(int(address))
        self._forget_if_empty(allocation.pool)
        return True

    def _index_sharing(self, allocation: _Allocation, address: IPAddress) -> None:
        shared = self._pools[allocation.pool].shared
        keys = {claim.sharing_key for claim in allocation.holders.values()} - {""}
        for key in allocation.indexed - keys:
            del shared[key][address]
            if not shared[key]:
                del shared[key]
        for key in keys - allocation.indexed:
            shared.setdefault(key, {})[address] = None
        allocation.indexed = keys

    # -- invariants ----------------------------------------------------------------------------

    def check_invariants(self) -> None:
        """Compare all indexes with the allocations; raises AssertionError."""
        for address, allocation in self._allocations.items():
            assert allocation.holders, f"{address} is held by nobody"
            assert address in self._pools[allocation.pool].held, f"{address} is not its pool's"
            for service in allocation.holders:
                assert address in self._by_service[service], f"{service} forgot {address}"
        for service, addresses in self._by_service.items():
            assert addresses, f"{service} is remembered for nothing"
            for address in addresses:
                assert service in self._allocations[address].holders, f"{address} forgot {service}"
        for name, pool in self._pools.items():
            self._check_pool(name, pool)

    def _check_pool(self, name: str, pool: _Pool) -> None:
        for address in pool.held:
            assert self._allocations[address].pool == name, f"{address} is of another pool"
            assert (address in pool.outside) == (pool.range_of(address) is None), f"{address}"
        for item in pool.ranges:
            held = sum(address in item for address in pool.held)
            assert item.free.count == item.span.size - held, f"{item.span} miscounts"
            spans = list(item.free.intervals())
            assert sum(last - first + 1 for first, last in spans) == item.free.count
            assert all(left[1] + 1 < right[0] for left, right in pairwise(spans))
            for address in pool.held:
                assert address not in item or int(address) not in item.free, f"{address} is free"
        for key, addresses in pool.shared.items():
            assert addresses, f"sharing key {key} is remembered for nothing"
            for address in addresses:
                claims = self._allocations[address].holders.values()
                assert any(claim.sharing_key == key for claim in claims), f"{address} lost {key}"
