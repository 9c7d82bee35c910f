"""The pools of the allocator: their spaces, what of them is free, for whom, and kept until when.

This is the half of the allocator that knows nothing of who may hold an address beside whom; see
`state` for the other half, and for the whole.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from metallb.api.virtual_ips import MOST_SERVICES
from metallb.net.addresses import Family, IPAddress, family_of
from metallb_controller.allocator.books import Allocation, Pool
from metallb_controller.allocator.model import Capacity, Claim, PoolSpace, Supply
from metallb_controller.allocator.retention import Retention
from metallb_controller.allocator.sharing import OUTSIDE_RANK, Occupancy, Rank, SharedAddresses
from metallb_controller.allocator.spaces import NO_SPACE, Space, SpanIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

    from metallb.api.meta import ObjectKey
    from metallb.net.ranges import AddressRange
    from metallb_controller.allocator.model import ForeignUse
    from metallb_controller.allocator.spaces import Span

NO_POOL = Pool()


class PoolState:
    """What is known of pools and addresses."""

    def __init__(self, most_holders: int = MOST_SERVICES) -> None:
        self._most_holders = most_holders
        self._pools: dict[str, Pool] = {}
        self._allocations: dict[IPAddress, Allocation] = {}
        self._by_service: dict[ObjectKey, tuple[IPAddress, ...]] = {}
        self._spans = SpanIndex()
        self._retention = Retention()
        self._holdings_changed = 0

    # -- pools -------------------------------------------------------------------------------------

    def set_pools(self, pools: Mapping[str, PoolSpace]) -> None:
        """Replace the spaces of all pools; holders keep what they have.

        Ranges must not overlap, within a pool or between pools. A pool that is not named has no
        ranges any more, and is forgotten once nobody holds an address of it.
        """
        for name in pools:
            self._pools.setdefault(name, Pool())
        for name, pool in self._pools.items():
            pool.space = Space(name, pools[name]) if name in pools else NO_SPACE
        self._spans = SpanIndex({name: pool.space for name, pool in self._pools.items()})
        for name, pool in list(self._pools.items()):
            pool.outside = {address for address in pool.held if not self.has(name, address)}
            pool.shared.clear()
            pool.usage.clear()
            self._forget_if_done(name)
        for address in self._allocations.keys() | {address for address, _, _ in self._retention}:
            self._occupy(address)
        for address, allocation in self._allocations.items():
            for holder in allocation.holders:
                self._pools[allocation.pool].count(address, holder.namespace, 1)
            if allocation.occupancy is not None:
                allocation.indexed = frozenset()
                self._index_sharing(allocation, address)

    def _occupy(self, address: IPAddress) -> Span | None:
        """Take an address that nobody holds and that is kept for nobody; gives its span."""
        span = self._spans.find(address)
        if span is not None and span.gives(address):
            span.take(int(address))
        return span

    def _vacate(self, address: IPAddress) -> None:
        """Give an address back, unless somebody holds it or it is kept for somebody."""
        if address in self._allocations or address in self._retention:
            return
        if (span := self._spans.find(address)) is not None and span.gives(address):
            span.give(int(address))

    def has(self, pool: str, address: IPAddress) -> bool:
        """Tell whether a pool has an address to give, be it held or not."""
        span = self._spans.find(address)
        return span is not None and span.pool == pool and span.gives(address)

    def space(self, pool: str) -> PoolSpace:
        """Give the space of a pool as it was set."""
        return self._pools.get(pool, NO_POOL).space.wanted

    def ranges(self, pool: str, family: Family) -> list[AddressRange]:
        """Give the ranges of a pool, of one family, in the order in which the user wrote them."""
        ranges = self.space(pool).ranges
        return [item for item in ranges if item.family is family]

    def pools(self) -> list[str]:
        """Name the pools that have ranges, or that addresses are held of."""
        return list(self._pools)

    def _forget_if_done(self, name: str) -> None:
        pool = self._pools[name]
        if not pool.held and not pool.space.spans:
            del self._pools[name]

    def capacity(self, name: str, family: Family | None = None) -> Capacity:
        """Count the addresses of a pool, of one family or of both."""
        pool = self._pools.get(name, NO_POOL)
        spans = pool.space.spans if family is None else pool.space.of_family(family)
        used = len(pool.held) if family is None else pool.of_family[family]
        total = sum(span.size for span in spans)
        foreign = sum(span.free.count for span in spans if span.foreign)
        return Capacity(total, used, sum(span.to_give for span in spans), foreign)

    def size(self, name: str, family: Family) -> int:
        """Count the addresses of one family, free or not."""
        spans = self._pools.get(name, NO_POOL).space.of_family(family)
        return sum(span.size for span in spans)

    def foreign_use(self, address: IPAddress) -> ForeignUse | None:
        """Tell how others use an address, as an IPAM says; None: they do not."""
        span = self._spans.find(address)
        return None if span is None else span.foreign

    def held_outside(self, name: str) -> list[IPAddress]:
        """Find the held addresses that the pool would not give (any more), in order."""
        pool = self._pools.get(name, NO_POOL)
        return sorted(pool.outside, key=lambda address: (address.version, int(address)))

    def held(self, name: str) -> Collection[IPAddress]:
        """Give the addresses that are held of a pool, also outside its ranges."""
        return self._pools.get(name, NO_POOL).held

    @property
    def changes(self) -> int:
        """A number that grows when a holder or one who may come back changes, or what he claims.

        What pools are does not count.
        """
        return self._holdings_changed + self._retention.changes

    # -- free addresses ----------------------------------------------------------------------------

    def available(self, supply: Supply) -> int:
        """Count what somebody who waits for any of a supply could have."""
        pool = self._pools.get(supply.pool, NO_POOL)
        if pool.space.wanted.is_disabled:
            return 0
        if supply.family is None:
            room = self.room(supply.pool, supply.namespace)
            return room if room >= supply.at_least else 0
        line = pool.space.lines.get((supply.family, supply.namespace, supply.service))
        return 0 if line is None else line.count

    def supplies(self, pool: str, family: Family, service: ObjectKey) -> list[Supply]:
        """Give the supplies of a pool that a Service may have addresses of."""
        keys = self._pools.get(pool, NO_POOL).space.lines
        own = ((service.namespace, service.name), (service.namespace, ""))
        reserved = [Supply(pool, family, *key) for key in own if (family, *key) in keys]
        return [*reserved, Supply(pool, family)]

    def free_count(self, pool: str, family: Family, service: ObjectKey | None = None) -> int:
        """Count the free addresses of one family that a Service, or any, may have."""
        space = self._pools.get(pool, NO_POOL).space
        lines = [] if space.wanted.is_disabled else space.lines_for(family, service)
        if len(lines) == 1:
            return lines[0].count
        spans = {span.rank: span for line in lines for span in line.spans}
        return sum(span.free.count for span in spans.values())

    def room(self, pool: str, namespace: str) -> int:
        """Tell how many addresses more the quota of a pool lets a namespace have."""
        found = self._pools.get(pool, NO_POOL)
        quota = found.space.wanted.namespace_quota
        return quota - len(found.usage.get(namespace, ())) if quota else 2**31

    def free_addresses(
        self,
        pool: str,
        family: Family,
        count: int,
        besides: Container[IPAddress] = (),
        service: ObjectKey | None = None,
    ) -> list[IPAddress]:
        """Find the first free addresses of a family that a Service, or any, may have.

        They are at most `count`, and in the ranges' order; what is reserved for the Service comes
        first. A disabled pool has none.
        """
        found: dict[IPAddress, None] = {}
        space = self._pools.get(pool, NO_POOL).space
        for line in [] if space.wanted.is_disabled else space.lines_for(family, service):
            free = (address for _, address in line.each(besides) if address not in found)
            found.update(dict.fromkeys(islice(free, count - len(found))))
        return list(found)

    # -- retention ---------------------------------------------------------------------------------

    def retain(self, address: IPAddress, service: ObjectKey, until: float) -> None:
        """Keep an address for a Service until a time; nobody else gets it unless he holds it."""
        if address not in self._allocations and address not in self._retention:
            self._occupy(address)
        self._retention.keep(address, service, until)

    def expire(self, now: float) -> list[IPAddress]:
        """Let go of what has been kept long enough; gives the addresses that are kept no more."""
        due = self._retention.take_due(now)
        for address in due:
            self._vacate(address)
        return due

    def next_expiry(self) -> float | None:
        """Tell when `expire` is due."""
        return self._retention.next_at()

    def retained_for(self, service: ObjectKey) -> tuple[IPAddress, ...]:
        """Give the addresses that are kept for a Service."""
        return self._retention.addresses(service)

    def kept_for(self, address: IPAddress) -> Mapping[ObjectKey, float]:
        """Give the Services that an address is kept for, with the time until which it is."""
        return self._retention.until(address)

    # -- sharing -----------------------------------------------------------------------------------

    def _recount(self, allocation: Allocation, before: Claim | None, claim: Claim) -> None:
        occupancy = allocation.occupancy
        if occupancy is None:
            occupancy = allocation.occupancy = Occupancy(self._most_holders)
            for other in allocation.holders.values():
                occupancy.add(other)
            return
        if before is not None:
            occupancy.remove(before)
        occupancy.add(claim)

    def _index_sharing(
        self, allocation: Allocation, address: IPAddress, *, may_open: bool = True
    ) -> None:
        """Enter an address under the keys of its holders; `may_open`: as in `SharedAddresses`."""
        occupancy = allocation.occupancy
        assert occupancy is not None, f"the holders of {address} were not counted"
        shared, family = self._pools[allocation.pool].shared, family_of(address)
        keys = frozenset(key for key, _ in occupancy.kinds if key)
        for key in allocation.indexed - keys:
            self._unindex(shared, family, key, address)
        for key in keys:
            if (family, key) not in shared:
                shared[family, key] = SharedAddresses(key)
            rank = self._rank(allocation.pool, address)
            shared[family, key].update(address, rank, occupancy, may_open=may_open)
        allocation.indexed = keys

    def _rank(self, pool: str, address: IPAddress) -> Rank:
        span = self._spans.find(address)
        is_within = span is not None and span.pool == pool and span.gives(address)
        return (span.rank if span is not None and is_within else OUTSIDE_RANK, int(address))

    def _unindex_sharing(self, allocation: Allocation, address: IPAddress) -> None:
        shared = self._pools[allocation.pool].shared
        for key in allocation.indexed:
            self._unindex(shared, family_of(address), key, address)
        allocation.indexed = frozenset()

    @staticmethod
    def _unindex(
        shared: dict[tuple[Family, str], SharedAddresses],
        family: Family,
        key: str,
        address: IPAddress,
    ) -> None:
        shared[family, key].remove(address)
        if not shared[family, key].addresses:
            del shared[family, key]
