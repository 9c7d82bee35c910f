"""When a speaker that has just started is as good as before for its BGP peers.

A roll-out replaces the next speaker as soon as this one is ready. Were it ready before its sessions
are up, all nodes could be without sessions at once, and routers without any route. So it waits for
its peers; but a router that is down must not stop a roll-out, so it does not wait for long. Who has
been ready once stays so: a session that ends later is for alerts to tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb.api.fields import listed

if TYPE_CHECKING:
    from collections.abc import Sequence


class FirstMeeting:
    """Waits for the peers of a speaker, so many seconds from the first question on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None
        self._is_over = False

    def why_not_yet(self, missing: Sequence[str], now: float) -> str | None:
        """Tell whom it waits for; None: for nobody, or no longer."""
        if self._until is None:
            self._until = now + self._seconds
        if not missing or now >= self._until:
            self._is_over = True
        return None if self._is_over else f"no session yet with {listed(missing)}"
