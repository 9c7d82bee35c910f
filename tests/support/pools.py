"""Address pools for tests, and Services that are served by them without a cluster around."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metallb.api.ip_address_pools import ServiceAllocation
from metallb.api.meta import Metadata, ObjectKey
from metallb.api.pool_options import PoolRange, Reservation
from metallb.api.selectors import LabelSelector
from metallb.api.services import read_service
from metallb.domain.address_pools import AddressPool, PoolKind
from metallb.domain.requests import read_wish
from metallb.domain.selection import Choice, PoolIndex, choose_pools
from metallb.net.ranges import parse_whole_range
from metallb_controller.allocator.model import PoolSpace
from metallb_controller.allocator.state import Allocator
from metallb_controller.reconcile.plans import ServicePlan, claim_of
from metallb_controller.reconcile.services import plan_service
from support.objects import service_object

if TYPE_CHECKING:
    from metallb.net.addresses import IPAddress

DUAL = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
PREFER = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}
PREFER_IPV6 = {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}
IPV6 = {"ipFamilies": ["IPv6"]}


def pool(
    name: str,
    *ranges: str,
    kind: PoolKind = PoolKind.NATIVE,
    created: str = "2026-01-01T00:00:00Z",
    **fields: Any,
) -> AddressPool:
    """Make a pool of prefixes and ranges."""
    meta = Metadata(ObjectKey("", name), f"uid-{name}", "1", 1, created, is_deleting=False)
    found = tuple(PoolRange(text, ".spec.addresses", parse_whole_range(text)) for text in ranges)
    return AddressPool(kind, meta, found, **fields)


def pinned(
    priority: int = 0,
    *namespaces: str,
    selected: tuple[dict[str, str], ...] = (),
    services: tuple[dict[str, str], ...] = (),
) -> ServiceAllocation:
    """Make a `serviceAllocation`."""
    return ServiceAllocation(
        priority,
        frozenset(namespaces),
        tuple(map(LabelSelector.of, selected)),
        tuple(map(LabelSelector.of, services)),
    )


def reserved(text: str, namespace: str, service: str = "") -> Reservation:
    """Make a reservation."""
    return Reservation(parse_whole_range(text), namespace, service)


def space_of(found: AddressPool) -> PoolSpace:
    """Give the space of a pool that conflicts with no other."""
    return PoolSpace(
        tuple(item.range for item in found.ranges),
        found.avoid_buggy_ips,
        found.is_disabled,
        found.namespace_quota,
        found.reservations,
    )


class Office:
    """Serves Services one at a time, as the reconciler does, and at once."""

    def __init__(self, *pools: AddressPool) -> None:
        self.allocator = Allocator()
        self.namespaces: dict[str, dict[str, str]] = {"default": {}}
        self.services: dict[str, dict[str, Any]] = {}
        self.plans: dict[str, ServicePlan] = {}
        self.choices: dict[str, Choice | None] = {}
        self.pools: dict[str, AddressPool] = {}
        self.set_pools(*pools)

    def set_pools(self, *pools: AddressPool) -> None:
        """Replace all pools, and look at all Services again: holders first, then by age."""
        self.pools = {item.key: item for item in pools}
        self.index = PoolIndex(pools)
        self.allocator.set_pools({key: space_of(item) for key, item in self.pools.items()})
        self.sync_all()

    def change_pool(self, name: str, **fields: Any) -> None:
        """Change fields of a pool."""
        self.set_pools(
            *(replace(p, **fields) if p.name == name else p for p in self.pools.values())
        )

    def put(self, name: str, **service: Any) -> list[str]:
        """Create or replace a Service; gives its addresses."""
        notes = service.pop("notes", {})
        labels = service.pop("labels", {})
        made = service_object(name, **service)
        made["metadata"]["annotations"].update(notes)
        made["metadata"]["labels"] = labels
        self.services[name] = made
        return self.sync(name)

    def delete(self, name: str) -> None:
        """Delete a Service; its addresses are free at once."""
        key = self.key(name)
        del self.services[name]
        for address in self.allocator.addresses_of(key):
            self.allocator.release(address, key)
        self.allocator.check_invariants()

    def key(self, name: str) -> ObjectKey:
        """Give the key of a Service."""
        meta = self.services[name]["metadata"]
        return ObjectKey(meta["namespace"], meta["name"])

    def sync(self, name: str) -> list[str]:
        """Decide about a Service, and do it."""
        service = read_service(self.services[name])
        key = service.meta.key
        choice = choose_pools(service, self.index, self.namespaces, (), None)
        self.choices[name] = choice
        held = self.allocator.addresses_of(key)
        wanted: dict[IPAddress, str] = {}
        if choice is not None:
            wish = read_wish(service, choice.dialect)
            plan = plan_service(service, wish, choice.candidates, held, self.allocator)
            plan.problems[:0] = choice.problems
            self.plans[name], wanted = plan, plan.pools
            for address, owner in plan.pools.items():
                self.allocator.assign(owner, address, key, claim_of(service, wish))
        for address in held:
            if address not in wanted:
                self.allocator.release(address, key)
        self.allocator.check_invariants()
        self._show(name, [] if choice is None else self.plans[name].wanted)
        return self.addresses(name)

    def _show(self, name: str, addresses: list[IPAddress]) -> None:
        ingress = [{"ip": str(address), "ipMode": "VIP"} for address in addresses]
        self.services[name]["status"]["loadBalancer"] = {"ingress": ingress}

    def sync_all(self) -> None:
        """Look at all Services: those that hold most addresses first, then by age."""

        def turn(name: str) -> tuple[int, str]:
            return -len(self.addresses(name)), self.services[name]["metadata"]["creationTimestamp"]

        for name in sorted(self.services, key=turn):
            self.sync(name)

    def addresses(self, name: str) -> list[str]:
        """Give the addresses that the status of a Service shows."""
        ingress = self.services[name]["status"]["loadBalancer"]["ingress"]
        return [item["ip"] for item in ingress]

    def words(self, name: str) -> list[tuple[str, str]]:
        """Give reasons and messages of what is not met."""
        return [(problem.reason.value, problem.message) for problem in self.plans[name].problems]

    def reasons(self, name: str) -> list[str]:
        """Give the reasons of what is not met."""
        return [reason for reason, _ in self.words(name)]
