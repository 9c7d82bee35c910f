"""Exponential back-off with full jitter: many clients that lost one server do not return as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Backoff:
    """Delays in seconds that double from `first` up to `limit`, each scaled by chance to 50-100 %.

    `chance` gives a float in [0, 1).
    """

    chance: Callable[[], float]
    first: float = 0.05
    limit: float = 10.0
    failures: int = 0

    def next_delay(self, at_least: float | None = None) -> float:
        """Count a failure and tell how long to wait; never less than the server asked for."""
        ceiling = min(self.limit, self.first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return max(ceiling * (0.5 + self.chance() / 2), at_least or 0.0)

    def reset(self) -> None:
        """Count a success."""
        self.failures = 0
