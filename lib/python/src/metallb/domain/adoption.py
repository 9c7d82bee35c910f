"""Addresses that run already are entered in the ledger before we touch anything.

When the module takes over from Deckhouse's own, Services have addresses that clients use. The
controller reads the ledger (VirtualIP objects) first and never takes away what is in it, whatever
the ranges of a class say by now. So each running address becomes an entry before the release
that starts our controller and removes what announced the address until now; removing the old
internal kind comes after it (`metallb.domain.dead_kinds`).

Only what the ledger does not have is written, and the API server refuses a second holder of a
name: a run that comes late or twice changes nothing.

A Service is of L2 when it is bound to a class that exists. It is of BGP when it is bound to none
and its `spec.loadBalancerClass` is the one of the settings (both empty, by default); its addresses
are of the pools that contain them. An address in no pool is left out: nobody could say whose it is.
Entries of BGP have no advertisements yet, for those are the controller's to resolve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.conditions import ServiceCondition
from metallb.api.services import Service, read_service
from metallb.api.virtual_ips import BGPOrders, VirtualIPSpec, new_virtual_ip, to_object
from metallb.domain.address_pools import PoolKind, pool_key
from metallb.domain.decisions import CreateIfNotExists, Decision
from metallb.domain.legacy_settings import read_legacy_settings
from metallb.domain.selection import BindingReason
from metallb.net.addresses import IPAddress, object_name, parse_address
from metallb.net.ranges import parse_whole_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metallb.api.virtual_ips import VirtualIP
    from metallb.domain.decisions import Situation


def adoption(situation: Situation) -> Decision:
    """Enter the addresses that Services have, while the old kind is there.

    Snapshots: `old-kind` (whether it is there), `services`, `classes` and `virtual-ips` with
    `name`, `pools` with `name` and `addresses`, `module-config` with `uid`, `version` and
    `settings`. Value: `loadBalancerClass`.
    """
    if not situation.snapshot("old-kind"):
        return Decision()
    classes = {item.text("name") for item in situation.snapshot("classes")} - {""}
    services = read_services(situation)
    of_layer2 = [
        (service, name) for service in services if (name := bound_class(service)) in classes
    ]
    entries = ledger_entries(situation, of_layer2)
    taken = {vip.spec.address for vip in entries}
    of_bgp = [vip for vip in _bgp_entries(situation, services) if vip.spec.address not in taken]
    return Decision(operations=[CreateIfNotExists(to_object(vip)) for vip in [*entries, *of_bgp]])


def read_services(situation: Situation) -> list[Service]:
    """Read the Services of type LoadBalancer; snapshot `services`, cut-down objects."""
    found = [read_service(item.value) for item in situation.snapshot("services")]
    return [service for service in found if service.is_load_balancer]


def bound_class(service: Service) -> str:
    """Name the class that a Service is bound to; empty when it is not."""
    recorded = service.condition(ServiceCondition.CLASS)
    if recorded is None or recorded.reason == BindingReason.UNKNOWN:
        return ""
    return recorded.message


def running_addresses(service: Service) -> list[IPAddress]:
    """Give the addresses in a Service's status; what is none is left out."""
    found: list[IPAddress] = []
    for item in service.ingress:
        try:
            found.append(parse_address(item.ip))
        except ValueError:
            continue
    return found


def ledger_entries(situation: Situation, holders: Iterable[tuple[Service, str]]) -> list[VirtualIP]:
    """Give the entries that are missing for Services and the classes that they are of.

    An address that Services of two classes show belongs to the class of the oldest of them.
    """
    holdings = [
        (address, service, name)
        for service, name in holders
        for address in running_addresses(service)
    ]
    return list(_entries(situation, holdings))


def _bgp_entries(situation: Situation, services: Iterable[Service]) -> Iterator[VirtualIP]:
    """Give the entries that are missing for Services whose addresses are of pools of BGP."""
    served = situation.values.get("loadBalancerClass") or ""
    pools = _pools(situation)
    holdings = [
        (address, service, pool_key(PoolKind.POOL, name))
        for service in services
        if service.load_balancer_class == served
        and service.condition(ServiceCondition.CLASS) is None
        for address in running_addresses(service)
        if (name := _pool_of(address, pools))
    ]
    return _entries(situation, holdings, BGPOrders())


def _pools(situation: Situation) -> dict[str, tuple[str, ...]]:
    """Give the addresses of all pools, also those of old settings that are no objects yet."""
    settings = read_legacy_settings(situation)
    old = {} if settings is None else {item.name: item.addresses for item in settings.bgp_pools()}
    return old | {
        item.text("name"): item.texts("addresses") for item in situation.snapshot("pools")
    }


def _pool_of(address: IPAddress, pools: Mapping[str, tuple[str, ...]]) -> str:
    """Name the pool that contains an address, its network and broadcast addresses included."""
    for name in sorted(pools):
        if any(_is_within(address, text) for text in pools[name]):
            return name
    return ""


def _is_within(address: IPAddress, text: str) -> bool:
    try:
        return address in parse_whole_range(text)
    except ValueError:
        return False


def _entries(
    situation: Situation,
    holdings: Iterable[tuple[IPAddress, Service, str]],
    bgp: BGPOrders | None = None,
) -> Iterator[VirtualIP]:
    known = {item.text("name") for item in situation.snapshot("virtual-ips")}
    held: dict[IPAddress, list[tuple[Service, str]]] = {}
    for address, service, name in sorted(holdings, key=lambda item: item[1].meta.seniority):
        if object_name(address) not in known:
            held.setdefault(address, []).append((service, name))
    for address in sorted(held, key=lambda item: (item.version, int(item))):
        first, pool = held[address][0]
        services = tuple(service.meta.key for service, name in held[address] if name == pool)
        spec = VirtualIPSpec(address, pool, services, first.traffic_policy, bgp=bgp)
        yield new_virtual_ip(spec)
