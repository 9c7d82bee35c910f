"""All peers of this node, and the listener that they share.

    peering = Peering(...)
    await peering.start()
    peering.apply(peers)             # the whole mapping, each time
    peering.routes(changes)          # peer's name -> prefix -> attributes, or None to withdraw
    peering.routes_complete()        # once: from now on End-of-RIB may be said
    ...
    await peering.close(is_restart=True)

Applying settings drops no session that can go on: see `Peer.change`. Nothing here raises because of
what a peer does; settings that cannot be are refused by `PeerConfig.check`, and the rest applied.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.iana import CeaseSubcode
from metallb_speaker.bgp.packing import Encoder
from metallb_speaker.bgp.rib_out import RibOut
from metallb_speaker.peering.config import BGP_PORT
from metallb_speaker.peering.connection import LINGER_SECONDS
from metallb_speaker.peering.discovery import Discovery
from metallb_speaker.peering.leg import Surroundings
from metallb_speaker.peering.listener import Listener
from metallb_speaker.peering.monitor import Monitor
from metallb_speaker.peering.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ipaddress import IPv6Address

    from metallb_speaker.bgp.attributes import RouteAttributes
    from metallb_speaker.bgp.prefixes import Prefix
    from metallb_speaker.bgp.timers import Jitter
    from metallb_speaker.peering.config import Collector, PeerConfig
    from metallb_speaker.peering.connection import Connection
    from metallb_speaker.peering.status import PeerStatus

log = logging.getLogger(__name__)

RESTART_SECONDS: Final = 120.0
"""A peer that is new after that cannot have routes of ours from before a restart."""


def _nobody_asks(_name: str) -> None:
    """Take word of a change to nowhere."""


class Peering:
    """The BGP of a node."""

    def __init__(
        self,
        *,
        listen_port: int = BGP_PORT,
        listen_host: str | None = None,
        is_restarting: bool = False,
        is_complete: bool = True,
        on_change: Callable[[str], None] = _nobody_asks,
        jitter: Jitter = random.random,
        collector: Collector | None = None,
    ) -> None:
        """Make it; `listen_port` 0 is not to listen at all.

        `is_restarting`: this node announced a moment ago (RFC 4724). Until `routes_complete` no
        End-of-RIB is said if `is_complete` is false.
        """
        self._connections: set[Connection] = set()
        self._peers: dict[str, Peer] = {}
        self._monitor = None if collector is None else Monitor(collector, self._peers.values)
        self._monitoring: asyncio.Task[None] | None = None
        self._around = Surroundings(jitter, Encoder(), on_change, self._connections, self._monitor)
        self._is_restarting = is_restarting
        self._restarts_until = time.monotonic() + RESTART_SECONDS
        self._is_complete = is_complete
        self._ribs: dict[str, RibOut] = {}
        self._listener = Listener(self._peers, listen_port, listen_host)
        self._discoveries: dict[str, Discovery] = {}

    async def start(self) -> None:
        """Listen, and tell the collector; raises OSError when the port cannot be had."""
        if self._monitor is not None:
            self._monitoring = asyncio.create_task(self._monitor.run(), name="bmp")
        await self._listener.start()

    def apply(self, peers: Mapping[str, PeerConfig]) -> Mapping[str, str]:
        """Have exactly these peers; gives why some are refused, by their names."""
        refused = {name: why for name, config in peers.items() if (why := config.check())}
        wanted = {name: config for name, config in peers.items() if name not in refused}
        for name in [name for name in self._peers if name not in wanted]:
            self._peers.pop(name).stop(CeaseSubcode.PEER_DE_CONFIGURED)
            self._ribs.pop(name, None)
        self._discover({item.interface for item in wanted.values() if item.address is None})
        for name, config in wanted.items():
            if name not in self._peers:
                self._add(config)
            elif self._peers[name].config != config:
                self._peers[name].change(config)
        self._secure()
        return refused

    def _secure(self) -> None:
        """Have the listener know the keys of all peers that are somewhere."""
        self._listener.secure(
            (peer.address, peer.config) for peer in self._peers.values() if peer.address is not None
        )

    def _discover(self, wanted: set[str | None]) -> None:
        """Look for unnumbered peers on these interfaces."""
        for gone in self._discoveries.keys() - wanted:
            self._discoveries.pop(gone).close()
        for interface in wanted:
            if interface is not None and interface not in self._discoveries:
                self._discoveries[interface] = Discovery(interface, self._found)

    def _found(self, interface: str, address: IPv6Address) -> None:
        for peer in self._peers.values():
            if peer.config.address is None and peer.config.interface == interface:
                peer.found_at(address)
                self._secure()

    def _add(self, config: PeerConfig) -> None:
        peer = Peer(config, self._rib(config.name), self._around)
        self._peers[config.name] = peer
        is_restarting = self._is_restarting and time.monotonic() < self._restarts_until
        peer.start(is_restarting=is_restarting, is_complete=self._is_complete)

    def _rib(self, name: str) -> RibOut:
        return self._ribs.setdefault(name, RibOut())

    def routes(self, changes: Mapping[str, Mapping[Prefix, RouteAttributes | None]]) -> None:
        """Announce and withdraw; of a peer that is not there yet they are kept for it."""
        for name, routes in changes.items():
            self._rib(name).change(routes)
            if name in self._peers:
                self._peers[name].routes_changed()

    def routes_complete(self) -> None:
        """All routes of this node have been given."""
        self._is_complete = True
        for peer in self._peers.values():
            peer.routes_complete()

    def bfd_up(self, name: str) -> None:
        """BFD with a peer is up."""
        if name in self._peers:
            self._peers[name].bfd_up()

    def bfd_down(self, name: str) -> None:
        """BFD with a peer is down."""
        if name in self._peers:
            self._peers[name].bfd_down()

    def statuses(self) -> dict[str, PeerStatus]:
        """Tell of all peers."""
        return {name: peer.status() for name, peer in self._peers.items()}

    @property
    def open_connections(self) -> int:
        """How many TCP connections there are, those that only say their last word too."""
        return len(self._connections)

    @property
    def strangers(self) -> int:
        """How many connections were turned away."""
        return self._listener.strangers

    async def close(self, *, is_restart: bool = False, communication: str = "") -> None:
        """End all sessions: for good, or (`is_restart`) so that peers keep our routes meanwhile."""
        self._listener.close()
        self._discover(set())
        for peer in self._peers.values():
            if is_restart:
                peer.vanish()
            else:
                peer.stop(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, communication)
        self._peers.clear()
        self._ribs.clear()
        await self._all_gone()
        if self._monitoring is not None:
            self._monitoring.cancel()
            await asyncio.wait({self._monitoring})

    async def _all_gone(self) -> None:
        """Wait until all last words are said, or nobody listens."""
        try:
            async with asyncio.timeout(LINGER_SECONDS + 1.0):
                for connection in list(self._connections):
                    await connection.closed.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
