"""The move, played through: what our controller would do with a cluster, without touching it.

The reconciler is pure, so it is asked itself: it gets the cluster's objects, each write that it
asks for takes effect in memory, and at the end there stand the addresses that every Service has.
Addresses of Services that are bound to a class are in the ledger before it starts, wherever the
class's ranges are by now, as the hook `adopt_addresses` would have it.

It is played twice. Of the first ending the entries are made: the addresses that Services have now
and keep; one that a waiting Service would get is the controller's to give. The second begins with
these entries, and ends as the move will.

Limits: nodes and endpoints are left out, for they decide about places and not about addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from metallb.api.services import Ingress
from metallb.api.virtual_ips import BGPOrders, VirtualIP, VirtualIPSpec, new_virtual_ip
from metallb_controller.reconcile.catalogue import ConfigKind
from metallb_controller.reconcile.engine import Reconciler
from metallb_controller.reconcile.model import (
    CreateVirtualIP,
    DeleteVirtualIP,
    Outcome,
    PatchPoolStatus,
    PatchServiceStatus,
    PostEvent,
    ReconcilerSettings,
    Result,
    UpdateVirtualIP,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metallb.api.conditions import Condition
    from metallb.api.fields import Problem
    from metallb.api.meta import Metadata, ObjectKey
    from metallb.api.services import Service
    from metallb.domain.address_pools import AddressPool
    from metallb.net.addresses import IPAddress
    from metallb_controller.migrate.cluster import Cluster
    from metallb_controller.reconcile.assignments import Verdict

_Write = CreateVirtualIP | UpdateVirtualIP | DeleteVirtualIP | PatchServiceStatus
"""Statuses of pools are left out: nothing depends on them."""


_ROUNDS = 100_000
"""More than any cluster needs: a round decides about a hundred Services."""


@dataclass(slots=True)
class Rehearsal:
    """How the cluster ends: the addresses of each Service, the ledger, and why it is so."""

    addresses: dict[ObjectKey, tuple[IPAddress, ...]] = field(default_factory=dict)
    vips: dict[IPAddress, VirtualIP] = field(default_factory=dict)
    verdicts: Mapping[ObjectKey, Verdict] = field(default_factory=dict)
    pools: Mapping[str, AddressPool] = field(default_factory=dict)
    problems: Mapping[tuple[str, ObjectKey], tuple[Problem, ...]] = field(default_factory=dict)


def rehearse(
    cluster: Cluster, wall: str, load_balancer_class: str = ""
) -> tuple[tuple[VirtualIP, ...], Rehearsal]:
    """Give the entries to make, and how the move ends; `wall` is the time, RFC 3339 text."""
    first = _play(cluster, bound_entries(cluster), wall, load_balancer_class)
    entries = tuple(_entries(cluster, first))
    return entries, _play(cluster, entries, wall, load_balancer_class)


def _play(
    cluster: Cluster, entries: Iterable[VirtualIP], wall: str, load_balancer_class: str
) -> Rehearsal:
    stage = _Stage(cluster, entries, load_balancer_class)
    stage.play(wall)
    reconciler = stage.reconciler
    return Rehearsal(
        {key: _held(reconciler, key) for key in cluster.services},
        dict(stage.vips),
        dict(reconciler.assignments.verdicts),
        dict(reconciler.observed.pools),
        dict(reconciler.catalogue.all_problems()),
    )


def _held(reconciler: Reconciler, key: ObjectKey) -> tuple[IPAddress, ...]:
    verdict = reconciler.assignments.verdicts.get(key)
    return () if verdict is None else verdict.wanted


def bound_entries(cluster: Cluster) -> Iterable[VirtualIP]:
    """Give the entries for addresses of bound Services that the ledger does not have.

    An address that Services of two classes have is of the class of the oldest of them.
    """
    classes = {item.name for kind, item in cluster.configs if kind is ConfigKind.CLASSES}
    held: dict[IPAddress, list[tuple[Service, str]]] = {}
    for service in sorted(cluster.services.values(), key=lambda item: item.meta.seniority):
        name = cluster.bound.get(service.meta.key, "")
        for address in cluster.running[service.meta.key] if name in classes else ():
            if address not in cluster.vips:
                held.setdefault(address, []).append((service, name))
    for address, holders in held.items():
        first, pool = holders[0]
        services = tuple(service.meta.key for service, name in holders if name == pool)
        yield new_virtual_ip(VirtualIPSpec(address, pool, services, first.traffic_policy))


def _entries(cluster: Cluster, ending: Rehearsal) -> Iterator[VirtualIP]:
    for address in sorted(ending.vips, key=lambda item: (item.version, int(item))):
        spec = ending.vips[address].spec
        services = tuple(key for key in spec.services if address in cluster.running.get(key, ()))
        if address in cluster.vips or not services:
            continue
        policy = cluster.services[services[0]].traffic_policy
        bgp = None if spec.bgp is None else BGPOrders()
        yield new_virtual_ip(VirtualIPSpec(address, spec.pool, services, policy, bgp=bgp))


class _Stage:
    """The reconciler, and a server that does whatever it asks for."""

    def __init__(
        self, cluster: Cluster, entries: Iterable[VirtualIP], load_balancer_class: str
    ) -> None:
        self.reconciler = Reconciler(ReconcilerSettings(load_balancer_class=load_balancer_class))
        self.services = dict(cluster.services)
        self.vips = dict(cluster.vips)
        self._version = 1
        for kind, item in cluster.configs:
            self.reconciler.observe_config(kind, item.meta.key, item)
        for name, labels in cluster.namespaces.items():
            self.reconciler.observe_namespace(name, labels)
        for key, service in self.services.items():
            meta = self._next(service.meta)
            self.services[key] = replace(service, meta=meta)
            self.reconciler.observe_service(key, self.services[key])
        for vip in (*cluster.vips.values(), *entries):
            self._enter(vip, vip.spec)

    def play(self, wall: str) -> None:
        """Go on until nothing is left to do."""
        self.reconciler.start(0.0)
        for _ in range(_ROUNDS):
            actions = self.reconciler.step(0.0, wall)
            writes = [item for item in actions if not isinstance(item, PostEvent | PatchPoolStatus)]
            for write in writes:
                self._carry_out(write)
                self.reconciler.done(write, Result(Outcome.DONE), 0.0)
            if not writes and not self.reconciler.has_work():
                return
        raise AssertionError("the reconciler does not come to rest")

    def _carry_out(self, write: _Write) -> None:
        match write:
            case CreateVirtualIP():
                self._enter(write.vip, write.vip.spec)
            case UpdateVirtualIP():
                self._enter(write.before, write.spec)
            case DeleteVirtualIP():
                del self.vips[write.vip.spec.address]
                self.reconciler.observe_vip(write.vip.spec.address, None)
            case _:
                self._show(write)

    def _enter(self, vip: VirtualIP, spec: VirtualIPSpec) -> None:
        meta = replace(self._next(vip.meta), generation=vip.meta.generation + 1)
        self.vips[spec.address] = VirtualIP(meta, spec, vip.status)
        self.reconciler.observe_vip(spec.address, self.vips[spec.address])

    def _show(self, write: PatchServiceStatus) -> None:
        service = self.services[write.target.key]
        conditions: dict[str, Condition] = {item.type: item for item in service.conditions}
        conditions |= {item.type: item for item in write.conditions}
        ingress = service.ingress
        if write.addresses is not None:
            named = zip_longest(write.addresses, write.hostnames, fillvalue="")
            ingress = tuple(Ingress(address, hostname=name) for address, name in named)
        shown = replace(
            service,
            meta=self._next(service.meta),
            ingress=ingress,
            conditions=tuple(v for kind, v in conditions.items() if kind not in write.removed),
            allocated_from=service.allocated_from
            if write.allocated_from is None
            else write.allocated_from or None,
        )
        self.services[write.target.key] = shown
        self.reconciler.observe_service(write.target.key, shown)

    def _next(self, meta: Metadata) -> Metadata:
        self._version += 1
        return replace(
            meta, resource_version=str(self._version), uid=meta.uid or str(self._version)
        )
