"""Which addresses a Service gets from pools: MetalLB's rules, and dual stack from two pools.

Rules that differ from those of a class (`metallb_controller.reconcile.services`):

- An address is of the pool that has it in its ranges. A holder whose pool has it no more, or does
  not serve the Service any more, loses it and gets another.
- A request is met as a whole or not at all; while it cannot be met, the Service keeps what it has.
- Of a pool the first usable address is taken, be it free or shared with others.
- Both families come from one pool, if one has both free. If none has, they come from two; that
  MetalLB does not do. `RequireDualStack` is met as a whole or not at all; `PreferDualStack` is
  content with one, and keeps it when another pool comes that has both.
- When a Service loses one of two families because of its pool, both move to a pool that has both,
  if there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.domain.requests import RequestProblem, RequestReason
from metallb.domain.selection import pool_words
from metallb.net.addresses import Family, IPAddress, family_of
from metallb_controller.allocator.model import Objection, Refusal, Supply
from metallb_controller.allocator.words import explain, nothing_free
from metallb_controller.reconcile.plans import (
    ServicePlan,
    claim_of,
    lost_addresses,
    supplies_awaited,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.api.services import Service
    from metallb.domain.requests import Wish
    from metallb.domain.selection import Candidates
    from metallb_controller.allocator.state import Allocator

Found = dict[IPAddress, str]
"""Addresses, and the pool that each is of."""


def plan_from_pools(
    service: Service,
    wish: Wish,
    candidates: Candidates,
    held: tuple[IPAddress, ...],
    allocator: Allocator,
) -> ServicePlan:
    """Decide about one Service that pools serve; nothing is changed in the allocator."""
    planner = _PoolPlanner(service, wish, candidates, held, allocator)
    found = planner.choose()
    return planner.finish(found)


class _PoolPlanner:
    """One Service's plan while it is made."""

    def __init__(
        self,
        service: Service,
        wish: Wish,
        candidates: Candidates,
        held: tuple[IPAddress, ...],
        allocator: Allocator,
    ) -> None:
        self.key = service.meta.key
        self.claim = claim_of(service, wish)
        self.wish = wish
        self.candidates = candidates
        self.pools = tuple(pool for group in candidates.groups for pool in group)
        self.held = held
        self.allocator = allocator
        self.plan = ServicePlan(problems=list(wish.problems))
        self.evictions: list[RequestProblem] = []
        self.stays = self._staying()
        self.recoverable = self._recoverable(service)
        held_most = max((len(self._of(family, self.stays)) for family in Family), default=0)
        self.count = wish.count or max(1, held_most)
        self.is_optional = wish.is_second_family_optional

    # -- what there is -------------------------------------------------------------------------

    def _staying(self) -> Found:
        """Find the held addresses that the Service may keep, and what evicts it from others."""
        stays: Found = {}
        allowed = {*self.pools, *self.candidates.others}
        for address in self.held:
            pool = self.allocator.range_owner(address)
            if pool is None or pool not in allowed:
                continue
            objection = self.allocator.why_not_stay(address, self.key, self.claim)
            if objection is None:
                stays[address] = pool
            else:
                self.evictions.append(explain(objection, address, pool, self.claim, self.allocator))
        return stays

    def _recoverable(self, service: Service) -> Found:
        """Find the addresses that the Service should have again, and can have."""
        found: Found = {}
        allowed = {*self.pools, *self.candidates.others}
        for address in lost_addresses(service, self.allocator):
            pool = self.allocator.range_owner(address)
            if pool not in allowed or address in self.held:
                continue
            if self._has_room(pool, found) or not self._is_new(address):
                objection = self.allocator.why_not(pool, address, self.key, self.claim)
                if objection is None:
                    found[address] = pool
        return found

    def _has_room(self, pool: str, chosen: Found) -> bool:
        """Tell whether the quota of a pool allows one address more than those that are chosen."""
        new = sum(other == pool and self._is_new(address) for address, other in chosen.items())
        return self.allocator.room(pool, self.key.namespace) > new

    def _is_new(self, address: IPAddress) -> bool:
        """Tell whether no Service of the namespace holds an address."""
        holders = self.allocator.holders(address)
        return all(holder.namespace != self.key.namespace for holder in holders)

    @staticmethod
    def _of(family: Family, found: Iterable[IPAddress]) -> list[IPAddress]:
        return [address for address in found if family_of(address) is family]

    def _limited(self, *sources: Found) -> Found:
        """Take up to `count` addresses of each of the Service's families."""
        chosen: Found = {}
        for address, pool in (item for source in sources for item in source.items()):
            family = family_of(address)
            if family in self.wish.families and len(self._of(family, chosen)) < self.count:
                chosen.setdefault(address, pool)
        return chosen

    # -- the choice ----------------------------------------------------------------------------

    def choose(self) -> Found:
        """Choose the addresses that the Service is to have."""
        if not self.wish.families:
            return {}
        if self.wish.is_malformed:
            return self._limited(self.stays)
        if self.wish.requested:
            return self._choose_requested()
        return self._choose_freely(self._limited(self.stays, self.recoverable))

    def _choose_requested(self) -> Found:
        chosen: Found = {}
        problems: list[RequestProblem] = []
        for address in self.wish.requested:
            problem = self._request(address, chosen)
            if problem is not None:
                problems.append(problem)
                self.plan.awaits.append(address)
        if problems:
            self.plan.problems += problems
            return self._limited(self.stays)
        return self._filled(self._limited(chosen, self.stays, self.recoverable))

    def _request(self, address: IPAddress, chosen: Found) -> RequestProblem | None:
        """Choose a requested address; tells why not, if it cannot be had."""
        pool = self.allocator.range_owner(address)
        if address in self.stays:
            chosen[address] = self.stays[address]
            return None
        if pool is None or pool not in (*self.pools, *self.candidates.others):
            return self._elsewhere(address, pool)
        objection = self.allocator.why_not(pool, address, self.key, self.claim)
        if objection is None and not self._has_room(pool, chosen) and self._is_new(address):
            objection = Objection(Refusal.QUOTA)
        if objection is None:
            chosen[address] = pool
            return None
        if objection.refusal is Refusal.QUOTA:
            new = filter(self._is_new, self.wish.requested)
            needed = sum(self.allocator.range_owner(item) == pool for item in new)
            quota = Supply(pool, None, self.key.namespace, at_least=needed)
            self.plan.awaits_any.append(quota)
        return explain(objection, address, pool, self.claim, self.allocator)

    def _elsewhere(self, address: IPAddress, pool: str | None) -> RequestProblem:
        """Say that no pool that serves the Service has an address."""
        if pool in self.candidates.alternatives:
            named = " and ".join(map(pool_words, self.pools))
            return RequestProblem(
                RequestReason.OTHER_POOL,
                f"{address} is not compatible with requested address pool: {named} is named, and "
                f"the address is of {pool_words(pool)}",
            )
        why = "no pool has it" if pool is None else f"{pool_words(pool)} is for others"
        return RequestProblem(
            RequestReason.ADDRESS_NOT_IN_POOLS, f'["{address}"] is not allowed in config: {why}'
        )

    def _choose_freely(self, kept: Found) -> Found:
        found = self._filled_of(kept, kept.values())
        if not self._missing(found):
            return found
        has_lost = len(self.stays) < len(self.held)
        if (has_lost or not kept) and (whole := self._whole()):
            return whole
        found = self._filled(found or self._degraded())
        if self.is_optional or not self._lacks_family(found):
            return found
        return self._whole()

    def _missing(self, found: Found) -> dict[Family, int]:
        """Count what is missing of each family."""
        missing = {
            family: self.count - len(self._of(family, found)) for family in self.wish.families
        }
        return {family: count for family, count in missing.items() if count > 0}

    def _lacks_family(self, found: Found) -> bool:
        return any(self._lacks(family, found) for family in self.wish.families)

    def _lacks(self, family: Family, found: Found) -> bool:
        return not self._of(family, found)

    def _whole(self) -> Found:
        """Take all from the first pool that has all free; for one family, or for both."""
        for group in self.candidates.groups:
            for pool in group:
                if found := self._all_of(pool):
                    return found
            if self.is_optional and any(map(self._offers_any, group)):
                return {}  # a weaker group is not asked
        return {}

    def _all_of(self, pool: str) -> Found:
        found: Found = {}
        for family in self.wish.families:
            offered = self._offer(pool, family, self.count, found)
            if len(offered) < self.count:
                return {}
            found |= offered
        return found

    def _offers_any(self, pool: str) -> bool:
        return any(self._offer(pool, family, 1, {}) for family in self.wish.families)

    def _degraded(self) -> Found:
        """Take the primary family, else the secondary, of the first group that has either."""
        if not self.is_optional:
            return {}
        for group in self.candidates.groups:
            for family in self.wish.families:
                for pool in group:
                    if found := self._offer(pool, family, self.count, {}):
                        return found
        return {}

    def _filled(self, kept: Found) -> Found:
        """Add what is missing: of the pools that something is kept of, else of the others.

        A second family comes from another pool only if no pool has both.
        """
        found = self._filled_of(kept, kept.values())
        for family in self._missing(found):
            is_second = bool(found) and not self._of(family, found)
            if not (is_second and any(map(self._all_of, self.pools))):
                found |= self._gather(self.pools, family, found)
        return found

    def _filled_of(self, kept: Found, pools: Iterable[str]) -> Found:
        """Add what is missing, of some pools."""
        found = dict(kept)
        for family in self._missing(kept):
            found |= self._gather(dict.fromkeys(pools), family, found)
        return found

    def _gather(self, pools: Iterable[str], family: Family, chosen: Found) -> Found:
        """Take what is missing of a family: of the first pool that has enough, else in turn."""
        count = self.count - len(self._of(family, chosen))
        gathered: Found = {}
        for pool in pools:
            offered = self._offer(pool, family, count, chosen)
            if len(offered) == count:
                return offered
            for address in list(offered)[: count - len(gathered)]:
                gathered[address] = pool
        return gathered

    def _offer(self, pool: str, family: Family, count: int, chosen: Found) -> Found:
        """Find up to `count` addresses of a pool that the Service does not have yet."""
        found: Found = {}
        while len(found) < count:
            besides = {*self.held, *chosen, *found}
            ask = self.allocator.first_usable
            if not self._has_room(pool, chosen | found):
                ask = self.allocator.first_shareable
            address = ask(pool, family, self.key, self.claim, besides)
            if address is None or self.allocator.range_owner(address) != pool:
                break
            found[address] = pool
        return found

    # -- the plan ------------------------------------------------------------------------------

    def finish(self, found: Found) -> ServicePlan:
        """Put it in order, and say what is missing and why."""
        plan = self.plan
        plan.wanted = sorted(found, key=self._position)
        plan.pools = {address: found[address] for address in plan.wanted}
        plan.compare_with(self.held)
        plan.total = self.count * max(1, len(self.wish.families))
        if self.is_optional and len(self.wish.families) > 1 and self._lacks_family(found):
            plan.total = self.count
        if not self.wish.is_malformed and not plan.awaits and self.wish.families:
            self._note_missing(found)
        return plan

    def _position(self, address: IPAddress) -> tuple[int, int, int]:
        """IPv4 first; then requested addresses as requested, then those held, then the others."""
        if address in self.wish.requested:
            return address.version, 0, self.wish.requested.index(address)
        place = self.held.index(address) if address in self.held else len(self.held)
        return address.version, 1, place

    def _note_missing(self, found: Found) -> None:
        missing = self._missing(found)
        if not missing:
            return
        self.plan.problems += self.evictions
        is_told = bool(self.pools or self.candidates.alternatives)
        new = self._new_by_pool(found)
        short = [family for family in missing if self._is_short(family, new)]
        if self.is_optional and found:
            is_told = is_told and not all(self._lacks(family, found) for family in missing)
            short = [family for family in short if not self._lacks(family, found)]
        counts = {pool: len(addresses) for pool, addresses in new.items()}
        if not short and is_told:  # each family could be had, but a quota does not allow for all
            short, counts = list(missing)[:1], self._wait_for_quotas()
        for family in short if is_told else ():
            self.plan.problems.append(self._nothing_free(family, counts))

    def _is_short(self, family: Family, new: dict[str, list[IPAddress]]) -> bool:
        """Wait for a family where there is none (more); tells whether that is everywhere."""
        awaited = [
            supplies_awaited(self.allocator, pool, family, self.key, addresses)
            for pool, addresses in new.items()
        ]
        for supplies in awaited:
            self.plan.awaits_any += supplies
        return all(awaited)

    def _wait_for_quotas(self) -> dict[str, int]:
        needed = self.count * len(self.wish.families)
        namespace = self.key.namespace
        for pool in self.pools:
            if self.allocator.room(pool, namespace) < needed:
                self.plan.awaits_any.append(Supply(pool, None, namespace, at_least=needed))
        return dict.fromkeys(self.pools, needed - 1)

    def _new_by_pool(self, found: Found) -> dict[str, list[IPAddress]]:
        new: dict[str, list[IPAddress]] = {pool: [] for pool in (*self.pools, *found.values())}
        for address in self.plan.added:
            new[found[address]].append(address)
        return new

    def _nothing_free(self, family: Family, new: dict[str, int]) -> RequestProblem:
        others = self.candidates.alternatives
        return nothing_free(self.allocator, self.pools, others, family, self.key, new)
