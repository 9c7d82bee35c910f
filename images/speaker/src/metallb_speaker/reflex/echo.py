"""The ways that IPv4 echoes take: one link-layer socket an interface, and for each session the
headers that stand before its echoes.

A way is looked up again each second, since the peer may be at another link-layer address by then.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from metallb_speaker.bfd.echo import ECHO_BYTES
from metallb_speaker.io.echo import NEIGHBOURS, EchoLink, headers, read_neighbours

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from ipaddress import IPv4Address

    from metallb_speaker.bfd.config import Endpoint

LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Way(NamedTuple):
    """How echoes of a session go; without a link they cannot."""

    looked_at: float
    link: EchoLink | None
    headers: bytes = b""


class EchoWays:
    """Sends echoes; `on_echoes(link)` is told when some have come back."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_echoes: Callable[[EchoLink], None]
    ) -> None:
        self._loop = loop
        self._on_echoes = on_echoes
        self._links: dict[str, EchoLink] = {}
        self._ways: dict[Endpoint, Way] = {}

    def send(self, endpoint: Endpoint, address: IPv4Address, data: bytes) -> bool:
        """Send an echo from an address of ours; tells whether the kernel took it."""
        now = self._loop.time()
        way = self._ways.get(endpoint)
        if way is None or now >= way.looked_at + LOOK_SECONDS:
            way = self._ways[endpoint] = self._find(endpoint, address, now)
        return way.link is not None and way.link.send(way.headers + data)

    def _find(self, endpoint: Endpoint, address: IPv4Address, now: float) -> Way:
        found = read_neighbours(NEIGHBOURS.read_text()).get(str(endpoint.peer_address))
        if found is None:
            return Way(now, None)
        link = self._links.get(found.interface) or self._open(found.interface)
        if link is None:
            return Way(now, None)
        return Way(now, link, headers(found.mac, link.mac, address, ECHO_BYTES))

    def _open(self, interface: str) -> EchoLink | None:
        try:
            link = EchoLink(interface)
        except OSError as error:
            log.error("BFD: no echoes on interface %s: %s", interface, error)
            return None
        self._links[interface] = link
        self._loop.add_reader(link.socket, self._on_echoes, link)
        return link

    def forget(self, endpoint: Endpoint) -> None:
        """Take in that a session has left; sockets go with the last one."""
        self._ways.pop(endpoint, None)
        if not self._ways:
            self.close()

    def close(self) -> None:
        """Close all sockets."""
        for link in self._links.values():
            self._loop.remove_reader(link.socket)
            link.close()
        self._links.clear()
        self._ways.clear()
