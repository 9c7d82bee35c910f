"""Who holds which address: the allocator's state, and the only way to change it.

A *pool* is the address space of a class or of another pool: its ranges in the order in which the
user wrote them. An address is held by one Service, or by several that may share it (`Claim`), the
first of them being the senior. Holding does not depend on ranges: when a pool shrinks under a
holder, the holder keeps its address until the reconciler decides otherwise, and nobody else gets it
afterwards; when another pool is given the range, the address is not free there either. The same
goes for holders of addresses that were reserved for others, of a pool that was disabled, or over a
quota that was lowered: all of these are about who gets an address, not about who has one.

The cost of a step does not grow with the addresses in use: see `free`, `spaces` and `sharing`. The
same state gives the same address. Nothing is decided here about what a Service *should* have; see
`metallb_controller.reconcile`.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from metallb.net.addresses import Family, IPAddress, family_of
from metallb_controller.allocator.audit import check
from metallb_controller.allocator.books import Allocation, Books, Pool
from metallb_controller.allocator.model import (
    Claim,
    Objection,
    Refusal,
)
from metallb_controller.allocator.pools import NO_POOL, PoolState
from metallb_controller.allocator.sharing import Rank, Shape

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from metallb.api.meta import ObjectKey
    from metallb_controller.allocator.spaces import Span


class Allocator(PoolState):
    """The state of all pools. A pool without ranges is as good as one that does not exist."""

    # -- questions ---------------------------------------------------------------------------------

    def addresses_of(self, service: ObjectKey) -> tuple[IPAddress, ...]:
        """Give the addresses that a Service holds, in the order in which it got them."""
        return self._by_service.get(service, ())

    def holders(self, address: IPAddress) -> tuple[ObjectKey, ...]:
        """Give the Services that hold an address, the senior one first."""
        return tuple(self.claims(address))

    def pool_of(self, address: IPAddress) -> str | None:
        """Give the pool of a held address; None when it is not held."""
        allocation = self._allocations.get(address)
        return None if allocation is None else allocation.pool

    def range_owner(self, address: IPAddress) -> str | None:
        """Name the pool that has an address to give, whoever holds it."""
        span = self._spans.find(address)
        return span.pool if span is not None and span.gives(address) else None

    def claims(self, address: IPAddress) -> Mapping[ObjectKey, Claim]:
        """Give the Services that hold an address, the senior one first, with their claims."""
        allocation = self._allocations.get(address)
        return {} if allocation is None else allocation.holders

    def claim(self, address: IPAddress, service: ObjectKey) -> Claim | None:
        """Give the claim with which a Service holds an address; None: it does not hold it."""
        return self.claims(address).get(service)

    def held_under(
        self, pool: str, family: Family, sharing_key: str
    ) -> Iterator[tuple[IPAddress, ObjectKey, Claim]]:
        """Give the holders, with their claims, of the addresses held under a sharing key."""
        shared = self._pools.get(pool, NO_POOL).shared.get((family, sharing_key))
        for address in sorted(shared.addresses if shared else (), key=int):
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
        """Find the first address held under the same sharing key that the Service may share."""
        for address in self.addresses_of(service):
            if (
                self.pool_of(address) == pool
                and family_of(address) is family
                and address not in besides
                and self.why_not(pool, address, service, claim) is None
            ):
                return address
        found = self._first_shared(pool, family, service, claim, besides)
        return None if found is None else found[1]

    def _first_shared(
        self,
        pool: str,
        family: Family,
        service: ObjectKey,
        claim: Claim,
        besides: Container[IPAddress],
    ) -> tuple[Rank, IPAddress] | None:
        """Find the first address that is open to a claim, and to the Service's namespace."""
        found = self._pools.get(pool, NO_POOL)
        shared = found.shared.get((family, claim.sharing_key)) if claim.sharing_key else None
        if shared is None or found.space.wanted.is_disabled:
            return None

        def may_have(address: IPAddress) -> bool:
            return address not in besides and self._why_not_new(pool, address, service) is None

        return shared.first(claim, may_have)

    def first_usable(
        self,
        pool: str,
        family: Family,
        service: ObjectKey,
        claim: Claim,
        besides: Container[IPAddress],
    ) -> IPAddress | None:
        """Find the first address, free or shareable, in the ranges' order.

        What is reserved for the Service comes before what is not.
        """
        space = self._pools.get(pool, NO_POOL).space
        if space.wanted.is_disabled:
            return None
        shared = None
        if claim.sharing_key:
            shared = self._first_shared(pool, family, service, claim, besides)
        for line in space.lines_for(family, service):
            free = line.first(besides)
            if free is not None:
                span, address = free
                if shared is None or span.reservations:
                    return address
                return address if (span.rank, int(address)) < shared[0] else shared[1]
        return None if shared is None else shared[1]

    def why_not(
        self, pool: str, address: IPAddress, service: ObjectKey, claim: Claim
    ) -> Objection | None:
        """Tell why a Service may not get an address of a pool; None: it may."""
        allocation = self._allocations.get(address)
        is_of_pool = allocation is not None and allocation.pool == pool
        if allocation is None or service not in allocation.holders:
            if (objection := self._why_not_new(pool, address, service)) is not None:
                return objection
        elif not is_of_pool and not self.has(pool, address):
            return Objection(Refusal.OUTSIDE)
        if allocation is None:
            return None
        return self._why_not_beside(allocation, service, claim, is_of_pool=is_of_pool)

    def _why_not_new(self, pool: str, address: IPAddress, service: ObjectKey) -> Objection | None:
        """Tell why somebody who does not hold an address may not get it, whoever does."""
        wanted, span = self.space(pool), self._spans.find(address)
        is_within = span is not None and span.pool == pool
        if not is_within and self.pool_of(address) != pool:
            return Objection(Refusal.OUTSIDE)
        if wanted.is_disabled:
            return Objection(Refusal.DISABLED)
        if span is not None and is_within:
            if not span.gives(address):
                return Objection(Refusal.AVOIDED)
            if span.foreign:
                return Objection(Refusal.IN_IPAM)
            if not span.is_for(service):
                return Objection(Refusal.RESERVED)
        kept_for = self._retention.services(address)
        if kept_for and service not in kept_for and address not in self._allocations:
            return Objection(Refusal.RETAINED, kept_for[0])
        used = self._pools[pool].usage.get(service.namespace, {})
        if wanted.namespace_quota and address not in used and len(used) >= wanted.namespace_quota:
            return Objection(Refusal.QUOTA)
        return None

    def _why_not_beside(
        self, allocation: Allocation, service: ObjectKey, claim: Claim, *, is_of_pool: bool
    ) -> Objection | None:
        """Tell why a Service may not join those who hold an address."""
        is_new = service not in allocation.holders
        shape = Shape(claim.ports, claim.backend)
        occupancy = allocation.occupancy
        is_open = occupancy is not None and occupancy.is_open(claim.sharing_key, shape)
        if is_new and is_of_pool and is_open and claim.sharing_key:
            return None
        for holder, theirs in allocation.holders.items():
            if holder == service:
                continue
            refusal = claim.why_not_beside(theirs) if is_of_pool else Refusal.HELD
            if refusal is not None:
                return Objection(refusal, holder)
        if is_new and len(allocation.holders) >= self._most_holders:
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

        Nothing is asked here: a ledger that is read back must be taken as it is. An address changes
        its pool with this when the Service holds it alone, or when it has come to be in the ranges
        of the other pool.
        """
        is_kept = bool(self._retention) and address in self._retention
        if is_kept:
            self._retention.drop(address, service)
        allocation = self._allocations.get(address)
        if allocation is None:
            span = self._spans.find(address) if is_kept else self._occupy(address)
            allocation = self._allocations[address] = Allocation(pool, {})
            self._enter(pool, address, span)
        elif allocation.pool != pool and self._may_move(allocation, pool, address, service):
            self._move(allocation, pool, address)
        before = allocation.holders.get(service)
        self._holdings_changed += before != claim
        allocation.holders[service] = claim
        if before is None:
            self._pools[allocation.pool].count(address, service.namespace, 1)
            self._by_service[service] = (*self._by_service.get(service, ()), address)
        if allocation.occupancy is not None or claim.sharing_key:
            self._recount(allocation, before, claim)
            self._index_sharing(allocation, address, may_open=before is not None)

    def _may_move(
        self, allocation: Allocation, pool: str, address: IPAddress, service: ObjectKey
    ) -> bool:
        is_alone = tuple(allocation.holders) == (service,)
        return is_alone or (self.has(pool, address) and not self.has(allocation.pool, address))

    def _move(self, allocation: Allocation, pool: str, address: IPAddress) -> None:
        self._holdings_changed += 1
        self._unindex_sharing(allocation, address)
        before = self._pools[allocation.pool]
        for holder in allocation.holders:
            before.count(address, holder.namespace, -1)
        self._leave(allocation.pool, address)
        allocation.pool = pool
        self._enter(pool, address, self._spans.find(address))
        for holder in allocation.holders:
            self._pools[pool].count(address, holder.namespace, 1)
        if allocation.occupancy is not None:
            self._index_sharing(allocation, address)

    def release(self, address: IPAddress, service: ObjectKey) -> bool:
        """Take an address from a Service; tell whether nobody holds it now."""
        allocation = self._allocations[address]
        claim = allocation.holders.pop(service)
        self._holdings_changed += 1
        mine = tuple(item for item in self._by_service[service] if item != address)
        if mine:
            self._by_service[service] = mine
        else:
            del self._by_service[service]
        self._pools[allocation.pool].count(address, service.namespace, -1)
        if allocation.occupancy is not None:
            allocation.occupancy.remove(claim)
            self._index_sharing(allocation, address)
        if allocation.holders:
            return False
        del self._allocations[address]
        self._leave(allocation.pool, address)
        self._vacate(address)
        return True

    def _enter(self, name: str, address: IPAddress, span: Span | None) -> None:
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = Pool()
        pool.held.add(address)
        pool.of_family[family_of(address)] += 1
        if span is None or span.pool != name or not span.gives(address):
            pool.outside.add(address)

    def _leave(self, name: str, address: IPAddress) -> None:
        pool = self._pools[name]
        pool.held.remove(address)
        pool.of_family[family_of(address)] -= 1
        pool.outside.discard(address)
        self._forget_if_done(name)

    # -- invariants --------------------------------------------------------------------------------

    def check_invariants(self) -> None:
        """Compare all indexes with the allocations; raises AssertionError."""
        check(Books(self._pools, self._allocations, self._by_service, self._retention))
