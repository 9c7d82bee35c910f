"""Which addresses one Service keeps, gets and gives back.

Three rules stand above all: an address that is held and still wanted is never changed; what
cannot be had costs nothing that is held (the old address stays until the wished one comes free);
and every wish that is not met has a reason that names the value and what would be right.

For each family that the Service asks for, slots are filled in this order: the requested
addresses, the addresses held, those that the Service's status still shows (a ledger entry that
somebody deleted), one that is held under the same sharing key, the first free one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

from metallb.api.virtual_ips import TrafficPolicy
from metallb.domain.requests import RequestProblem, RequestReason
from metallb.net.addresses import Family, IPAddress, family_of, parse_address
from metallb_controller.allocator.model import Claim, Objection, Refusal
from metallb_controller.reconcile.status import listed

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service, ServicePort
    from metallb.domain.requests import Wish
    from metallb_controller.allocator.state import Allocator


@dataclass(slots=True)
class ServicePlan:
    """What is to become of one Service's addresses.

    `wanted` are all that it is to have, in the order of its status; `added` and `dropped` are the
    differences from what it holds. `total` is the number it asks for. `awaits` are addresses that
    it would get if they came free, and `awaits_any` families of which any address would do.
    """

    wanted: list[IPAddress] = field(default_factory=list)
    added: list[IPAddress] = field(default_factory=list)
    dropped: list[IPAddress] = field(default_factory=list)
    total: int = 0
    problems: list[RequestProblem] = field(default_factory=list)
    awaits: list[IPAddress] = field(default_factory=list)
    awaits_any: list[Family] = field(default_factory=list)


def claim_of(service: Service, wish: Wish) -> Claim:
    """Make the claim of a Service: what decides with whom it may share."""
    backend = service.selector if service.traffic_policy is TrafficPolicy.LOCAL else None
    return Claim(wish.sharing_key, _ports(service.ports), backend, service.meta.seniority)


@lru_cache(4096)
def _ports(ports: tuple[ServicePort, ...]) -> frozenset[ServicePort]:
    """Keep equal sets of ports once: most Services have the same few."""
    return frozenset(ports)


def plan_service(
    service: Service,
    wish: Wish,
    pool: str,
    held: tuple[IPAddress, ...],
    allocator: Allocator,
) -> ServicePlan:
    """Decide about one Service; nothing is changed in the allocator.

    `held` are the addresses that it holds, in the order of its status.
    """
    planner = _Planner(service, wish, pool, held, allocator)
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
            self._refuse_exhausted(family, own_choice - len(found))
        self._note_refused_sharing(family)
        self.plan.wanted += sorted(chosen + found, key=self._position)

    def finish(self) -> ServicePlan:
        """Work out the differences."""
        wanted = set(self.plan.wanted)
        self.plan.added = [item for item in self.plan.wanted if item not in self.held]
        self.plan.dropped = [item for item in self.held if item not in wanted]
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
        found = self._shown_of(family, besides)[:count]
        avoided = {*besides, *self.held, *found}
        while self.claim.sharing_key and len(found) < count:
            shared = self.allocator.first_shareable(
                self.pool, family, self.key, self.claim, avoided
            )
            if shared is None:
                break
            avoided.add(shared)
            found.append(shared)
        return found + self.allocator.free_addresses(self.pool, family, count - len(found), avoided)

    def _shown_of(self, family: Family, besides: list[IPAddress]) -> list[IPAddress]:
        """Find the addresses that the status shows and the ledger does not, if they can be had."""
        return [
            address
            for address in _shown_addresses(self.service)
            if family_of(address) is family
            and address not in self.held
            and address not in besides
            and self.allocator.why_not(self.pool, address, self.key, self.claim) is None
        ]

    # -- reasons -------------------------------------------------------------------------------

    def _refuse_family(self, family: Family) -> None:
        self._note(
            RequestReason.FAMILY_NOT_SERVED,
            f"class {self.pool} has no {family} addresses; add a range to it, or change "
            "spec.ipFamilies of the Service",
        )

    def _refuse_exhausted(self, family: Family, missing: int) -> None:
        self.plan.awaits_any.append(family)
        size = self.allocator.size(self.pool, family)
        self._note(
            RequestReason.EXHAUSTED,
            f"class {self.pool} has no free {family} address ({size} in its ranges), "
            f"{missing} more wanted; add a range to the class",
        )

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
        key = self.claim.sharing_key
        holder = objection.holder
        match objection.refusal:
            case Refusal.OUTSIDE:
                ranges = self.allocator.ranges(self.pool, family_of(address))
                return RequestProblem(
                    RequestReason.ADDRESS_OUTSIDE,
                    f"{address} is requested, but class {self.pool} has only {listed(ranges)}",
                )
            case Refusal.FULL:
                return RequestProblem(
                    RequestReason.ADDRESS_FULL,
                    f"{address} is shared by as many Services as can be; use another sharing key",
                )
            case Refusal.HELD if holder is not None and not holder.namespace:
                return RequestProblem(
                    RequestReason.ADDRESS_IN_USE,
                    f"{address} is announced by BGP (VirtualIP {holder}); request another one",
                )
            case Refusal.HELD | Refusal.OTHER_KEY:
                return RequestProblem(
                    RequestReason.ADDRESS_IN_USE,
                    f"{address} is held by Service {holder}; to share it, both need the same "
                    "sharing key and different ports",
                )
            case Refusal.PORT_TAKEN:
                return RequestProblem(
                    RequestReason.SHARING_REFUSED,
                    f"{address} cannot be shared under key {key!r}: Service {holder} has "
                    f"{self._common_ports(holder, address)} on it; change the port or the key",
                )
            case Refusal.OTHER_POLICY:
                return RequestProblem(
                    RequestReason.SHARING_REFUSED,
                    f"{address} cannot be shared under key {key!r} with Service {holder}: both "
                    "need externalTrafficPolicy Cluster, or Local with the same selector",
                )
            case _:
                assert_never(objection.refusal)

    def _common_ports(self, holder: ObjectKey | None, address: IPAddress) -> str:
        theirs = None if holder is None else self.allocator.claim(address, holder)
        common = frozenset() if theirs is None else self.claim.ports & theirs.ports
        return ", ".join(sorted(map(str, common)))


def _shown_addresses(service: Service) -> list[IPAddress]:
    found: list[IPAddress] = []
    for item in service.ingress:
        try:
            found.append(parse_address(item.ip))
        except ValueError:
            continue
    return found
