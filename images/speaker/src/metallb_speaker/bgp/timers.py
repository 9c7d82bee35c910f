"""The timers of one session: names and absolute times. Pure: `now` comes in, the next end goes out.

RFC 4271 §10 wants jitter on ConnectRetryTimer and KeepaliveTimer: each is started with a random
part of its time, 75 % to 100 %. MinRouteAdvertisementInterval is 0: a Service's withdrawal must not
wait, and changes that come while the peer reads slowly are merged anyway (`rib_out`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Jitter = Callable[[], float]
    """Gives a random number from 0 to below 1."""

LARGE_HOLD_SECONDS: Final = 240.0
"""RFC 4271 §8.2.2: "a HoldTimer value of 4 minutes is suggested"."""
MIN_SEND_HOLD_SECONDS: Final = 480.0
"""RFC 9687 §4: the greater of eight minutes and twice the hold time."""
FIRST_BACKOFF_SECONDS: Final = 1.0
STABLE_SECONDS: Final = 30.0
"""How long a session must be Established before what went before is forgiven."""


class Timer(Enum):
    """RFC 4271 §8.1.3, RFC 9687; STABLE is ours. There is no DelayOpenTimer."""

    CONNECT_RETRY = "ConnectRetryTimer"
    HOLD = "HoldTimer"
    KEEPALIVE = "KeepaliveTimer"
    IDLE_HOLD = "IdleHoldTimer"
    SEND_HOLD = "SendHoldTimer"
    STABLE = "Stable"


class Timers:
    """Which run, and until when."""

    def __init__(self) -> None:
        self._ends_at: dict[Timer, float] = {}

    def start(self, timer: Timer, ends_at: float) -> None:
        """Start it, or start it again."""
        self._ends_at[timer] = ends_at

    def stop(self, timer: Timer) -> None:
        """Stop it, if it runs."""
        self._ends_at.pop(timer, None)

    def stop_all(self) -> None:
        """Stop them all."""
        self._ends_at.clear()

    def runs(self, timer: Timer) -> bool:
        """Tell whether it runs."""
        return timer in self._ends_at

    def ends_at(self, timer: Timer) -> float | None:
        """Tell when it ends, if it runs."""
        return self._ends_at.get(timer)

    def next(self) -> float | None:
        """When the first of them ends."""
        return min(self._ends_at.values(), default=None)

    def pop_expired(self, now: float) -> Timer | None:
        """Stop the one that ended first, if one has, and tell which."""
        timer = min(self._ends_at, key=self._ends_at.__getitem__, default=None)
        if timer is None or self._ends_at[timer] > now:
            return None
        del self._ends_at[timer]
        return timer


def shortened(seconds: float, jitter: Jitter) -> float:
    """Take 75 to 100 % of it (RFC 4271 §10)."""
    return seconds * (0.75 + 0.25 * jitter())


class Backoff:
    """How long to wait before the next try: the ConnectRetryCounter and what follows from it.

    Doubles with each end of a connection, up to ConnectRetryTime. Only a session that stayed
    Established for `STABLE_SECONDS` sets it back, so one that is rejected after OPEN, or thrown
    out soon after, is not tried ever more often.
    """

    def __init__(self) -> None:
        self.counter = 0

    def seconds(self, most: float, jitter: Jitter) -> float:
        """How long to wait now."""
        doublings = min(max(self.counter - 1, 0), 30)
        return shortened(min(FIRST_BACKOFF_SECONDS * 2.0**doublings, most), jitter)
