"""The pace at which Services leave disabled pools, one after another.

A pool that is disabled takes nobody in. With `drainMovesPerMinute` its holders are also asked to
leave: in the order of their addresses each is decided about as if the pool were not there, and
moves when others have all that it asks for. Those that cannot are asked again after a while.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from metallb.api.meta import ObjectKey
    from metallb_controller.allocator.state import Allocator
    from metallb_controller.reconcile.observed import Observed

AGAIN_SECONDS: Final = 300.0
"""After so long, those that could not leave are asked again."""


@dataclass(slots=True)
class _Drain:
    next_at: float
    left: deque[ObjectKey] = field(default_factory=deque)


class Draining:
    """Tells who is to leave which pool, and when."""

    def __init__(self, observed: Observed, allocator: Allocator) -> None:
        self._observed = observed
        self._allocator = allocator
        self._drains: dict[str, _Drain] = {}

    def refresh(self, now: float) -> None:
        """Take in that pools may have changed."""
        before, self._drains = self._drains, {}
        for key, pool in self._observed.pools.items():
            if pool.is_disabled and pool.drain_moves_per_minute:
                known = before.get(key)
                self._drains[key] = _Drain(now if known is None else known.next_at)

    def next_at(self) -> float | None:
        """Tell when the next Service is to leave."""
        times = [drain.next_at for key, drain in self._drains.items() if self._allocator.held(key)]
        return min(times, default=None)

    def take_due(self, now: float) -> list[tuple[ObjectKey, str]]:
        """Give the Services that are to leave now, with the pools."""
        due: list[tuple[ObjectKey, str]] = []
        for key, drain in self._drains.items():
            if drain.next_at > now or not self._allocator.held(key):
                continue
            if not drain.left:
                drain.left = self._holders(key)
            due.append((drain.left.popleft(), key))
            moves = self._observed.pools[key].drain_moves_per_minute
            drain.next_at = now + (60.0 / moves if drain.left else max(AGAIN_SECONDS, 60.0 / moves))
        return due

    def _holders(self, key: str) -> deque[ObjectKey]:
        addresses = sorted(self._allocator.held(key), key=lambda item: (item.version, int(item)))
        holders = (holder for item in addresses for holder in self._allocator.holders(item))
        return deque(dict.fromkeys(holders))
