"""Addresses that are kept for Services which are gone, until a time. Pure: `now` is an argument."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metallb.api.meta import ObjectKey
    from metallb.net.addresses import IPAddress


_NOBODY: Mapping[ObjectKey, float] = {}


class Retention:
    """Who may come back for which address, and until when.

    An address that several Services shared is kept for each of them. Times that were changed stay
    in the heap until they come up.
    """

    def __init__(self) -> None:
        self._until: dict[IPAddress, dict[ObjectKey, float]] = {}
        self._by_service: dict[ObjectKey, dict[IPAddress, None]] = {}
        self._due: list[tuple[float, int, IPAddress, ObjectKey]] = []
        self._number = 0
        self.changes = 0
        """Grows with each change of what is kept, and for whom."""

    def __bool__(self) -> bool:
        return bool(self._until)

    def __contains__(self, address: IPAddress) -> bool:
        return address in self._until

    def __iter__(self) -> Iterator[tuple[IPAddress, ObjectKey, float]]:
        for address, kept in self._until.items():
            for service, until in kept.items():
                yield address, service, until

    def keep(self, address: IPAddress, service: ObjectKey, until: float) -> None:
        """Keep an address for a Service."""
        self._until.setdefault(address, {})[service] = until
        self._by_service.setdefault(service, {})[address] = None
        self._number += 1
        self.changes += 1
        heapq.heappush(self._due, (until, self._number, address, service))

    def drop(self, address: IPAddress, service: ObjectKey) -> bool:
        """Keep an address for a Service no more; tell whether it had been kept."""
        kept = self._until.get(address, {})
        if service not in kept:
            return False
        del kept[service]
        self.changes += 1
        if not kept:
            del self._until[address]
        mine = self._by_service[service]
        del mine[address]
        if not mine:
            del self._by_service[service]
        return True

    def services(self, address: IPAddress) -> tuple[ObjectKey, ...]:
        """Give the Services that an address is kept for."""
        return tuple(self._until.get(address, ()))

    def until(self, address: IPAddress) -> Mapping[ObjectKey, float]:
        """Give the Services that an address is kept for, with their times."""
        return self._until.get(address, _NOBODY)

    def addresses(self, service: ObjectKey) -> tuple[IPAddress, ...]:
        """Give the addresses that are kept for a Service."""
        return tuple(self._by_service.get(service, ()))

    def take_due(self, now: float) -> list[IPAddress]:
        """Drop what has been kept long enough; gives the addresses that are kept for nobody now."""
        due: list[IPAddress] = []
        while self._due and self._due[0][0] <= now:
            until, _, address, service = heapq.heappop(self._due)
            if self._until.get(address, {}).get(service) == until:
                self.drop(address, service)
                if address not in self._until:
                    due.append(address)
        return due

    def next_at(self) -> float | None:
        """Tell when something is due."""
        while self._due:
            until, _, address, service = self._due[0]
            if self._until.get(address, {}).get(service) == until:
                return until
            heapq.heappop(self._due)
        return None

    def check_invariants(self) -> None:
        """Compare both indexes and the times; raises AssertionError."""
        times = {(until, address, service) for until, _, address, service in self._due}
        for address, service, until in self:
            assert address in self._by_service[service], f"{service} forgot {address}"
            assert (until, address, service) in times, f"{address} is kept for ever"
        for service, addresses in self._by_service.items():
            assert addresses, f"{service} is remembered for nothing"
            for address in addresses:
                assert service in self._until[address], f"{address} forgot {service}"
