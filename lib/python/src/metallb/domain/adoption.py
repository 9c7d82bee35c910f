"""Addresses that run already are entered in the ledger before we touch anything.

When the module takes over from Deckhouse's own, Services have addresses that clients use. The
controller reads the ledger (VirtualIP objects) first and never takes away what is in it, whatever
the ranges of a class say by now. So each running address becomes an entry before the release
that starts our controller and removes what announced the address until now; removing the old
internal kind comes after it (`metallb.domain.dead_kinds`).

Only what the ledger does not have is written, and the API server refuses a second holder of a
name: a run that comes late or twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.conditions import ServiceCondition
from metallb.api.services import Service, read_service
from metallb.api.virtual_ips import Layer2Orders, VirtualIPSpec, new_virtual_ip, to_object
from metallb.domain.decisions import CreateIfNotExists, Decision
from metallb.domain.selection import BindingReason
from metallb.net.addresses import IPAddress, object_name, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metallb.domain.decisions import Situation


def adoption(situation: Situation) -> Decision:
    """Enter the addresses of Services that are bound to a class, while the old kind is there.

    Snapshots: `old-kind` (whether it is there), `services`, `classes` and `virtual-ips` with
    `name`.
    """
    if not situation.snapshot("old-kind"):
        return Decision()
    classes = {item.text("name") for item in situation.snapshot("classes")} - {""}
    holders = [
        (service, name)
        for service in read_services(situation)
        if (name := bound_class(service)) in classes
    ]
    return Decision(operations=list(ledger_entries(situation, holders)))


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


def ledger_entries(
    situation: Situation, holders: Iterable[tuple[Service, str]]
) -> Iterator[CreateIfNotExists]:
    """Give the entries that are missing for Services and the classes that they are of.

    An address that Services of two classes show belongs to the class of the oldest of them.
    """
    known = {item.text("name") for item in situation.snapshot("virtual-ips")}
    entries: dict[IPAddress, list[tuple[Service, str]]] = {}
    for service, name in sorted(holders, key=lambda item: item[0].meta.seniority):
        for address in running_addresses(service):
            if object_name(address) not in known:
                entries.setdefault(address, []).append((service, name))
    for address in sorted(entries, key=lambda item: (item.version, int(item))):
        first, pool = entries[address][0]
        services = tuple(service.meta.key for service, name in entries[address] if name == pool)
        spec = VirtualIPSpec(address, pool, services, first.traffic_policy, Layer2Orders())
        yield CreateIfNotExists(to_object(new_virtual_ip(spec)))
