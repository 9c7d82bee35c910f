"""The ledger: what each VirtualIP should say, and the order in which an address comes and goes.

    comes:   allocator ──► VirtualIP is created ──► Service status shows it
    goes:    Service status shows it no more ──► VirtualIP loses the Service, or goes ──► allocator

So a status never shows an address that the ledger does not have for that Service, and an address
is free for others only when both have let go of it. A crash between any two steps leaves a state
from which the same rules lead on: the ledger is read back first, and what a Service does not want
is *leaving*.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from metallb.api.meta import ObjectKey
from metallb.api.virtual_ips import Retained, TrafficPolicy, VirtualIPSpec, new_virtual_ip
from metallb.net.addresses import object_name
from metallb_controller.reconcile.advertisements import bgp_orders
from metallb_controller.reconcile.model import (
    CreateVirtualIP,
    DeleteVirtualIP,
    Target,
    TargetKind,
    UpdateVirtualIP,
)

if TYPE_CHECKING:
    from metallb.api.virtual_ips import BGPOrders, VirtualIP
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.state import Allocator
    from metallb_controller.reconcile.layer2 import Layer2
    from metallb_controller.reconcile.observed import Observed


@lru_cache(4096)
def vip_target(address: IPAddress) -> Target:
    """Name the object that stands for an address."""
    return Target(TargetKind.VIRTUAL_IP, ObjectKey("", object_name(address)))


class Ledger:
    """Compares the VirtualIPs with the allocator; the reconciler tells it who is leaving."""

    def __init__(self, observed: Observed, allocator: Allocator, layer2: Layer2) -> None:
        self._observed = observed
        self._allocator = allocator
        self._layer2 = layer2
        self._leaving: dict[IPAddress, dict[ObjectKey, None]] = {}

    # -- leaving -------------------------------------------------------------------------------

    def leave(self, address: IPAddress, service: ObjectKey) -> None:
        """Take in that a Service is to lose an address."""
        self._leaving.setdefault(address, {})[service] = None

    def stay(self, address: IPAddress, service: ObjectKey) -> None:
        """Take in that a Service is to keep an address after all."""
        leaving = self._leaving.get(address, {})
        leaving.pop(service, None)
        if not leaving:
            self._leaving.pop(address, None)

    def leaving(self, address: IPAddress) -> tuple[ObjectKey, ...]:
        """Give the Services that are to lose an address."""
        return tuple(self._leaving.get(address, ()))

    def is_leaving(self, address: IPAddress, service: ObjectKey) -> bool:
        """Tell whether a Service is to lose an address."""
        return service in self._leaving.get(address, ())

    def held(self, service: ObjectKey) -> tuple[IPAddress, ...]:
        """Give the addresses that a Service holds and is not losing."""
        return tuple(
            address
            for address in self._allocator.addresses_of(service)
            if not self.is_leaving(address, service)
        )

    def has_entry(self, address: IPAddress, service: ObjectKey) -> bool:
        """Tell whether the ledger has the address for the Service."""
        vip = self._observed.vips.get(address)
        return vip is not None and service in vip.spec.services

    def _is_shown(self, address: IPAddress, key: ObjectKey) -> bool:
        service = self._observed.services.get(key)
        return service is not None and any(item.ip == str(address) for item in service.ingress)

    def have_let_go(self, address: IPAddress) -> list[ObjectKey]:
        """Give those who are leaving and for whom neither status nor ledger shows the address."""
        return [
            service
            for service in self._leaving.get(address, ())
            if not self._is_shown(address, service) and not self.has_entry(address, service)
        ]

    # -- writes --------------------------------------------------------------------------------

    def holders(self, address: IPAddress) -> tuple[ObjectKey, ...]:
        """Give the Services that hold an address and stay, the senior one first."""
        return tuple(
            service
            for service in self._allocator.holders(address)
            if not self.is_leaving(address, service)
        )

    def wanted_spec(self, address: IPAddress) -> VirtualIPSpec | None:
        """Give what the VirtualIP should say; None: it should not exist."""
        services = tuple(
            service
            for service in self._allocator.holders(address)
            if not self.is_leaving(address, service) or self._is_shown(address, service)
        )
        pool = self._allocator.pool_of(address)
        vip = self._observed.vips.get(address)
        if not services or pool is None:
            return self._kept_spec(address, vip)
        if vip is not None and not self.holders(address):
            return vip.spec  # all are leaving: it serves as it is until the statuses are written
        first = self._observed.services.get(services[0])
        policy = TrafficPolicy.CLUSTER if first is None else first.traffic_policy
        layer2 = self._layer2.orders(address)
        return VirtualIPSpec(address, pool, services, policy, layer2, self._by_bgp(pool, services))

    def _by_bgp(self, pool: str, services: tuple[ObjectKey, ...]) -> BGPOrders | None:
        endpoints = self._observed.endpoints
        return bgp_orders(
            self._observed.pools.get(pool),
            [self._observed.labels_of(service) for service in services],
            serving=self._observed.confined_to(services),
            can_serve=endpoints.can_serve(services),
            counts=endpoints.counts(services) if endpoints.are_counted else {},
            health_check_ports=self._observed.health_check_ports(services),
        )

    def _kept_spec(self, address: IPAddress, vip: VirtualIP | None) -> VirtualIPSpec | None:
        """Give what the entry of an address says that nobody holds, but that is kept for some."""
        kept = self._allocator.kept_for(address)
        pool = self._allocator.range_owner(address) if vip is None else vip.spec.pool
        if not kept or pool is None:
            return None
        retained = Retained(tuple(kept), int(max(kept.values())))
        return VirtualIPSpec(address, pool, (), retained=retained)

    def write_for(
        self, address: IPAddress, *, again: bool = False
    ) -> CreateVirtualIP | UpdateVirtualIP | DeleteVirtualIP | None:
        """Give the write that the VirtualIP of an address needs, if any.

        `again`: nobody knows whether the last write took effect, so what should be there is
        written though it seems to be.
        """
        target = vip_target(address)
        wanted = self.wanted_spec(address)
        vip = self._observed.vips.get(address)
        if vip is None:
            return None if wanted is None else CreateVirtualIP(target, new_virtual_ip(wanted))
        if wanted is None:
            return DeleteVirtualIP(target, vip)
        return UpdateVirtualIP(target, vip, wanted) if again or wanted != vip.spec else None
