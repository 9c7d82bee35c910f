"""What the statuses of Services and pools say, from what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.api.conditions import ClassCondition, Condition, ServiceCondition
from metallb.api.fields import listed, shown
from metallb.api.services import CLASS_ANNOTATION
from metallb.domain.address_pools import PoolKind
from metallb.domain.selection import BindingReason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from metallb.api.fields import Problem
    from metallb.api.nodes import NodeName
    from metallb.api.services import Service
    from metallb.domain.address_pools import AddressPool
    from metallb.domain.eligibility import NodeRefusal
    from metallb.domain.requests import RequestProblem
    from metallb.domain.selection import Binding
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.model import Capacity
    from metallb_controller.reconcile.ranges import AddressSpace

ALL_ASSIGNED = "AllIPsAssigned"
NOT_ALL_ASSIGNED = "NotAllIPsAssigned"
REQUEST_MET = "RequestMet"


def service_conditions(
    service: Service,
    binding: Binding | None,
    assigned: int,
    total: int,
    problems: Sequence[RequestProblem],
    classes: Collection[str],
) -> list[Condition]:
    """Give our conditions of a Service that is ours to serve.

    Type, reason and message of the first two are Deckhouse's; the message of the binding is the
    name of the class, because that is what makes the binding sticky. `classes` are those that
    could be named. A Service that pools serve (`binding` None) has no binding, so that it may go to
    another pool.
    """
    is_complete = (binding is None or binding.is_bound) and assigned >= total
    conditions = [] if binding is None else [_bound(binding, classes)]
    conditions += [
        Condition(
            ServiceCondition.ASSIGNED,
            is_complete,
            ALL_ASSIGNED if is_complete else NOT_ALL_ASSIGNED,
            f"{assigned} of {total} public IPs were assigned",
        ),
    ]
    if problems:
        text = "; ".join(dict.fromkeys(problem.message for problem in problems))
        conditions.append(
            Condition(ServiceCondition.REQUEST, False, problems[0].reason, text[:1024])
        )
    elif service.condition(ServiceCondition.REQUEST) is not None:
        conditions.append(Condition(ServiceCondition.REQUEST, True, REQUEST_MET, ""))
    return conditions


def _bound(binding: Binding, classes: Collection[str]) -> Condition:
    message = binding.class_name
    if binding.reason is BindingReason.UNKNOWN:
        message = _unknown(binding.class_name, classes)
    return Condition(ServiceCondition.CLASS, binding.is_bound, binding.reason, message)


def _unknown(name: str, classes: Collection[str]) -> str:
    there_are = f"there are {listed(sorted(classes))}" if classes else "there is none at all"
    return (
        f"there is no class {shown(name)}, which annotation {CLASS_ANNOTATION} names; {there_are}"
    )


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """All that a pool's status is made of.

    `selection` says how its nodes are chosen, `problems` what is wrong in its object, `before` are
    the condition types that its status has.
    """

    capacity: Capacity
    space: AddressSpace
    held_outside: Sequence[IPAddress]
    eligible: Sequence[NodeName]
    refused: dict[NodeName, NodeRefusal]
    default_class: str | None
    selection: str
    problems: Sequence[Problem]
    before: Collection[str]


def pool_conditions(pool: AddressPool, facts: PoolFacts) -> list[Condition]:
    """Give the conditions of a pool; transition times are not set yet."""
    conditions = [_ready(pool, facts), _valid(facts)]
    if pool.is_default:
        conditions.append(_default(pool, facts))
    optional = [_conflict(facts), _exhausted(facts), _outside(facts)]
    conditions += [item for item in optional if item.is_true or item.type in facts.before]
    return conditions


def _ready(pool: AddressPool, facts: PoolFacts) -> Condition:
    kind = ClassCondition.READY
    if not pool.is_served:
        return Condition(kind, False, "UnsupportedType", "only type L2 is served")
    if not facts.space.ranges:
        field = "spec.addressPool" if pool.kind is PoolKind.CLASS else "spec.addresses"
        return Condition(kind, False, "NoAddresses", f"no range of {field} can be used")
    if pool.is_disabled:
        return Condition(kind, False, "Disabled", "spec.disabled: nobody new gets an address")
    free = f"{facts.capacity.free} addresses free"
    if not pool.layer2 and not pool.bgp:
        message = f"{free}, but no advertisement is for the pool: nobody announces its addresses"
        return Condition(kind, False, "NotAdvertised", message)
    if not pool.layer2:
        return Condition(kind, True, "Serving", f"{free}, announced by BGP")
    if not facts.eligible:
        return Condition(kind, False, "NoEligibleNodes", _why_nobody(facts))
    return Condition(kind, True, "Serving", f"{free}, {len(facts.eligible)} nodes may announce")


def _why_nobody(facts: PoolFacts) -> str:
    reasons: dict[str, list[str]] = {}
    for node, reason in sorted(facts.refused.items()):
        reasons.setdefault(reason, []).append(node)
    detail = "; ".join(f"{reason}: {listed(nodes)}" for reason, nodes in reasons.items())
    return f"{facts.selection}: {detail or 'there are no nodes'}"


def _valid(facts: PoolFacts) -> Condition:
    if not facts.problems:
        return Condition(ClassCondition.VALID, True, "Valid", "")
    return Condition(ClassCondition.VALID, False, "InvalidSpec", _joined(map(str, facts.problems)))


def _conflict(facts: PoolFacts) -> Condition:
    conflicts = facts.space.conflicts
    return Condition(
        ClassCondition.CONFLICT,
        bool(conflicts),
        "OverlappingRanges" if conflicts else "NoConflict",
        _joined(map(str, conflicts)),
    )


def _exhausted(facts: PoolFacts) -> Condition:
    exhausted = facts.capacity.free == 0 and facts.capacity.total > 0
    foreign = facts.capacity.foreign
    others = f", {foreign} are reserved in IPAM" if foreign else ""
    return Condition(
        ClassCondition.EXHAUSTED,
        exhausted,
        "NoFreeAddress" if exhausted else "FreeAddresses",
        f"{facts.capacity.used} of {facts.capacity.total} addresses are held{others}",
    )


def _outside(facts: PoolFacts) -> Condition:
    held = facts.held_outside
    message = f"held, though no range has them: {listed(held)}" if held else ""
    reason = "RangesNarrowed" if held else "AllWithin"
    return Condition(ClassCondition.HELD_OUTSIDE, bool(held), reason, message)


def _default(pool: AddressPool, facts: PoolFacts) -> Condition:
    if facts.default_class == pool.name:
        return Condition(ClassCondition.DEFAULT, True, "Default", "")
    message = f"class {facts.default_class} is the default too, is older, and wins"
    return Condition(ClassCondition.DEFAULT, False, "OlderDefault", message)


def _joined(messages: Iterable[str]) -> str:
    return "; ".join(messages)[:1024]
