"""What policy orders: lines of the control socket, into the cores.

A whole table is listed between `reset` and `synced`. While it comes in, each VIP is taken as it is
said, since the orders that we have are older; what was not said is removed at the end.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from metallb_speaker import control

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.net.addresses import IPAddress
    from metallb_speaker.announce.announcer import Announcer
    from metallb_speaker.bfd.config import BFDConfig
    from metallb_speaker.control import Line
    from metallb_speaker.liveness.members import Liveness


class Table:
    """Takes lines in."""

    def __init__(
        self,
        announcer: Announcer,
        liveness: Liveness,
        order_bfd: Callable[[list[BFDConfig]], None],
    ) -> None:
        self._order_bfd = order_bfd
        self._announcer = announcer
        self._liveness = liveness
        self._listed: set[IPAddress] | None = None

    def take(self, line: Line, now: float) -> bool:
        """Take a line in; tells whether a table is complete by it."""
        match line["do"]:
            case "vip":
                self._take_vip(line, now)
            case "gone":
                self._announcer.remove(ip_address(line["address"]))
            case "seen":
                self._liveness.set_orders_version(line["version"], now)
            case "peers":
                self._liveness.set_peers(control.peers_of(line), now)
            case "bfd":
                self._order_bfd(control.bfd_of(line))
            case "reset":
                self._listed = set()
            case "synced":
                self._finish(line["version"], now)
                return True
            case unknown:
                raise ValueError(f"policy said {unknown!r}")
        return False

    def _take_vip(self, line: Line, now: float) -> None:
        orders = control.orders_of(line)
        self._announcer.set_orders(orders, now)
        if self._listed is not None:
            self._listed.add(orders.address)
        else:
            self._liveness.set_orders_version(line["seen"], now)

    def _finish(self, version: int, now: float) -> None:
        listed, self._listed = self._listed or set(), None
        for address in self._announcer.addresses():
            if address not in listed:
                self._announcer.remove(address)
        self._liveness.set_orders_version(version, now)
        self._liveness.begin(now)
