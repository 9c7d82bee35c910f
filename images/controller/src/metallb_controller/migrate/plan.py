"""The plan of a move: what becomes of each Service, which addresses to enter, what stands in the
way.

It compares what is with how the rehearsal ends (`metallb_controller.migrate.rehearsal`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from metallb.domain.selection import pool_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb.api.fields import Problem
    from metallb.api.meta import ObjectKey
    from metallb.api.virtual_ips import VirtualIP
    from metallb.domain.address_pools import AddressPool
    from metallb.net.addresses import IPAddress
    from metallb_controller.migrate.children import Child
    from metallb_controller.migrate.cluster import Cluster
    from metallb_controller.migrate.rehearsal import Rehearsal


class Fate(StrEnum):
    """What becomes of a Service's addresses."""

    KEEPS = "Keeps"
    LOSES = "Loses"
    GETS = "Gets"
    WAITS = "Waits"
    FOREIGN = "Foreign"
    """It names a `spec.loadBalancerClass` that is another load balancer's."""


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A Service: the addresses it has, the pool of each that it keeps, those that are new to it.

    `hidden` are those that it keeps and does not show: a child object has them. `reasons` tell why
    it does not keep an address, or gets none; `notes` what else is to know.
    """

    key: ObjectKey
    fate: Fate
    running: tuple[IPAddress, ...]
    kept: Mapping[IPAddress, str]
    new: tuple[IPAddress, ...] = ()
    hidden: tuple[IPAddress, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan.

    `entries` are missing in the ledger. `orphans` are Deckhouse's children whose Service is gone.
    """

    pools: tuple[AddressPool, ...]
    problems: Mapping[tuple[str, ObjectKey], tuple[Problem, ...]]
    services: tuple[ServiceRow, ...]
    entries: tuple[VirtualIP, ...]
    orphans: tuple[Child, ...]

    @property
    def losing(self) -> tuple[ServiceRow, ...]:
        """Give the Services that do not keep all their addresses."""
        return tuple(row for row in self.services if row.fate is Fate.LOSES)

    @property
    def hidden(self) -> tuple[IPAddress, ...]:
        """Give the addresses that are kept, and that no Service shows yet."""
        return tuple(address for row in self.services for address in row.hidden)

    @property
    def fits(self) -> bool:
        """Tell whether all goes on as it is."""
        return not (self.losing or self.problems)


def make_plan(
    cluster: Cluster,
    entries: tuple[VirtualIP, ...],
    ending: Rehearsal,
    load_balancer_class: str = "",
) -> Plan:
    """Compare a cluster with how the rehearsal ended, with the entries in the ledger."""
    rows = [_row(cluster, ending, key, load_balancer_class) for key in sorted(cluster.services)]
    return Plan(
        tuple(ending.pools.values()),
        dict(sorted({**ending.problems, **cluster.other_problems}.items())),
        tuple(rows),
        entries,
        tuple(child for child in cluster.children if child.service not in cluster.services),
    )


def _row(
    cluster: Cluster, ending: Rehearsal, key: ObjectKey, load_balancer_class: str
) -> ServiceRow:
    running, ends = cluster.running[key], ending.addresses[key]
    kept = {item: ending.vips[item].spec.pool for item in running if item in ends}
    lost = [item for item in running if item not in ends]
    verdict = ending.verdicts.get(key)
    named = cluster.services[key].load_balancer_class
    if verdict is None and named and named != load_balancer_class:
        words = f"spec.loadBalancerClass is {named}, which is another load balancer's"
        return ServiceRow(key, Fate.FOREIGN, running, {}, notes=(words,))
    if verdict is None:
        reasons = ["no pool serves it and no class"]
    else:
        reasons = [item.message for item in verdict.problems]
    fate = _fate(running, lost, ends)
    if fate is Fate.LOSES:
        reasons = [_why_lost(ending, key, address) for address in lost] + reasons
    new = tuple(item for item in ends if item not in running)
    shown = {item.ip for item in cluster.services[key].ingress}
    hidden = tuple(item for item in kept if str(item) not in shown)
    notes = tuple(_notes(cluster, ending, key, kept))
    return ServiceRow(key, fate, running, kept, new, hidden, tuple(reasons), notes)


def _fate(
    running: tuple[IPAddress, ...], lost: list[IPAddress], ends: tuple[IPAddress, ...]
) -> Fate:
    if lost:
        return Fate.LOSES
    if running:
        return Fate.KEEPS
    return Fate.GETS if ends else Fate.WAITS


def _why_lost(ending: Rehearsal, key: ObjectKey, address: IPAddress) -> str:
    vip = ending.vips.get(address)
    others = [item for item in (() if vip is None else vip.spec.services) if item != key]
    if others:
        return f"{address} is held by Service {others[0]}, and the two may not share it"
    for pool in ending.pools.values():
        if any(address in item.range for item in pool.ranges):
            return f"{address} is of {pool.title}, which does not serve the Service with it"
    return f"no pool has {address}"


def _notes(
    cluster: Cluster, ending: Rehearsal, key: ObjectKey, kept: Mapping[IPAddress, str]
) -> Iterator[str]:
    entered = [str(item) for item in kept if item in cluster.vips]
    if entered:
        yield f"in the ledger already: {', '.join(entered)}"
    said = cluster.allocated_from.get(key, "")
    pools = {ending.pools[pool].name: pool for pool in kept.values() if pool in ending.pools}
    if said and pools and said not in pools:
        owners = ", ".join(pool_words(pool) for pool in pools.values())
        yield f"was given from pool {said}; it is {owners} that has the address now"
