"""What is to be looked at again: each thing once, in the order in which it came up."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, assert_never

from metallb.domain.address_pools import PoolKind, pool_key
from metallb.net.addresses import address_from_name
from metallb_controller.reconcile.model import TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metallb.api.meta import ObjectKey
    from metallb.net.addresses import IPAddress
    from metallb_controller.reconcile.model import Target


VIPS_AT_ONCE: Final = 50
"""How many of the VirtualIPs for later are taken out with the others."""


@dataclass(slots=True)
class Touched:
    """What a decision makes worth another look."""

    addresses: dict[IPAddress, None] = field(default_factory=dict)
    services: dict[ObjectKey, None] = field(default_factory=dict)
    pools: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Agenda:
    """Services to decide about; VirtualIPs and statuses to compare with what they should say."""

    services: dict[ObjectKey, None] = field(default_factory=dict)
    vips: dict[IPAddress, None] = field(default_factory=dict)
    statuses: dict[ObjectKey, None] = field(default_factory=dict)
    pools: dict[str, None] = field(default_factory=dict)
    later: dict[IPAddress, None] = field(default_factory=dict)
    """VirtualIPs that are looked at a few at a time, after all others."""

    def add_statuses(self, keys: Iterable[ObjectKey]) -> None:
        """Add statuses of Services."""
        self.statuses.update(dict.fromkeys(keys))

    def add_touched(self, touched: Touched) -> None:
        """Add what a decision has touched."""
        self.vips.update(touched.addresses)
        self.services.update(touched.services)
        self.pools.update(touched.pools)

    def add_target(self, target: Target) -> None:
        """Add the object that a write was for."""
        match target.kind:
            case TargetKind.VIRTUAL_IP:
                self.vips[address_from_name(target.key.name)] = None
            case TargetKind.SERVICE_STATUS:
                self.statuses[target.key] = None
            case TargetKind.CLASS_STATUS | TargetKind.POOL_STATUS | TargetKind.NATIVE_POOL_STATUS:
                self.pools[pool_key(PoolKind(target.kind), target.key.name)] = None
            case _:
                assert_never(target.kind)

    def take_services(self, count: int) -> Iterator[ObjectKey]:
        """Take out the next Services to decide about, each when it is asked for."""
        for key in list(islice(self.services, count)):
            del self.services[key]
            yield key

    def take_vips(self) -> dict[IPAddress, None]:
        """Take out all VirtualIPs, and a few of those for later."""
        taken, self.vips = self.vips, {}
        for address in list(islice(self.later, VIPS_AT_ONCE)):
            del self.later[address]
            taken[address] = None
        return taken

    def postpone_vips(self) -> None:
        """Leave the VirtualIPs that are to be looked at for later."""
        self.later.update(self.vips)
        self.vips = {}

    def take_statuses(self) -> dict[ObjectKey, None]:
        """Take out all statuses of Services."""
        taken, self.statuses = self.statuses, {}
        return taken
