"""Which addresses one Service keeps, gets and gives back.

Three rules stand above all: an address that is held and still wanted is never changed; what
cannot be had costs nothing that is held (the old address stays until the wished one comes free);
and every wish that is not met has a reason that names the value and what would be right.

For each family that the Service asks for, slots are filled in this order: the requested
addresses, the addresses held, those that are kept for the Service, those that its status still
shows (a ledger entry that somebody deleted), one that is held under the same sharing key, the first
free one.

That is for a Service of a class. What MetalLB's rules make of several pools is in
`metallb_controller.reconcile.pool_services`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.domain.requests import RequestProblem, RequestReason
from metallb.domain.selection import is_class
from metallb.net.addresses import Family, IPAddress, family_of
from metallb_controller.allocator.model import Objection
from metallb_controller.allocator.words import explain, shortage
from metallb_controller.reconcile.plans import (
    ServicePlan,
    claim_of,
    lost_addresses,
    supplies_awaited,
)
from metallb_controller.reconcile.pool_services import plan_from_pools

if TYPE_CHECKING:
    from metallb.api.services import Service
    from metallb.domain.requests import Wish
    from metallb.domain.selection import Candidates
    from metallb_controller.allocator.state import Allocator


def plan_service(
    service: Service,
    wish: Wish,
    candidates: Candidates,
    held: tuple[IPAddress, ...],
    allocator: Allocator,
) -> ServicePlan:
    """Decide about one Service; nothing is changed in the allocator.

    `held` are the addresses that it holds, in the order of its status.
    """
    first = candidates.groups[0][0] if candidates.groups else ""
    if not first or not is_class(first):
        return plan_from_pools(service, wish, candidates, held, allocator)
    planner = _Planner(service, wish, first, held, allocator)
    for index, family in enumerate(wish.families):
        is_optional = index > 0 and wish.is_second_family_optional
        planner.fill(family, is_optional)
    return planner.finish()


class _Planner:
    """One Service's plan while it is made."""

    def __init__(
        self,
        service: Service,
        wish: Wish,
        pool: str,
        held: tuple[IPAddress, ...],
        allocator: Allocator,
    ) -> None:
        self.key = service.meta.key
        self.claim = claim_of(service, wish)
        self.wish = wish
        self.pool = pool
        self.held = held
        self.allocator = allocator
        self.service = service
        self.plan = ServicePlan(problems=list(wish.problems))

    def fill(self, family: Family, is_optional: bool) -> None:
        """Fill the slots of one family."""
        holds = [item for item in self.held if family_of(item) is family and self._may_keep(item)]
        if not holds and not self.allocator.size(self.pool, family):
            if not is_optional:
                self.plan.total += self.wish.count or 1
                self._refuse_family(family)
            return
        count = self.wish.count or max(1, len(holds))
        self.plan.total += count
        chosen = self._take_requested(family, count)
        requested = sum(family_of(address) is family for address in self.wish.requested)
        kept = [item for item in holds if item not in chosen]
        chosen += kept[: count - len(chosen)]
        own_choice = max(0, min(count - len(chosen), count - requested - len(kept)))
        found = self._find(family, own_choice, chosen)
        if len(found) < own_choice:
            self._refuse_exhausted(family, own_choice - len(found), chosen + found)
        self._note_refused_sharing(family)
        self.plan.wanted += sorted(chosen + found, key=self._position)

    def finish(self) -> ServicePlan:
        """Work out the differences."""
        self.plan.compare_with(self.held)
        self.plan.pools = dict.fromkeys(self.plan.wanted, self.pool)
        return self.plan

    def _position(self, address: IPAddress) -> tuple[int, int]:
        """Order in the status: requested addresses first as requested, then the others as held."""
        if address in self.wish.requested:
            return (0, self.wish.requested.index(address))
        return (1, self.held.index(address) if address in self.held else len(self.held))

    def _take_requested(self, family: Family, count: int) -> list[IPAddress]:
        taken: list[IPAddress] = []
        for address in self.wish.requested:
            if family_of(address) is not family or len(taken) == count:
                continue
            if address in self.held:
                objection = self._why_not_keep(address)
            else:
                objection = self.allocator.why_not(self.pool, address, self.key, self.claim)
            if objection is None:
                taken.append(address)
            else:
                self.plan.awaits.append(address)
                self.plan.problems.append(self._refusal(address, objection))
        return taken

    def _may_keep(self, address: IPAddress) -> bool:
        return self._why_not_keep(address) is None

    def _why_not_keep(self, address: IPAddress) -> Objection | None:
        if self.allocator.pool_of(address) != self.pool:
            return self.allocator.why_not(self.pool, address, self.key, self.claim)
        return self.allocator.why_not_stay(address, self.key, self.claim)

    def _find(self, family: Family, count: int, besides: list[IPAddress]) -> list[IPAddress]:
        """Find up to `count` addresses of our own choice, none of them chosen or held already."""
        if not count:
            return []
        found = self._kept_or_shown(family, besides)[:count]
        avoided = {*besides, *self.held, *found}
        while self.claim.sharing_key and len(found) < count:
            shared = self.allocator.first_shareable(
                self.pool, family, self.key, self.claim, avoided
            )
            if shared is None:
                break
            avoided.add(shared)
            found.append(shared)
        room = self.allocator.room(self.pool, self.key.namespace)
        more = max(0, min(count - len(found), room - len(self._new([*besides, *found]))))
        return found + self.allocator.free_addresses(self.pool, family, more, avoided, self.key)

    def _new(self, chosen: list[IPAddress]) -> list[IPAddress]:
        """Give the addresses of the plan that the Service does not hold yet."""
        return [item for item in (*self.plan.wanted, *chosen) if item not in self.held]

    def _kept_or_shown(self, family: Family, besides: list[IPAddress]) -> list[IPAddress]:
        """Find the addresses that are to be had again, if they can be had."""
        return [
            address
            for address in lost_addresses(self.service, self.allocator)
            if family_of(address) is family
            and address not in self.held
            and address not in besides
            and self.allocator.why_not(self.pool, address, self.key, self.claim) is None
        ]

    # -- reasons -------------------------------------------------------------------------------

    def _refuse_family(self, family: Family) -> None:
        words = shortage(self.allocator, self.pool, family, self.key).words
        self._note(
            RequestReason.FAMILY_NOT_SERVED,
            f"{words}; add a range to it, or change spec.ipFamilies of the Service",
        )

    def _refuse_exhausted(self, family: Family, missing: int, chosen: list[IPAddress]) -> None:
        new = self._new(chosen)
        reason, words = shortage(self.allocator, self.pool, family, self.key, len(new))
        if reason is RequestReason.EXHAUSTED:
            words += f", {missing} more wanted; add a range to the class"
        self.plan.awaits_any += supplies_awaited(self.allocator, self.pool, family, self.key, new)
        self._note(reason, words)

    def _note_refused_sharing(self, family: Family) -> None:
        """Say why an address of an older Service under the same key is not shared."""
        for address, holder, theirs in self.allocator.held_under(
            self.pool, family, self.claim.sharing_key
        ):
            refusal = self.claim.why_not_beside(theirs)
            if holder != self.key and refusal and theirs.seniority < self.claim.seniority:
                self.plan.problems.append(self._refusal(address, Objection(refusal, holder)))
                return

    def _note(self, reason: RequestReason, message: str) -> None:
        self.plan.problems.append(RequestProblem(reason, message))

    def _refusal(self, address: IPAddress, objection: Objection) -> RequestProblem:
        return explain(objection, address, self.pool, self.claim, self.allocator)
