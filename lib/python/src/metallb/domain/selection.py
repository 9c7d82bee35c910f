"""Which class serves a Service.

The order is Deckhouse's: the class that the Service was once bound to (recorded in its condition,
whose message is the class name), else the one named in `spec.loadBalancerClass`, else the one
named in the annotation, else the default class. Three of its faults are mended: of several
default classes the oldest wins, whatever order they come in; a Service whose
`spec.loadBalancerClass` is not one of ours belongs to somebody else and is left alone entirely;
and an annotation that names no class is a refusal with a reason, not a Service quietly given to
the default class.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from metallb.api.conditions import ServiceCondition

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from metallb.api.classes import MetalLoadBalancerClass
    from metallb.api.services import Service


class BindingReason(StrEnum):
    """Reason of the condition `network.deckhouse.io/load-balancer-class`."""

    BOUND = "LoadBalancerClassBound"
    DELETED = "LoadBalancerClassDeleted"
    UNKNOWN = "LoadBalancerClassUnknown"


@dataclass(frozen=True, slots=True)
class Binding:
    """The class that a Service goes to; only with reason BOUND does it exist."""

    class_name: str
    reason: BindingReason

    @property
    def is_bound(self) -> bool:
        """Whether the class is there to serve."""
        return self.reason is BindingReason.BOUND

    def record(self) -> tuple[str, str]:
        """Give what of it is recorded in the Service's condition: `Service.binding_record`."""
        return self.class_name, self.reason


def choose_class(service: Service, classes: Container[str], default: str | None) -> Binding | None:
    """Choose the class of a Service among those that exist, by name; None: not ours to serve."""
    if not service.is_load_balancer or service.meta.is_deleting:
        return None
    recorded = service.condition(ServiceCondition.CLASS)
    if recorded is not None and recorded.message and recorded.reason != BindingReason.UNKNOWN:
        bound = recorded.message in classes
        return Binding(recorded.message, BindingReason.BOUND if bound else BindingReason.DELETED)
    if name := service.load_balancer_class:
        return Binding(name, BindingReason.BOUND) if name in classes else None
    if name := (service.class_annotation or "").strip():
        bound = name in classes
        return Binding(name, BindingReason.BOUND if bound else BindingReason.UNKNOWN)
    return None if default is None else Binding(default, BindingReason.BOUND)


def default_class(classes: Iterable[MetalLoadBalancerClass]) -> str | None:
    """Name the default class: the oldest of those that say they are, ties by name."""
    claimants = [item for item in classes if item.is_default]
    if not claimants:
        return None
    return min(claimants, key=lambda item: item.meta.seniority).name
