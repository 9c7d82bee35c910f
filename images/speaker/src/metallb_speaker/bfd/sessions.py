"""All BFD sessions of a node: which one a datagram is for, and which one is due.

    apply(configs, now)                     the sessions that there are to be
    receive_control(data, arrival, now)     from UDP 3784 and 4784; tells why it was dropped
    receive_echo(data, arrival, now)        from UDP 3785
    handle_timer(now), get_timer()          what is due; when the next thing is
    datagrams_to_send(), next_event()       drained

A packet that names our discriminator is for its session; any other is told by where it came from
(RFC 5880 §6.3, RFC 5881 §3, RFC 5883 §4). A session that is taken away says AdminDown for as long
as the peer would wait to find it dead, so that it does not take it for dead (§6.8.16).
"""

from __future__ import annotations

import heapq
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from metallb_speaker.bfd.echo import discriminator_of
from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.events import Datagram, Outbox, SessionLeft
from metallb_speaker.bfd.iana import TTL
from metallb_speaker.bfd.packet import PACKET_BYTES, decode
from metallb_speaker.bfd.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from metallb.net.addresses import IPAddress
    from metallb_speaker.bfd.config import BFDConfig, Endpoint
    from metallb_speaker.bfd.events import Event

_YOUR_DISCRIMINATOR: Final = struct.Struct("!8xI")


class Arrival(NamedTuple):
    """How a datagram came; `interface` only where it tells one peer from another (link-local)."""

    peer_address: IPAddress
    ttl: int
    local_address: IPAddress | None = None
    interface: str = ""
    vrf: str = ""
    is_multihop: bool = False


class Loop(NamedTuple):
    """An echo of the peer's that is to be sent back."""

    data: bytes


class Sessions:
    """One node's sessions; `jitter` gives a number in [0, 1) by chance."""

    def __init__(self, *, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._outbox = Outbox()
        self._by_endpoint: dict[Endpoint, Session] = {}
        self._by_discriminator: dict[int, Session] = {}
        self._leaving: dict[Endpoint, tuple[Session, float]] = {}
        """Sessions taken away, and until when they say so."""
        self._due: list[tuple[float, int]] = []
        """A heap: when, and the discriminator of whom; entries may be too early, never too late."""
        self._scheduled: dict[int, float] = {}
        """What the heap says of each; its other entries are void."""

    def __iter__(self) -> Iterator[Session]:
        return iter(self._by_endpoint.values())

    def get(self, endpoint: Endpoint) -> Session | None:
        """Find a session."""
        return self._by_endpoint.get(endpoint)

    def endpoints(self) -> set[Endpoint]:
        """Name the endpoints that have something to say, those that leave included."""
        return {*self._by_endpoint, *self._leaving}

    # -- which there are ---------------------------------------------------------------------------

    def apply(self, configs: Iterable[BFDConfig], now: float) -> None:
        """Take in which sessions there are to be; what changes on one that stays is polled."""
        wanted = {config.endpoint: config for config in configs}
        for endpoint in [item for item in self._by_endpoint if item not in wanted]:
            self._take_away(endpoint, now)
        for endpoint, config in wanted.items():
            session = self._by_endpoint.get(endpoint)
            if session is None:
                session = self._add(config, now)
            elif session.config != config:
                session.change(config, now)
            self._schedule(session)

    def _add(self, config: BFDConfig, now: float) -> Session:
        if config.endpoint in self._leaving:
            self._drop(config.endpoint)
        discriminator = self._free_discriminator()
        session = Session(config, discriminator, jitter=self._jitter, now=now, outbox=self._outbox)
        self._by_endpoint[config.endpoint] = session
        self._by_discriminator[discriminator] = session
        session.handle_timer(now)
        return session

    def _free_discriminator(self) -> int:
        """Take one by chance, so that a datagram made up by a stranger does not meet it."""
        while True:
            found = int(self._jitter() * 2**32)
            if found and found not in self._by_discriminator:
                return found

    def _take_away(self, endpoint: Endpoint, now: float) -> None:
        session = self._by_endpoint.pop(endpoint)
        patience_seconds = session.detection_seconds
        session.disable(now)
        self._leaving[endpoint] = (session, now + patience_seconds)
        self._schedule(session)

    def _drop(self, endpoint: Endpoint) -> None:
        session, _ = self._leaving.pop(endpoint)
        del self._by_discriminator[session.local_discriminator]
        self._scheduled.pop(session.local_discriminator, None)
        self._outbox.events.append(SessionLeft(endpoint))

    def stop(self, now: float) -> None:
        """Take all away: the node's speaker stops, its peers are told."""
        self.apply((), now)

    # -- what comes in -----------------------------------------------------------------------------

    def repeats(self, data: bytes, ttl: int, now: float) -> bool:
        """Take a packet that came exactly so before and was judged then: the short way."""
        if len(data) < PACKET_BYTES:
            return False
        session = self._by_discriminator.get(_YOUR_DISCRIMINATOR.unpack_from(data)[0])
        return session is not None and session.is_repetition(data, ttl, now)

    def receive_control(self, data: bytes, arrival: Arrival, now: float) -> DropReason | None:
        """Take a control packet; tells why it was not taken."""
        packet = decode(data)
        if isinstance(packet, DropReason):
            return packet
        if packet.your_discriminator:
            session = self._by_discriminator.get(packet.your_discriminator)
            if session is None or session.config.endpoint.is_multihop != arrival.is_multihop:
                return DropReason.YOUR_DISCRIMINATOR
        else:
            session = self._find(arrival)
            if session is None:
                return DropReason.NO_SESSION
        if arrival.ttl < session.least_ttl:
            return DropReason.TTL
        reason = session.receive_packet(packet, data, now)
        self._schedule(session)
        return reason

    def _find(self, arrival: Arrival) -> Session | None:
        """Find a session by where a packet came from."""
        for session in self._by_endpoint.values():
            endpoint = session.config.endpoint
            is_from = (endpoint.peer_address, endpoint.is_multihop, endpoint.vrf) == (
                arrival.peer_address, arrival.is_multihop, arrival.vrf,
            )  # fmt: skip
            is_to = endpoint.local_address in (None, arrival.local_address)
            if is_from and is_to and arrival.interface in ("", endpoint.interface):
                return session
        return None

    def receive_echo(self, data: bytes, arrival: Arrival, now: float) -> Loop | DropReason | None:
        """Take an echo: the peer's to be looped back, or ours that came back.

        The TTL tells which: it is 255 as sent, and less when it was looped back once.
        """
        if arrival.ttl == TTL:
            session = self._find(arrival)
            return Loop(data) if session is not None and session.is_looping else DropReason.ECHO
        session = self._by_discriminator.get(discriminator_of(data))
        if session is None:
            return DropReason.ECHO
        reason = session.receive_echo(data, now)
        self._schedule(session)
        return reason

    # -- timers ------------------------------------------------------------------------------------

    def _schedule(self, session: Session) -> None:
        """Have the session called when it wants to be; one that wants it later is asked then."""
        self._schedule_at(session.local_discriminator, session.get_timer())

    def _schedule_at(self, discriminator: int, due_at: float) -> None:
        if due_at < self._scheduled.get(discriminator, float("inf")):
            self._scheduled[discriminator] = due_at
            heapq.heappush(self._due, (due_at, discriminator))

    def get_timer(self) -> float | None:
        """Tell when `handle_timer` wants to be called; None: when something comes."""
        times = [until for _, until in self._leaving.values()]
        if (due_at := self._next_due()) is not None:
            times.append(due_at)
        return min(times, default=None)

    def _next_due(self) -> float | None:
        while self._due:
            due_at, discriminator = self._due[0]
            if self._scheduled.get(discriminator) == due_at:
                return due_at
            heapq.heappop(self._due)
        return None

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        for endpoint in [item for item, (_, until) in self._leaving.items() if now >= until]:
            self._drop(endpoint)
        while (due_at := self._next_due()) is not None and due_at <= now:
            _, discriminator = heapq.heappop(self._due)
            self._scheduled[discriminator] = float("inf")
            session = self._by_discriminator[discriminator]
            if session.get_timer() <= now:
                session.handle_timer(now)
            self._schedule(session)

    # -- what goes out -----------------------------------------------------------------------------

    def datagrams_to_send(self) -> list[Datagram]:
        """Drain the datagrams."""
        if not self._outbox.datagrams:
            return []
        found, self._outbox.datagrams = self._outbox.datagrams, []
        return found

    def next_event(self) -> Event | None:
        """Drain one event."""
        return self._outbox.events.popleft() if self._outbox.events else None
