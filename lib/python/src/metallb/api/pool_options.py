"""What the three kinds of address pools have in common: ranges, and our fields on top of
Deckhouse's and MetalLB's.

`spec.disabled`: nobody new gets in; `spec.drainMovesPerMinute`, of pools that are no classes: so
many Services a minute move to other pools then. `spec.namespaceQuota`: how many addresses the
Services of one namespace may hold. `spec.retentionSeconds`: how long an address is kept for a
Service that is gone. `spec.reservations`: addresses kept for a namespace or for one Service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.net.ranges import AddressRange, parse_range, parse_whole_range

if TYPE_CHECKING:
    from metallb.api.fields import Fields
    from metallb.api.meta import ObjectKey

RETENTION_SECONDS_MAX = 604_800
MOVES_MAX = 60_000
QUOTA_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PoolRange:
    """One entry of a list of ranges: as it was written, where, and what it means."""

    text: str
    path: str
    range: AddressRange


@dataclass(frozen=True, slots=True)
class Reservation:
    """Addresses kept for the Services of a namespace or, with a name, for one Service."""

    range: AddressRange
    namespace: str
    service: str = ""

    def is_for(self, service: ObjectKey) -> bool:
        """Tell whether a Service may have the addresses."""
        return self.namespace == service.namespace and self.service in ("", service.name)


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Our fields; a quota of 0 is none."""

    is_disabled: bool = False
    namespace_quota: int = 0
    retention_seconds: int = 0
    reservations: tuple[Reservation, ...] = ()
    drain_moves_per_minute: int = 0


def read_ranges(fields: Fields, name: str, *, is_whole: bool) -> tuple[PoolRange, ...]:
    """Read a list of ranges; one that is malformed is noted and left out.

    `is_whole`: of a prefix every address is meant, also that of the network and for broadcasts.
    """
    parse = parse_whole_range if is_whole else parse_range
    found: list[PoolRange] = []
    for index, text in enumerate(fields.texts(name)):
        place = f"{name}[{index}]"
        try:
            found.append(PoolRange(text, f"{fields.path}.{place}", parse(text)))
        except ValueError as error:
            fields.note(place, str(error))
    return tuple(found)


def read_pool_options(spec: Fields) -> PoolOptions:
    """Read our fields of a pool's spec."""
    return PoolOptions(
        is_disabled=spec.boolean("disabled"),
        namespace_quota=spec.integer("namespaceQuota", 0, 1, QUOTA_MAX),
        retention_seconds=spec.integer("retentionSeconds", 0, 0, RETENTION_SECONDS_MAX),
        reservations=_read_reservations(spec),
        drain_moves_per_minute=spec.integer("drainMovesPerMinute", 0, 0, MOVES_MAX),
    )


def _read_reservations(spec: Fields) -> tuple[Reservation, ...]:
    """Read `spec.reservations`, one for each range; without a namespace it is for nobody."""
    found: list[Reservation] = []
    for item in spec.children("reservations"):
        namespace = item.text("namespace")
        if not namespace:
            item.note("namespace", "the name of a namespace is wanted")
        ranges = read_ranges(item, "addresses", is_whole=True)
        if not item.value.get("addresses"):
            item.note("addresses", "at least one range of addresses is wanted")
        found += [Reservation(each.range, namespace, item.text("service")) for each in ranges]
    return tuple(found)
