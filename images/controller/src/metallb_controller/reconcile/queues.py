"""Waiting: for a retry to be due, for a report to be worth it, for an address to come free, for the
words of a refusal to be looked at again.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metallb.api.meta import ObjectKey
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.model import Supply
    from metallb_controller.reconcile.model import Target


REVIEW_SECONDS: Final = 1.0
REVIEWS_AT_ONCE: Final = 100
POOLS_AT_ONCE: Final = 10_000
"""Each review looks at what all pools have to offer: of so many, together, in a second."""


class Retries:
    """Targets whose write failed, each with the time of its next attempt; delays double."""

    def __init__(self, first_seconds: float, limit_seconds: float) -> None:
        self._first = first_seconds
        self._limit = limit_seconds
        self._failures: dict[Target, int] = {}
        self._due: list[tuple[float, int, Target]] = []
        self._number = 0

    def failed(self, target: Target, now: float, at_least: float = 0.0) -> None:
        """Count a failure and set the next attempt, no sooner than `at_least` seconds from now."""
        failures = self._failures.get(target, 0)
        self._failures[target] = failures + 1
        delay = min(self._limit, self._first * 2.0 ** min(failures, 20))
        self._number += 1
        heapq.heappush(self._due, (now + max(delay, at_least), self._number, target))

    def succeeded(self, target: Target) -> None:
        """Forget the failures of a target."""
        self._failures.pop(target, None)

    def take_due(self, now: float) -> list[Target]:
        """Drain the targets whose time has come."""
        due: list[Target] = []
        while self._due and self._due[0][0] <= now:
            due.append(heapq.heappop(self._due)[2])
        return due

    def next_at(self) -> float | None:
        """Tell when the next attempt is due."""
        return self._due[0][0] if self._due else None


class Pace:
    """When reports that may have changed are made: after a delay, and not more often than that."""

    def __init__(self, delay_seconds: float, interval_seconds: float) -> None:
        self._delay = delay_seconds
        self._interval = interval_seconds
        self._made_at: dict[str, float] = {}
        self._due_at: dict[str, float] = {}

    def take_due(self, wanted: Iterable[str], now: float) -> list[str]:
        """Give those of the wanted reports that are due; the others are set a time."""
        due: list[str] = []
        for name in wanted:
            if name not in self._due_at:
                made_at = self._made_at.get(name, float("-inf"))
                self._due_at[name] = max(now + self._delay, made_at + self._interval)
            if self._due_at[name] <= now:
                due.append(name)
        for name in due:
            del self._due_at[name]
            self._made_at[name] = now
        return due

    def next_at(self, wanted: Iterable[str]) -> float | None:
        """Tell when the next one is due; one that has no time yet is to be looked at now."""
        return min((self._due_at.get(name, float("-inf")) for name in wanted), default=None)


class Waiters:
    """Services whose wish is not met, by what would meet it."""

    def __init__(self) -> None:
        self._any: dict[Supply, dict[ObjectKey, None]] = {}
        self._address: dict[IPAddress, dict[ObjectKey, None]] = {}
        self._waits: dict[ObjectKey, tuple[tuple[Supply, ...], tuple[IPAddress, ...]]] = {}

    def wait(
        self,
        service: ObjectKey,
        supplies: tuple[Supply, ...],
        addresses: tuple[IPAddress, ...],
    ) -> None:
        """Let a Service wait for any address of supplies, and for certain addresses."""
        supplies, addresses = tuple(dict.fromkeys(supplies)), tuple(dict.fromkeys(addresses))
        self.forget(service)
        if supplies or addresses:
            self._waits[service] = (supplies, addresses)
        for supply in supplies:
            self._any.setdefault(supply, {})[service] = None
        for address in addresses:
            self._address.setdefault(address, {})[service] = None

    def forget(self, service: ObjectKey) -> None:
        """Take in that a Service waits for nothing."""
        supplies, addresses = self._waits.pop(service, ((), ()))
        for supply in supplies:
            del self._any[supply][service]
            if not self._any[supply]:
                del self._any[supply]
        for address in addresses:
            del self._address[address][service]
            if not self._address[address]:
                del self._address[address]

    def is_waiting(self, service: ObjectKey) -> bool:
        """Tell whether a Service waits for any address of a supply."""
        return bool(self._waits.get(service, ((), ()))[0])

    def for_address(self, address: IPAddress) -> list[ObjectKey]:
        """Give the Services that wait for this very address."""
        return list(self._address.get(address, ()))

    def for_any(
        self, supply: Supply, count: int, seniority: Callable[[ObjectKey], tuple[str, str, str]]
    ) -> list[ObjectKey]:
        """Give the `count` most senior Services that wait for any address of a supply."""
        return heapq.nsmallest(count, self._any.get(supply, ()), key=seniority)

    def supplies(self) -> list[Supply]:
        """Give the supplies that somebody waits for."""
        return list(self._any)


class Reviews:
    """Services that were refused something, to be looked at again when the reasons may be others.

    A refusal says who holds an address, what a pool lacks and what others have to offer. That may
    change with any address that anybody gets or gives back, so all refusals that are older than
    the last change are looked at again: the oldest first, a few at a time, and fewer where there
    are many pools to tell of, so that it costs the same however many wait. `changes` is a number
    that grows with each change.
    """

    def __init__(self, at_once: int = REVIEWS_AT_ONCE, seconds: float = REVIEW_SECONDS) -> None:
        self._at_once = at_once
        self._seconds = seconds
        self._refused: dict[ObjectKey, int] = {}
        self._due_at: float | None = None

    def refused(self, service: ObjectKey, changes: int) -> None:
        """Take in that a Service was refused something, after so many changes."""
        self._refused.pop(service, None)
        self._refused[service] = changes

    def forget(self, service: ObjectKey) -> None:
        """Take in that a Service has all that it asks for, or is not served."""
        self._refused.pop(service, None)

    def _is_behind(self, changes: int) -> bool:
        oldest = next(iter(self._refused.values()), changes)
        return oldest < changes

    def take_due(self, changes: int, now: float, pools: int = 0) -> list[ObjectKey]:
        """Take out those that are to be looked at again now; `pools` are all that there are."""
        if not self._is_behind(changes):
            self._due_at = None
            return []
        if self._due_at is None:
            self._due_at = now + self._seconds
        if now < self._due_at:
            return []
        self._due_at = None
        count = min(self._at_once, max(1, POOLS_AT_ONCE // max(1, pools)))
        oldest = islice(self._refused.items(), count)
        due = [service for service, seen in oldest if seen < changes]
        for service in due:
            del self._refused[service]
        return due

    def next_at(self, changes: int) -> float | None:
        """Tell when somebody is to be looked at again; what has no time yet is looked at now."""
        if not self._is_behind(changes):
            return None
        return float("-inf") if self._due_at is None else self._due_at
