"""Status patches and Events: what is written when a status says other than it should."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metallb.api.conditions import Condition, ServiceCondition, stamped
from metallb.api.meta import ObjectKey
from metallb.domain.requests import RequestProblem, RequestReason
from metallb.domain.selection import BindingReason
from metallb_controller.reconcile.model import (
    PatchClassStatus,
    PatchServiceStatus,
    PostEvent,
    Target,
    TargetKind,
)
from metallb_controller.reconcile.ranges import AddressSpace
from metallb_controller.reconcile.status import ClassFacts, class_status, service_conditions

if TYPE_CHECKING:
    from metallb.api.classes import ClassStatus, MetalLoadBalancerClass
    from metallb.api.meta import Reference
    from metallb.api.services import Service
    from metallb_controller.allocator.state import Allocator
    from metallb_controller.reconcile.assignments import Assignments, Verdict
    from metallb_controller.reconcile.doubts import Doubts
    from metallb_controller.reconcile.layer2 import Layer2
    from metallb_controller.reconcile.ledger import Ledger
    from metallb_controller.reconcile.observed import Observed


_NO_SPACE = AddressSpace((), ())


@dataclass(frozen=True, slots=True)
class Report:
    """A status patch, and the Events to post once it is written."""

    write: PatchServiceStatus | PatchClassStatus
    events: tuple[PostEvent, ...] = ()


class Reports:
    """Compares statuses with decisions."""

    def __init__(
        self,
        observed: Observed,
        allocator: Allocator,
        ledger: Ledger,
        layer2: Layer2,
        assignments: Assignments,
        doubts: Doubts,
    ) -> None:
        self._observed = observed
        self._allocator = allocator
        self._ledger = ledger
        self._layer2 = layer2
        self._assignments = assignments
        self._doubts = doubts
        self.spaces: dict[str, AddressSpace] = {}

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
        is_right = _shows(service, addresses) and not again
        changed = addresses if is_ours and not is_right else None
        if changed is None and not news:
            return None
        write = PatchServiceStatus(
            target=Target(TargetKind.SERVICE_STATUS, key),
            uid=service.meta.uid,
            resource_version=service.meta.resource_version,
            addresses=changed,
            conditions=tuple(stamped(item, present, wall) for item in news),
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
        """Tell whether the address list is ours to write; not that of a Service we only refuse."""
        if verdict.binding.reason is not BindingReason.UNKNOWN:
            return True
        return bool(self._allocator.addresses_of(service.meta.key))

    def _farewell(self, service: Service, *, again: bool) -> Report | None:
        """Take our words and addresses from a Service that is not ours any more."""
        holds = bool(self._allocator.addresses_of(service.meta.key))
        is_ours = service.condition(ServiceCondition.CLASS) is not None
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
            )
        )

    # -- classes ---------------------------------------------------------------------------------

    def for_class(self, name: str, wall: str) -> Report | None:
        """Give the status patch that a class needs, if any."""
        found = self._observed.classes.get(name)
        if found is None:
            return None
        wanted = class_status(found, self._facts(name))
        present = {condition.type: condition for condition in found.status.conditions}
        news = [
            item for item in wanted.conditions if not item.says_the_same_as(present.get(item.type))
        ]
        if not news and _counts(wanted) == _counts(found.status):
            return None
        status = _stamped(wanted, present, wall)
        target = Target(TargetKind.CLASS_STATUS, ObjectKey("", name))
        write = PatchClassStatus(target, found.meta.uid, found.meta.resource_version, status)
        return Report(write, tuple(_class_events(found, news)))

    def _facts(self, name: str) -> ClassFacts:
        return ClassFacts(
            capacity=self._allocator.capacity(name),
            space=self.spaces.get(name, _NO_SPACE),
            held_outside=self._allocator.held_outside(name),
            eligible=self._layer2.eligible(name),
            refused=self._layer2.refused(name),
            default_class=self._assignments.default_class,
        )

    def released_by(self, found: MetalLoadBalancerClass, count: int) -> PostEvent:
        """Tell that a class is gone and took its addresses along."""
        return PostEvent(
            found.reference(),
            True,
            BindingReason.DELETED,
            f"class {found.name} is deleted; {count} addresses are released",
        )


def _shows(service: Service, addresses: tuple[str, ...]) -> bool:
    """Tell whether a Service's status shows just these addresses, as VIPs."""
    shown = tuple(item.ip for item in service.ingress)
    return shown == addresses and all(item.is_vip for item in service.ingress)


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


def _class_events(found: MetalLoadBalancerClass, news: list[Condition]) -> list[PostEvent]:
    before = {condition.type: condition for condition in found.status.conditions}
    events: list[PostEvent] = []
    for item in news:
        bad_when = item.type not in ("Ready", "Valid", "Default")
        was = before.get(item.type)
        if item.is_true is bad_when and (was is None or was.message != item.message):
            events.append(PostEvent(found.reference(), True, item.reason, item.message))
    return events


def _counts(status: ClassStatus) -> tuple[int, ...]:
    return (
        status.total,
        status.used,
        status.free,
        status.eligible_nodes,
        status.observed_generation,
        len(status.conditions),
    )


def _stamped(wanted: ClassStatus, present: dict[str, Condition], wall: str) -> ClassStatus:
    conditions = tuple(stamped(item, present, wall) for item in wanted.conditions)
    return replace(wanted, conditions=conditions)
