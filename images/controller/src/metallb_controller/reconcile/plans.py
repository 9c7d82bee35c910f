"""What is to become of a Service's addresses, and what the planners of both kinds ask about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from metallb.api.virtual_ips import TrafficPolicy
from metallb.net.addresses import Family, IPAddress, family_of, parse_address
from metallb_controller.allocator.model import Claim, Supply

if TYPE_CHECKING:
    from collections.abc import Collection

    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service, ServicePort
    from metallb.domain.requests import RequestProblem, Wish
    from metallb_controller.allocator.state import Allocator


@dataclass(slots=True)
class ServicePlan:
    """What is to become of one Service's addresses.

    `wanted` are all that it is to have, in the order of its status; `added` and `dropped` are the
    differences from what it holds. `total` is the number it asks for. `awaits` are addresses that
    it would get if they came free, and `awaits_any` supplies of which any address would do. `pools`
    tells of each wanted address which pool it is of.
    """

    wanted: list[IPAddress] = field(default_factory=list)
    added: list[IPAddress] = field(default_factory=list)
    dropped: list[IPAddress] = field(default_factory=list)
    total: int = 0
    problems: list[RequestProblem] = field(default_factory=list)
    awaits: list[IPAddress] = field(default_factory=list)
    awaits_any: list[Supply] = field(default_factory=list)
    pools: dict[IPAddress, str] = field(default_factory=dict)

    def compare_with(self, held: tuple[IPAddress, ...]) -> None:
        """Work out the differences."""
        wanted = set(self.wanted)
        self.added = [item for item in self.wanted if item not in held]
        self.dropped = [item for item in held if item not in wanted]


def supplies_awaited(
    allocator: Allocator,
    pool: str,
    family: Family,
    service: ObjectKey,
    new: Collection[IPAddress],
) -> list[Supply]:
    """Give what a Service waits for that got nothing (more) of a pool, but for what is `new` to it.

    What is there already is nothing to wait for.
    """
    if allocator.room(pool, service.namespace) <= len(new):
        return [Supply(pool, None, service.namespace)]
    taken = sum(family_of(item) is family and not allocator.holders(item) for item in new)
    is_free = allocator.free_count(pool, family, service) > taken
    return [] if is_free else allocator.supplies(pool, family, service)


def claim_of(service: Service, wish: Wish) -> Claim:
    """Make the claim of a Service: what decides with whom it may share."""
    backend = service.selector if service.traffic_policy is TrafficPolicy.LOCAL else None
    return Claim(wish.sharing_key, _ports(service.ports), backend, service.meta.seniority)


@lru_cache(4096)
def _ports(ports: tuple[ServicePort, ...]) -> frozenset[ServicePort]:
    """Keep equal sets of ports once: most Services have the same few."""
    return frozenset(ports)


def lost_addresses(service: Service, allocator: Allocator) -> list[IPAddress]:
    """Give the addresses that a Service should have again.

    They are those that are kept for it since it was deleted, and those that its status shows and
    the ledger does not have.
    """
    found = dict.fromkeys(allocator.retained_for(service.meta.key))
    for item in service.ingress:
        try:
            found[parse_address(item.ip)] = None
        except ValueError:
            continue
    return list(found)
