"""What the allocator keeps: allocations by address, pools by key, addresses by Service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.net.addresses import Family
from metallb_controller.allocator.spaces import NO_SPACE, Space

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.model import Claim
    from metallb_controller.allocator.retention import Retention
    from metallb_controller.allocator.sharing import Occupancy, SharedAddresses


@dataclass(slots=True)
class Allocation:
    """One address that is held; `occupancy` is counted once a holder names a sharing key."""

    pool: str
    holders: dict[ObjectKey, Claim]
    occupancy: Occupancy | None = None
    indexed: frozenset[str] = frozenset()


@dataclass(slots=True)
class Pool:
    """A pool's space, and what is held of it.

    `of_family` counts what is held. `outside` is what it would not give (any more). `usage` is the
    addresses of each namespace with the number of its holders; it is counted only where there is a
    quota.
    """

    space: Space = NO_SPACE
    held: set[IPAddress] = field(default_factory=set)
    of_family: dict[Family, int] = field(default_factory=lambda: dict.fromkeys(Family, 0))
    outside: set[IPAddress] = field(default_factory=set)
    usage: dict[str, dict[IPAddress, int]] = field(default_factory=dict)
    shared: dict[tuple[Family, str], SharedAddresses] = field(default_factory=dict)

    def count(self, address: IPAddress, namespace: str, change: int) -> None:
        """Count a holder more or less of a namespace."""
        if not self.space.wanted.namespace_quota:
            return
        used = self.usage.setdefault(namespace, {})
        used[address] = used.get(address, 0) + change
        if not used[address]:
            del used[address]
            if not used:
                del self.usage[namespace]


@dataclass(frozen=True, slots=True)
class Books:
    """All of it."""

    pools: dict[str, Pool]
    allocations: dict[IPAddress, Allocation]
    by_service: dict[ObjectKey, tuple[IPAddress, ...]]
    retention: Retention
