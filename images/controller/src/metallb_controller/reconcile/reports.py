"""Status patches and Events: what is written when a status says other than it should."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metallb.api.classes import ClassStatus, status_object
from metallb.api.conditions import Condition, ServiceCondition, stamped
from metallb.api.ip_address_pools import PoolCounts, PoolStatus, pool_status_object
from metallb.domain.address_pools import PoolKind
from metallb.domain.requests import RequestProblem, RequestReason
from metallb.domain.selection import BindingReason
from metallb.net.addresses import Family
from metallb_controller.reconcile.model import (
    PatchPoolStatus,
    PatchServiceStatus,
    PostEvent,
    Target,
    TargetKind,
)
from metallb_controller.reconcile.status import PoolFacts, pool_conditions, service_conditions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from metallb.api.meta import ObjectKey, Reference
    from metallb.api.services import Service
    from metallb.domain.address_pools import AddressPool
    from metallb_controller.allocator.state import Allocator
    from metallb_controller.reconcile.assignments import Assignments, Verdict
    from metallb_controller.reconcile.catalogue import Catalogue
    from metallb_controller.reconcile.doubts import Doubts
    from metallb_controller.reconcile.layer2 import Layer2
    from metallb_controller.reconcile.ledger import Ledger
    from metallb_controller.reconcile.observed import Observed


INT64_MAX = 2**63 - 1
"""Counts saturate at what the API can hold."""


@dataclass(frozen=True, slots=True)
class Report:
    """A status patch, and the Events to post once it is written."""

    write: PatchServiceStatus | PatchPoolStatus
    events: tuple[PostEvent, ...] = ()


class Reports:
    """Compares statuses with decisions."""

    def __init__(
        self,
        observed: Observed,
        catalogue: Catalogue,
        allocator: Allocator,
        ledger: Ledger,
        layer2: Layer2,
        assignments: Assignments,
        doubts: Doubts,
    ) -> None:
        self._observed = observed
        self._catalogue = catalogue
        self._allocator = allocator
        self._ledger = ledger
        self._layer2 = layer2
        self._assignments = assignments
        self._doubts = doubts

    # -- Services --------------------------------------------------------------------------------

    def for_service(self, key: ObjectKey, wall: str, *, again: bool = False) -> Report | None:
        """Give the status patch that a Service needs, if any.

        `again`: nobody knows whether the last patch took effect, so the addresses are written
        though they seem to be right.
        """
        service = self._observed.services.get(key)
        if service is None or service.meta.is_deleting:
            return None
        verdict = self._assignments.verdicts.get(key)
        if verdict is None:
            return self._farewell(service, again=again)
        addresses = tuple(str(item) for item in verdict.wanted if self._ledger.has_entry(item, key))
        present = {condition.type: condition for condition in service.conditions}
        problems = (*verdict.problems, *self._refused(verdict))
        conditions = service_conditions(
            service,
            verdict.binding,
            len(addresses),
            verdict.total,
            problems,
            self._observed.classes.keys(),
        )
        news = [item for item in conditions if not item.says_the_same_as(present.get(item.type))]
        is_ours = self._is_ours(service, verdict)
        hostnames = _hostnames(service, addresses, verdict.hostname)
        is_right = _shows(service, addresses, hostnames) and not again
        changed = addresses if is_ours and not is_right else None
        removed = tuple(kind for kind in present if kind == ServiceCondition.CLASS)
        removed = removed if verdict.binding is None else ()
        source = _source(service, verdict, addresses)
        if changed is None and not news and not removed and source is None:
            return None
        write = PatchServiceStatus(
            target=Target(TargetKind.SERVICE_STATUS, key),
            uid=service.meta.uid,
            resource_version=service.meta.resource_version,
            addresses=changed,
            conditions=tuple(stamped(item, present, wall) for item in news),
            removed=removed,
            allocated_from=source,
            hostnames=hostnames,
        )
        return Report(write, tuple(_events(service.reference(), news)))

    def _refused(self, verdict: Verdict) -> list[RequestProblem]:
        """Say which of a Service's addresses the server does not let us enter into the ledger."""
        return [
            RequestProblem(
                RequestReason.LEDGER_REFUSED,
                f"the API server refuses the VirtualIP of {address}: {words}",
            )
            for address in verdict.wanted
            if (words := self._doubts.refusal(address))
        ]

    def _is_ours(self, service: Service, verdict: Verdict) -> bool:
        """Tell whether the address list is ours to write.

        It is not that of a Service which names a class that does not exist: another may serve it.
        One that asks for pools is ours, also when none serves it: an address that it shows and the
        ledger does not have may be another's by now.
        """
        binding = verdict.binding
        if binding is None or binding.reason is not BindingReason.UNKNOWN:
            return True
        return bool(self._allocator.addresses_of(service.meta.key))

    def _farewell(self, service: Service, *, again: bool) -> Report | None:
        """Take our words and addresses from a Service that is not ours any more."""
        holds = bool(self._allocator.addresses_of(service.meta.key))
        is_ours = bool(service.conditions) or service.allocated_from is not None
        if not again and not is_ours and not (holds and service.ingress):
            return None
        return Report(
            PatchServiceStatus(
                target=Target(TargetKind.SERVICE_STATUS, service.meta.key),
                uid=service.meta.uid,
                resource_version=service.meta.resource_version,
                addresses=() if service.ingress or again else None,
                conditions=(),
                removed=tuple(condition.type for condition in service.conditions),
                allocated_from=None if service.allocated_from is None else "",
            )
        )

    # -- pools -----------------------------------------------------------------------------------

    def for_pool(self, key: str, wall: str) -> Report | None:
        """Give the status patch that a pool needs, if any."""
        pool = self._observed.pools.get(key)
        if pool is None:
            return None
        source = self._catalogue.source(pool)
        present = {condition.type: condition for condition in source.status.conditions}
        conditions = pool_conditions(pool, self._facts(pool, present))
        news = [item for item in conditions if not item.says_the_same_as(present.get(item.type))]
        stamps = tuple(stamped(item, present, wall) for item in conditions)
        if pool.kind is PoolKind.NATIVE:
            status: ClassStatus | PoolStatus = self._native_status(pool, stamps)
        else:
            status = replace(self._status(pool, stamps), others=source.status.others)
        if not news and status == source.status:
            return None
        if isinstance(status, ClassStatus):
            body = status_object(status)
        else:
            body = pool_status_object(status)
        target = Target(TargetKind(pool.kind), pool.meta.key)
        write = PatchPoolStatus(target, pool.meta.uid, source.meta.resource_version, body)
        return Report(write, tuple(_pool_events(source.reference(), present, news)))

    def _status(self, pool: AddressPool, conditions: tuple[Condition, ...]) -> ClassStatus:
        capacity = self._allocator.capacity(pool.key)
        return ClassStatus(
            total=min(capacity.total, INT64_MAX),
            used=capacity.used,
            free=min(capacity.free, INT64_MAX),
            eligible_nodes=len(self._layer2.eligible(pool.key)) if pool.layer2 else 0,
            observed_generation=pool.meta.generation,
            conditions=conditions,
        )

    def _native_status(self, pool: AddressPool, conditions: tuple[Condition, ...]) -> PoolStatus:
        ipv4, ipv6 = (self._allocator.capacity(pool.key, family) for family in Family)
        counts = PoolCounts(
            ipv4.used, ipv6.used, min(ipv4.free, INT64_MAX), min(ipv6.free, INT64_MAX)
        )
        return PoolStatus(counts, pool.meta.generation, conditions)

    def _facts(self, pool: AddressPool, before: Collection[str]) -> PoolFacts:
        return PoolFacts(
            capacity=self._allocator.capacity(pool.key),
            space=self._catalogue.space(pool.key),
            held_outside=self._allocator.held_outside(pool.key),
            eligible=self._layer2.eligible(pool.key),
            refused=self._layer2.refused(pool.key),
            default_class=self._assignments.default_class,
            selection=_selection(pool),
            problems=self._catalogue.problems(pool),
            before=before,
        )

    def released_by(self, found: AddressPool, about: Reference, count: int) -> PostEvent:
        """Tell that a pool is gone and took its addresses along."""
        text = f"{found.title} is deleted; {count} addresses are released"
        return PostEvent(about, True, BindingReason.DELETED, text)


def _selection(pool: AddressPool) -> str:
    """Say how the nodes of a pool are chosen."""
    if pool.kind is PoolKind.CLASS:
        selectors = [selector for item in pool.layer2 for selector in item.node_selectors]
        return f"nodeSelector {' or '.join(map(str, selectors)) or 'every node'}"
    return f"advertisements {', '.join(sorted(item.name for item in pool.layer2))}"


def _source(service: Service, verdict: Verdict, addresses: tuple[str, ...]) -> str | None:
    """Give the name for the annotation that tells of a Service's pool; None: it is right.

    Only Services that pools serve have it; empty is none.
    """
    wanted = ""
    if verdict.binding is None and addresses and verdict.pools:
        wanted = verdict.pools[0].rpartition("/")[2]
    return None if wanted == (service.allocated_from or "") else wanted


def _hostnames(
    service: Service, addresses: tuple[str, ...], hostname: str | None
) -> tuple[str, ...]:
    """Give the hostnames of addresses: the wanted one, else those that others wrote."""
    if hostname is not None:
        return (hostname,) * len(addresses)
    known = {item.ip: item.hostname for item in service.ingress}
    return tuple(known.get(address, "") for address in addresses)


def _shows(service: Service, addresses: tuple[str, ...], hostnames: tuple[str, ...]) -> bool:
    """Tell whether a Service's status shows just these addresses, as VIPs, with hostnames."""
    shown = tuple((item.ip, item.hostname) for item in service.ingress)
    wanted = tuple(zip(addresses, hostnames, strict=True))
    return shown == wanted and all(item.is_vip for item in service.ingress)


def _events(about: Reference, news: list[Condition]) -> list[PostEvent]:
    told = (ServiceCondition.CLASS, ServiceCondition.REQUEST)
    return [
        PostEvent(about, True, item.reason, _told(item))
        for item in news
        if item.type in told and not item.is_true
    ]


def _told(item: Condition) -> str:
    """Put a condition into words for an Event; the condition of a lost binding has only a name."""
    if item.reason == BindingReason.DELETED:
        return f"class {item.message} does not exist any more; its addresses are released"
    return item.message


def _pool_events(
    about: Reference, before: Mapping[str, Condition], news: list[Condition]
) -> list[PostEvent]:
    events: list[PostEvent] = []
    for item in news:
        bad_when = item.type not in ("Ready", "Valid", "Default")
        was = before.get(item.type)
        if item.is_true is bad_when and (was is None or was.message != item.message):
            events.append(PostEvent(about, True, item.reason, item.message))
    return events
