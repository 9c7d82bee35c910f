"""What policy is told, and told again when it comes back.

What is announced is kept as it was said: policy writes statuses from it, and one that was started
anew must write the same times.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from metallb_speaker import control

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.net.addresses import IPAddress
    from metallb_speaker.announce.model import Announced, ConflictSeen, Withdrawn
    from metallb_speaker.control import Line


class Telling:
    """Keeps what was said; `say` sends one line, if policy is there."""

    def __init__(self, say: Callable[[Line], None]) -> None:
        self._say = say
        self._announced: dict[IPAddress, control.AnnouncedLine] = {}
        self._conflicts: dict[IPAddress, Line] = {}
        self.quiet = asyncio.Event()
        """Set while nothing is announced."""
        self.quiet.set()

    def announced(self, change: Announced) -> None:
        """Tell that a VIP is announced."""
        line = control.AnnouncedLine(
            address=change.address,
            at=time.time(),
            reason=change.reason,
            previous=change.previous,
            outage_seconds=change.outage_seconds,
            interfaces=change.interfaces,
        )
        self._announced[change.address] = line
        self.quiet.clear()
        self._say(line.to_line())

    def withdrawn(self, change: Withdrawn) -> None:
        """Tell that a VIP is announced no more."""
        del self._announced[change.address]
        if not self._announced:
            self.quiet.set()
        self._say(control.withdrawn_line(change.address, change.reason))

    def conflict_seen(self, change: ConflictSeen) -> None:
        """Tell that another station claims a VIP."""
        line = control.conflict_line(change.address, change.mac, change.interface)
        self._conflicts[change.address] = line
        self._say(line)

    def conflict_gone(self, address: IPAddress) -> None:
        """Tell that nobody else claims a VIP any more."""
        del self._conflicts[address]
        self._say(control.conflict_line(address, "", ""))

    def tell_all(self) -> None:
        """Say again what is announced and in conflict."""
        for announced in self._announced.values():
            self._say(announced.to_line())
        for conflict in self._conflicts.values():
            self._say(conflict)
        self._say(control.TOLD)
