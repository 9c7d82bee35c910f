"""In which order all Services are looked at.

Those that hold addresses come first, then those whose status shows some, then those that request
some by name, then the others; within these by age. At the start the ledger has been read: those
that it seems to serve well come last, so that nobody waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.conditions import ServiceCondition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.api.meta import ObjectKey
    from metallb.api.services import Service
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.state import Allocator


def in_turn(
    services: Mapping[ObjectKey, Service], allocator: Allocator, *, is_start: bool
) -> list[ObjectKey]:
    """Give all Services in the order in which they are to be served."""

    def turn(key: ObjectKey) -> tuple[int, tuple[str, str, str]]:
        service = services[key]
        if held := allocator.addresses_of(key):
            rank = 4 if is_start and _seems_served(service, held) else 0
        elif service.ingress:
            rank = 1
        else:
            rank = 2 if service.requests_addresses else 3
        return rank, service.meta.seniority

    return sorted(services, key=turn)


def _seems_served(service: Service, held: tuple[IPAddress, ...]) -> bool:
    """Tell whether a Service's status shows all that it was to have, and that is what it holds."""
    assigned = service.condition(ServiceCondition.ASSIGNED)
    shown = sorted(item.ip for item in service.ingress)
    return assigned is not None and assigned.is_true and shown == sorted(map(str, held))
