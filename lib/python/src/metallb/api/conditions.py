"""Conditions: what an object's status says about it, one word a reason.

The reason words are members of enums, and the same member serves the condition, the Event, the log
line, the metric label and the test. Transition times follow the API conventions: they change when
`status` does, not when words do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from metallb.api.meta import GROUP

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from metallb.api.fields import Fields, JsonObject


class ServiceCondition(StrEnum):
    """Condition types that we keep on a Service; the first two are Deckhouse's own."""

    CLASS = f"{GROUP}/load-balancer-class"
    ASSIGNED = "AllPublicIPsAssigned"
    REQUEST = f"{GROUP}/load-balancer-request"


class ClassCondition(StrEnum):
    """Condition types of a MetalLoadBalancerClass."""

    READY = "Ready"
    DEFAULT = "Default"
    CONFLICT = "Conflict"
    EXHAUSTED = "Exhausted"
    VALID = "Valid"
    HELD_OUTSIDE = "AddressesOutsideRanges"


class VirtualIPCondition(StrEnum):
    """Condition types of a VirtualIP."""

    ANNOUNCED = "Announced"
    CONFLICT = "Conflict"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a status; `changed_at` is RFC 3339 text, empty when not known."""

    type: str
    is_true: bool
    reason: str
    message: str = ""
    changed_at: str = ""
    observed_generation: int = 0

    def says_the_same_as(self, other: Condition | None) -> bool:
        """Tell whether nothing but times differs."""
        return other is not None and (
            (self.type, self.is_true, self.reason, self.message, self.observed_generation)
            == (other.type, other.is_true, other.reason, other.message, other.observed_generation)
        )

    def to_object(self) -> dict[str, Any]:
        """Give the JSON form (metav1.Condition)."""
        found: dict[str, Any] = {
            "type": self.type,
            "status": "True" if self.is_true else "False",
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.changed_at or None,
        }
        if self.observed_generation:
            found["observedGeneration"] = self.observed_generation
        return found


SERVICE_CONDITIONS = frozenset(ServiceCondition)
CLASS_CONDITIONS = frozenset(ClassCondition)
VIRTUAL_IP_CONDITIONS = frozenset(VirtualIPCondition)


def read_conditions(status: Fields, types: Collection[str]) -> dict[str, Condition]:
    """Read the conditions of some types; those of others are not ours to know."""
    found: dict[str, Condition] = {}
    for item in status.children("conditions"):
        kind = item.word("type")
        if kind in types:
            found[kind] = Condition(
                type=kind,
                is_true=item.text("status") == "True",
                reason=item.word("reason"),
                message=item.word("message"),
                changed_at=item.word("lastTransitionTime"),
                observed_generation=item.integer("observedGeneration", 0, 0, 2**63 - 1),
            )
    return found


def other_conditions(status: Fields, types: Collection[str]) -> tuple[JsonObject, ...]:
    """Give the conditions of other types as they are: who writes some of ours leaves them."""
    found = [item for item in status.children("conditions") if item.word("type")]
    return tuple(dict(item.value) for item in found if item.text("type") not in types)


def stamped(wanted: Condition, present: Mapping[str, Condition], now: str) -> Condition:
    """Give a condition its transition time: kept while its status is the same, else `now`."""
    before = present.get(wanted.type)
    changed_at = now
    if before is not None and before.is_true == wanted.is_true and before.changed_at:
        changed_at = before.changed_at
    return Condition(
        wanted.type,
        wanted.is_true,
        wanted.reason,
        wanted.message,
        changed_at,
        wanted.observed_generation,
    )
