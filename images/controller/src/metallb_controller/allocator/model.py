"""Words of the allocator: who claims an address, and why an address is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.api.services import ServicePort


class Refusal(StrEnum):
    """Why a Service may not have an address."""

    OUTSIDE = "Outside"
    HELD = "Held"
    OTHER_KEY = "OtherSharingKey"
    PORT_TAKEN = "PortTaken"
    OTHER_POLICY = "OtherTrafficPolicy"
    FULL = "Full"


@dataclass(frozen=True, slots=True)
class Claim:
    """What decides whether a Service may share an address with another.

    Two Services may share when both name the same sharing key, no port of theirs is the same, and
    traffic that the network sends to the announcing node can be served for both: with
    `externalTrafficPolicy: Local` only if they select the same pods. `backend` is None for Cluster
    and the Service's selector for Local. `seniority` sorts by age; it decides who is told off.
    """

    sharing_key: str
    ports: frozenset[ServicePort]
    backend: tuple[tuple[str, str], ...] | None = None
    seniority: tuple[str, str, str] = field(default=("", "", ""), compare=False)

    def why_not_beside(self, other: Claim) -> Refusal | None:
        """Tell why an address that `other` holds may not be shared; None: it may."""
        if not self.sharing_key or not other.sharing_key:
            return Refusal.HELD
        if self.sharing_key != other.sharing_key:
            return Refusal.OTHER_KEY
        if self.ports & other.ports:
            return Refusal.PORT_TAKEN
        return None if self.backend == other.backend else Refusal.OTHER_POLICY


@dataclass(frozen=True, slots=True)
class Objection:
    """A refusal and the Service that stands in the way, if one does."""

    refusal: Refusal
    holder: ObjectKey | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Addresses of a pool: how many there are, are held (also outside its ranges), are free."""

    total: int
    used: int
    free: int
