"""How long a container that has ended waits for its next start, by a kubelet's rule.

The first time not at all, then 10 s, and twice as long each time, up to 5 minutes. One that ran for
10 minutes begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

STABLE_SECONDS = 600.0


@dataclass(slots=True)
class CrashBackoff:
    """The waits of one container."""

    first_seconds: float = 10.0
    limit_seconds: float = 300.0
    _next: float = 0.0

    def delay(self, ran_seconds: float) -> float:
        """Give the wait after a run of so many seconds."""
        wait = 0.0 if ran_seconds >= STABLE_SECONDS else self._next
        grown = max(self.first_seconds, 2 * wait)
        self._next = min(grown, self.limit_seconds)
        return wait
