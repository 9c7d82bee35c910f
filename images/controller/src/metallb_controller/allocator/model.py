"""Words of the allocator: what a pool has, who claims an address, and why an address is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb.api.services import ServicePort
    from metallb.domain.address_pools import Reservation
    from metallb.net.addresses import Family
    from metallb.net.ranges import AddressRange


class Refusal(StrEnum):
    """Why a Service may not have an address."""

    OUTSIDE = "Outside"
    AVOIDED = "Avoided"
    DISABLED = "PoolDisabled"
    RESERVED = "Reserved"
    IN_IPAM = "InUseInIPAM"
    RETAINED = "Retained"
    QUOTA = "QuotaReached"
    HELD = "Held"
    OTHER_KEY = "OtherSharingKey"
    PORT_TAKEN = "PortTaken"
    OTHER_POLICY = "OtherTrafficPolicy"
    FULL = "Full"


@dataclass(frozen=True, slots=True)
class ForeignUse:
    """Addresses that an IPAM says are in use by others, and how it describes them."""

    range: AddressRange
    description: str


@dataclass(frozen=True, slots=True)
class PoolSpace:
    """The address space of a pool, and what it gives to whom.

    `ranges` are in the order in which the user wrote them, and no address is in two ranges, of this
    pool or another. With `avoid_buggy_ips` IPv4 addresses that end in .0 or .255 are none of the
    pool's. `is_disabled`: nobody new gets in. `namespace_quota`: so many addresses at most for the
    Services of one namespace; 0: any number.
    Addresses in `foreign`, which do not overlap, are given to nobody.
    """

    ranges: tuple[AddressRange, ...] = ()
    avoid_buggy_ips: bool = False
    is_disabled: bool = False
    namespace_quota: int = 0
    reservations: tuple[Reservation, ...] = ()
    foreign: tuple[ForeignUse, ...] = ()


class Supply(NamedTuple):
    """Addresses of which any would do: free ones of a family, for all or reserved for some.

    Without a family it is what the pool's quota leaves to the namespace. Fewer than `at_least` are
    of no use.
    """

    pool: str
    family: Family | None
    namespace: str = ""
    service: str = ""
    at_least: int = 1


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
    """Addresses of a pool: how many there are, are held (also outside its ranges), are free.

    `foreign` are neither held nor free: others use them, as an IPAM says.
    """

    total: int
    used: int
    free: int
    foreign: int = 0
