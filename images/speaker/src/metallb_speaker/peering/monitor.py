"""BMP to a collector of the user's choice (RFC 7854): sessions, and the routes that peers are sent.

    Leg ──octets that are sent──► Monitor ──► TCP ──► collector
    Peer ──up, down────────────►    │
                                    └── when the collector is there anew: all sessions, all routes

It only listens: nothing that a peer hears depends on it. A collector that does not read is dropped
and dialled again, more and more slowly, and told everything then. One that is not there costs
nothing but the tries.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from metallb_speaker.bgp.bmp import (
    MonitoredPeer,
    OpenedSession,
    PeerDownReason,
    down_reason,
    initiation,
    messages_in,
    peer_down,
    peer_up,
    route_monitoring,
    termination,
)
from metallb_speaker.bgp.fsm import FsmEvent, State
from metallb_speaker.bgp.iana import MessageType
from metallb_speaker.bgp.messages import encode_notification, encode_open
from metallb_speaker.bgp.negotiation import FAMILIES
from metallb_speaker.bgp.update import end_of_rib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from metallb_speaker.bgp.events import Down
    from metallb_speaker.bgp.session import Session
    from metallb_speaker.peering.config import Collector
    from metallb_speaker.peering.connection import Connection

    class SpokenWith(Protocol):
        """A peer, as far as it is monitored."""

        @property
        def name(self) -> str:
            """The peer's name."""

        def established(self) -> tuple[Session, Connection] | None:
            """Give its session and connection, if it is Established."""


FIRST_WAIT_SECONDS: Final = 1.0
LAST_WAIT_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 10.0
UNREAD_OCTETS: Final = 16 * 1024 * 1024
"""A collector that leaves so much unread is dropped."""

_OURS: Final = frozenset(
    event
    for event in FsmEvent
    if event not in (FsmEvent.TCP_CONNECTION_FAILS, FsmEvent.NOTIF_MSG, FsmEvent.NOTIF_MSG_VER_ERR)
)
"""Causes of an end that are on our side."""

log = logging.getLogger(__name__)


class Monitor:
    """Tells one collector."""

    def __init__(
        self,
        collector: Collector,
        peers: Callable[[], Iterable[SpokenWith]],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._host, self._port, self._name = collector.host, collector.port, collector.name
        self._peers = peers
        self._wall = wall
        self._writer: asyncio.StreamWriter | None = None
        self._told: dict[str, MonitoredPeer] = {}
        """Peers of which the collector knows that they are up."""

    @property
    def is_heard(self) -> bool:
        """Whether the collector is there."""
        return self._writer is not None

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError as error:
                log.info("BMP collector %s port %d: %s", self._host, self._port, error)
            else:
                wait = FIRST_WAIT_SECONDS
                await self._tell(reader, writer)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LAST_WAIT_SECONDS)

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell all, and then what happens, until the collector is gone."""
        self._writer = writer
        self._told.clear()
        log.info("BMP collector %s port %d is told", self._host, self._port)
        try:
            self._say(initiation(self._name, "metallb speaker"))
            for peer in self._peers():
                self._tell_of(peer)
            while await reader.read(4096):
                pass  # a collector has nothing to say (RFC 7854 §3.2)
        except OSError as error:
            log.info("BMP collector %s: %s", self._host, error)
        finally:
            self._say(termination())
            self._writer = None
            writer.close()
        log.info("BMP collector %s is gone", self._host)

    def _say(self, message: bytes) -> None:
        if self._writer is None or self._writer.transport.is_closing():
            return
        self._writer.write(message)
        if self._writer.transport.get_write_buffer_size() > UNREAD_OCTETS:
            log.warning("BMP collector %s does not read, and is dropped", self._host)
            self._writer.transport.abort()
            self._writer = None

    # -- what happens ------------------------------------------------------------------------------

    def _tell_of(self, peer: SpokenWith) -> None:
        """Tell of a session that is up, with all that was said on it."""
        found = peer.established()
        if found is None:
            return
        self.came_up(peer)
        session, _ = found
        self.sent(peer, session.outbound.said())
        negotiated = session.negotiated
        for afi in sorted(negotiated.families) if negotiated is not None else ():
            self.sent(peer, end_of_rib(FAMILIES[afi]))

    def came_up(self, peer: SpokenWith) -> None:
        """Take in that a session is Established."""
        found = peer.established()
        if self._writer is None or found is None:
            return
        session, connection = found
        ends, negotiated, received = session.ends, session.negotiated, session.received_open
        assert ends is not None
        assert negotiated is not None
        assert received is not None
        about = MonitoredPeer(
            ends.peer, negotiated.peer_asn, negotiated.peer_router_id, negotiated.four_octet_as
        )
        self._told[peer.name] = about
        local, remote = connection.tcp.getsockname(), connection.tcp.getpeername()
        opened = OpenedSession(
            ends.local, local[1], remote[1], session.sent_open, encode_open(received)
        )
        self._say(peer_up(about, opened, self._wall()))

    def went_down(self, peer: SpokenWith, down: Down) -> None:
        """Take in that a session has ended."""
        about = self._told.get(peer.name)
        if about is None or down.before is not State.ESTABLISHED:
            return
        del self._told[peer.name]
        reason = down_reason(down.sent, down.received, is_ours=down.cause in _OURS)
        notification = down.received or down.sent
        data = b"" if notification is None else encode_notification(notification)
        if reason is PeerDownReason.LOCAL_NO_NOTIFICATION:
            data = int(down.cause).to_bytes(2, "big")
        self._say(peer_down(about, reason, data, self._wall()))

    def sent(self, peer: SpokenWith, data: bytes) -> None:
        """Take in what a peer is sent: whole messages, of which UPDATEs are handed on."""
        about = self._told.get(peer.name)
        if about is None or self._writer is None:
            return
        at = self._wall()
        for kind, message in messages_in(data):
            if kind == MessageType.UPDATE:
                self._say(route_monitoring(about, message, at))
