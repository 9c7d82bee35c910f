"""Who holds which address: the allocator's state, and the only way to change it.

A *pool* is the address space of one class: its ranges in the order in which the user wrote them. An
address is held by one Service, or by several that may share it (`Claim`), the first of them being
the senior. Holding does not depend on ranges: when a pool shrinks under a holder, the holder keeps
its address, and nobody else gets it afterwards; when another pool is given the range, the address
is not free there either.

Finding a free address takes the first free number of the first range that has one (`FreeNumbers`),
so its cost does not grow with the addresses in use, and the same state gives the same address.
Nothing is decided here about what a Service *should* have; see `metallb_controller.reconcile`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise, takewhile
from typing import TYPE_CHECKING

from metallb.api.virtual_ips import MOST_SERVICES
from metallb.net.addresses import Family, IPAddress, family_of
from metallb.net.ranges import AddressRange, address_at
from metallb_controller.allocator.free import FreeNumbers
from metallb_controller.allocator.model import Capacity, Claim, Objection, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping

    from metallb.api.meta import ObjectKey


@dataclass(slots=True)
class _Span:
    """A range of a pool, with what of it is free."""

    range: AddressRange
    free: FreeNumbers


@dataclass(slots=True)
class _Pool:
    spans: list[_Span] = field(default_factory=list)
    held: set[IPAddress] = field(default_factory=set)
    outside: set[IPAddress] = field(default_factory=set)
    shared: dict[str, dict[IPAddress, None]] = field(default_factory=dict)

    def has(self, address: IPAddress) -> bool:
        return any(address in span.range for span in self.spans)


_NO_POOL = _Pool()


@dataclass(slots=True)
class _Allocation:
    pool: str
    holders: dict[ObjectKey, Claim] = field(default_factory=dict)
    indexed: set[str] = field(default_factory=set)


class Allocator:
    """The state of all pools. A pool without ranges is as good as one that does not exist."""

    def __init__(self, most_holders: int = MOST_SERVICES) -> None:
        self._most_holders = most_holders
        self._pools: dict[str, _Pool] = {}
        self._allocations: dict[IPAddress, _Allocation] = {}
        self._by_service: dict[ObjectKey, dict[IPAddress, None]] = {}
        self._spans: list[_Span] = []
        self._firsts: list[tuple[Family, int]] = []

    # -- pools -------------------------------------------------------------------------------------

    def set_pools(self, pools: dict[str, Iterable[AddressRange]]) -> None:
        """Replace the ranges of all pools; holders keep what they have.

        Ranges must not overlap, within a pool or between pools. A pool that is not named has no
        ranges any more, and is forgotten once nobody holds an address of it.
        """
        for name in pools:
            self._pools.setdefault(name, _Pool())
        for name, pool in list(self._pools.items()):
            ranges = pools.get(name, ())
            pool.spans = [_Span(item, FreeNumbers(item.first, item.last)) for item in ranges]
            pool.outside = {address for address in pool.held if not pool.has(address)}
            self._forget_if_done(name)
        spans = [span for pool in self._pools.values() for span in pool.spans]
        self._spans = sorted(spans, key=lambda span: (span.range.family, span.range.first))
        self._firsts = [(span.range.family, span.range.first) for span in self._spans]
        for address in self._allocations:
            if span := self._span_of(address):
                span.free.take(int(address))

    def _span_of(self, address: IPAddress) -> _Span | None:
        """Find the range, of any pool, that an address is in."""
        index = bisect_right(self._firsts, (family_of(address), int(address))) - 1
        if index < 0 or address not in self._spans[index].range:
            return None
        return self._spans[index]

    def ranges(self, pool: str, family: Family) -> list[AddressRange]:
        """Give the ranges of a pool, of one family, in the order in which the user wrote them."""
        return [span.range for span in self._spans_of(pool, family)]

    def pools(self) -> list[str]:
        """Name the pools that have ranges, or that addresses are held of."""
        return list(self._pools)

    def _forget_if_done(self, name: str) -> None:
        pool = self._pools[name]
        if not pool.held and not pool.spans:
            del self._pools[name]

    def _spans_of(self, pool: str, family: Family) -> list[_Span]:
        spans = self._pools.get(pool, _NO_POOL).spans
        return [span for span in spans if span.range.family is family]

    def capacity(self, name: str) -> Capacity:
        """Count the addresses of a pool."""
        pool = self._pools.get(name, _NO_POOL)
        total = sum(span.range.size for span in pool.spans)
        return Capacity(total, len(pool.held), sum(span.free.count for span in pool.spans))

    def free_count(self, name: str, family: Family) -> int:
        """Count the free addresses of one family."""
        return sum(span.free.count for span in self._spans_of(name, family))

    def size(self, name: str, family: Family) -> int:
        """Count the addresses of one family, free or not."""
        return sum(span.range.size for span in self._spans_of(name, family))

    def held_outside(self, name: str) -> list[IPAddress]:
        """Find the held addresses that are in none of the pool's ranges (any more), in order."""
        pool = self._pools.get(name, _NO_POOL)
        return sorted(pool.outside, key=lambda address: (address.version, int(address)))

    def held(self, name: str) -> Collection[IPAddress]:
        """Give the addresses that are held of a pool, also outside its ranges."""
        return self._pools.get(name, _NO_POOL).held

    # -- questions ---------------------------------------------------------------------------------

    def addresses_of(self, service: ObjectKey) -> tuple[IPAddress, ...]:
        """Give the addresses that a Service holds, in the order in which it got them."""
        return tuple(self._by_service.get(service, ()))

    def holders(self, address: IPAddress) -> tuple[ObjectKey, ...]:
        """Give the Services that hold an address, the senior one first."""
        return tuple(self.claims(address))

    def pool_of(self, address: IPAddress) -> str | None:
        """Give the pool of a held address; None when it is not held."""
        allocation = self._allocations.get(address)
        return None if allocation is None else allocation.pool

    def range_owner(self, address: IPAddress) -> str | None:
        """Name the pool that has an address in its ranges, whoever holds it."""
        return next((name for name, pool in self._pools.items() if pool.has(address)), None)

    def claims(self, address: IPAddress) -> Mapping[ObjectKey, Claim]:
        """Give the Services that hold an address, the senior one first, with their claims."""
        allocation = self._allocations.get(address)
        return {} if allocation is None else allocation.holders

    def claim(self, address: IPAddress, service: ObjectKey) -> Claim | None:
        """Give the claim with which a Service holds an address; None: it does not hold it."""
        return self.claims(address).get(service)

    def free_addresses(
        self, pool: str, family: Family, count: int, besides: Container[IPAddress] = ()
    ) -> list[IPAddress]:
        """Find the first free addresses of a family, at most `count`, in the ranges' order."""
        found: list[IPAddress] = []
        for span in self._spans_of(pool, family):
            numbers = chain.from_iterable(
                range(first, last + 1) for first, last in span.free.intervals()
            )
            addresses = (address_at(family, number) for number in numbers)
            fitting = (address for address in addresses if address not in besides)
            found.extend(islice(fitting, count - len(found)))
            if len(found) == count:
                break
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
        shared = self._pools.get(pool, _NO_POOL).shared.get(claim.sharing_key, ())
        for address in sorted(shared, key=int):
            if family_of(address) is not family or address in besides:
                continue
            if self.why_not(pool, address, service, claim) is None:
                return address
        return None

    def why_not(
        self, pool: str, address: IPAddress, service: ObjectKey, claim: Claim
    ) -> Objection | None:
        """Tell why a Service may not get an address of a pool; None: it may."""
        is_of_pool = self.pool_of(address) == pool
        if not is_of_pool and not self._pools.get(pool, _NO_POOL).has(address):
            return Objection(Refusal.OUTSIDE)
        holders = self.claims(address)
        for holder, theirs in holders.items():
            if holder == service:
                continue
            refusal = claim.why_not_beside(theirs) if is_of_pool else Refusal.HELD
            if refusal is not None:
                return Objection(refusal, holder)
        if len(holders) >= self._most_holders and service not in holders:
            return Objection(Refusal.FULL)
        return None

    def why_not_stay(
        self, address: IPAddress, service: ObjectKey, claim: Claim
    ) -> Objection | None:
        """Tell why a holder may not stay beside those senior to it; None: it may."""
        holders = self._allocations[address].holders
        for holder in takewhile(lambda other: other != service, holders):
            if (refusal := claim.why_not_beside(holders[holder])) is not None:
                return Objection(refusal, holder)
        return None

    # -- changes -----------------------------------------------------------------------------------

    def assign(self, pool: str, address: IPAddress, service: ObjectKey, claim: Claim) -> None:
        """Let a Service hold an address, or claim anew one that it holds.

        Nothing is asked here: a ledger that is read back must be taken as it is. An address that
        the Service holds alone changes its pool with this.
        """
        allocation = self._allocations.get(address)
        if allocation is None:
            allocation = self._allocations[address] = _Allocation(pool)
            self._enter(pool, address)
            if span := self._span_of(address):
                span.free.take(int(address))
        elif allocation.pool != pool and tuple(allocation.holders) == (service,):
            self._unindex_sharing(allocation, address)
            self._leave(allocation.pool, address)
            allocation.pool = pool
            self._enter(pool, address)
        allocation.holders[service] = claim
        self._by_service.setdefault(service, {})[address] = None
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
        self._leave(allocation.pool, address)
        if span := self._span_of(address):
            span.free.give(int(address))
        return True

    def _enter(self, name: str, address: IPAddress) -> None:
        pool = self._pools.setdefault(name, _Pool())
        pool.held.add(address)
        if not pool.has(address):
            pool.outside.add(address)

    def _leave(self, name: str, address: IPAddress) -> None:
        pool = self._pools[name]
        pool.held.discard(address)
        pool.outside.discard(address)
        self._forget_if_done(name)

    def _index_sharing(self, allocation: _Allocation, address: IPAddress) -> None:
        keys = {claim.sharing_key for claim in allocation.holders.values()} - {""}
        if keys != allocation.indexed:
            self._unindex_sharing(allocation, address)
            shared = self._pools[allocation.pool].shared
            for key in keys:
                shared.setdefault(key, {})[address] = None
            allocation.indexed = keys

    def _unindex_sharing(self, allocation: _Allocation, address: IPAddress) -> None:
        shared = self._pools[allocation.pool].shared
        for key in allocation.indexed:
            del shared[key][address]
            if not shared[key]:
                del shared[key]
        allocation.indexed = set()

    # -- invariants --------------------------------------------------------------------------------

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
                assert service in self.holders(address), f"{address} forgot {service}"
        for name, pool in self._pools.items():
            self._check_pool(name, pool)

    def _check_pool(self, name: str, pool: _Pool) -> None:
        for address in pool.held:
            assert self.pool_of(address) == name, f"{address} is of another pool"
        outside = {address for address in pool.held if not pool.has(address)}
        assert pool.outside == outside, f"{name} is wrong about {pool.outside ^ outside}"
        for span in pool.spans:
            self._check_span(span)
        for key, addresses in pool.shared.items():
            assert addresses, f"sharing key {key} is remembered for nothing"
            for address in addresses:
                assert key in self._allocations[address].indexed, f"{address} lost {key}"

    def _check_span(self, span: _Span) -> None:
        held = [address for address in self._allocations if address in span.range]
        intervals = list(span.free.intervals())
        assert span.free.count == span.range.size - len(held), f"{span.range} miscounts"
        assert sum(last - first + 1 for first, last in intervals) == span.free.count
        assert all(left[1] + 1 < right[0] for left, right in pairwise(intervals))
        assert all(int(address) not in span.free for address in held), f"{span.range} gives twice"
