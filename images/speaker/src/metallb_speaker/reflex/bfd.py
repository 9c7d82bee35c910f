"""BFD in the reflex process: sockets and one timer around `metallb_speaker.bfd.sessions`.

    policy ──bfd──► order() ──► Sessions ──datagrams──► SendPort, one a session
                                 ▲    ├────echoes─────► EchoWays (IPv4), ReceivePort (IPv6)
                                 │    └────events─────► policy: bfd_state
    ReceivePort, one a port ─────┘

It has a timer and a way out of its own: a hundred sessions at 50 ms are some thousands of
datagrams a second, and none of them concerns ARP, NDP or heartbeats. Sessions stay when policy is
gone. All that has come is read before a session is found silent, so that one who was stalled
himself accuses nobody.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import astuple, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from metallb_speaker.bfd.errors import DropReason
from metallb_speaker.bfd.events import Counts, StateChanged
from metallb_speaker.bfd.iana import ECHO_PORT, MULTIHOP_PORT, TTL, State
from metallb_speaker.bfd.sessions import Arrival, Loop, Sessions
from metallb_speaker.control import BFDStateLine
from metallb_speaker.io.bfd import (
    PortKey,
    ReceivePort,
    SendPort,
    echo_key,
    local_address_of,
    source_of,
    target_of,
    ttl_of,
)
from metallb_speaker.reflex.echo import EchoWays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from metallb_speaker.bfd.config import BFDConfig, Endpoint
    from metallb_speaker.bfd.events import Datagram, Event
    from metallb_speaker.bfd.session import Session
    from metallb_speaker.control import Line
    from metallb_speaker.io.bfd import Ancillary
    from metallb_speaker.io.echo import EchoLink
    from metallb_speaker.reflex.counters import Counters

_NOBODY = IPv4Address(0)
"""Whom an echo comes from that has its own sender's address."""

RETRY_SECONDS = 1.0
"""When a port that could not be opened is tried again."""

LATE_SECONDS = 0.005
"""A timer that is later than this may have let datagrams wait."""

log = logging.getLogger(__name__)


class BFD:
    """The BFD sessions of one node; `say` sends a line to policy, if it is there."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        counters: Counters,
        say: Callable[[Line], None],
    ) -> None:
        self._loop = loop
        self._counters = counters
        self._say = say
        self._sessions = Sessions(jitter=random.random)
        self._receivers: dict[PortKey, ReceivePort] = {}
        self._senders: dict[Endpoint, SendPort] = {}
        self._told: dict[Endpoint, BFDStateLine] = {}
        self._faults: dict[PortKey | Endpoint, str] = {}
        self._echoes = EchoWays(loop, self._on_returned)
        self.quiet = asyncio.Event()
        """Set while there is no session."""
        self.quiet.set()
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None

    # -- policy ------------------------------------------------------------------------------------

    def order(self, configs: list[BFDConfig]) -> None:
        """Take in which sessions there are to be."""
        self._sessions.apply(configs, self._loop.time())
        if configs:
            self.quiet.clear()
        else:
            self.quiet.set()
        for endpoint in [item for item in self._told if self._sessions.get(item) is None]:
            del self._told[endpoint]
        for session in self._sessions:
            if session.config.endpoint not in self._told:
                self._tell(_line_of(session, time.time()))
        self._open_ports()
        self._pump()

    def tell_all(self) -> None:
        """Say again how all sessions are, to a policy that has just come."""
        for line in self._told.values():
            self._say(line.to_line())

    def take_counts(self) -> Iterator[tuple[Endpoint, tuple[int, ...]]]:
        """Drain what was counted; on the way, intervals that are others now are told."""
        for session in self._sessions:
            endpoint = session.config.endpoint
            self._tell(_line_of(session, self._told[endpoint].at))
            yield endpoint, astuple(session.counts)
            session.counts = Counts()

    def _tell(self, line: BFDStateLine) -> None:
        """Say how a session is, if that was not said."""
        if line != self._told.get(line.endpoint):
            self._told[line.endpoint] = line
            self._say(line.to_line())

    # -- life --------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Tell all peers that this is no failure, and close."""
        self._sessions.stop(self._loop.time())
        self._send_all()
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._timer = self._retry = None
        for key in list(self._receivers):
            self._close_receiver(key)
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()
        self._echoes.close()

    def _open_ports(self) -> None:
        """Open and close ports as the sessions want it; what cannot be opened is tried again."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        wanted = {PortKey.of(endpoint) for endpoint in self._sessions.endpoints()}
        wanted |= {
            echo_key(session.config.endpoint)
            for session in self._sessions
            if session.config.is_echo and not session.config.endpoint.is_multihop
        }
        for key in self._receivers.keys() - wanted:
            self._close_receiver(key)
        for key in wanted - self._receivers.keys():
            self._open_receiver(key)
        if wanted - self._receivers.keys():
            self._retry = self._loop.call_later(RETRY_SECONDS, self._open_ports)

    def _open_receiver(self, key: PortKey) -> None:
        try:
            port = ReceivePort(key)
        except OSError as error:
            self._complain(key, str(error))
            return
        self._complain(key, "")
        self._receivers[key] = port
        on_ready = self._on_echoes if key.port == ECHO_PORT else self._on_control
        self._loop.add_reader(port.socket, on_ready, port)

    def _close_receiver(self, key: PortKey) -> None:
        port = self._receivers.pop(key)
        self._loop.remove_reader(port.socket)
        port.close()

    def _complain(self, what: PortKey | Endpoint, fault: str) -> None:
        """Log why something does not work, once for each reason."""
        if fault and self._faults.get(what) != fault:
            log.error("BFD: %s: %s", what, fault)
        elif not fault and what in self._faults:
            log.info("BFD: %s: works", what)
        if fault:
            self._faults[what] = fault
        else:
            self._faults.pop(what, None)

    # -- what comes in -----------------------------------------------------------------------------

    def _on_control(self, port: ReceivePort) -> None:
        if self._read_control(port):
            self._pump()

    def _read_control(self, port: ReceivePort) -> bool:
        """Take what has come; tells whether any of it said something new."""
        now = self._loop.time()
        sessions = self._sessions
        is_new = False
        for data, ancillary, source in port.datagrams():
            ttl = ttl_of(ancillary)
            if sessions.repeats(data, ttl, now):
                continue
            is_new = True
            arrival = _arrival(port.key, ancillary, source, ttl)
            reason = sessions.receive_control(data, arrival, now)
            if reason is not None:
                self._counters.drop_bfd(reason)
        return is_new

    def _on_echoes(self, port: ReceivePort) -> None:
        self._read_echoes(port)
        self._pump()

    def _read_echoes(self, port: ReceivePort) -> None:
        now = self._loop.time()
        for data, ancillary, source in port.datagrams():
            arrival = _arrival(port.key, ancillary, source, ttl_of(ancillary))
            found = self._sessions.receive_echo(data, arrival, now)
            if isinstance(found, Loop):
                if not port.send(found.data, TTL - 1, source, arrival.local_address):
                    self._counters.lost["bfd"] += 1
            elif found is not None:
                self._counters.drop_bfd(found)

    def _on_returned(self, link: EchoLink) -> None:
        """Take echoes that the peer's forwarding plane has sent back."""
        now = self._loop.time()
        for data, ttl in link.echoes():
            arrival = Arrival(_NOBODY, ttl)
            found = self._sessions.receive_echo(data, arrival, now)
            if isinstance(found, DropReason):
                self._counters.drop_bfd(found)
        self._pump()

    def _on_timer(self) -> None:
        assert self._timer is not None
        late_seconds = self._loop.time() - self._timer.when()
        self._counters.timer_fired(late_seconds)
        self._timer = None
        if late_seconds > LATE_SECONDS:
            for port in self._receivers.values():
                if port.key.port == ECHO_PORT:
                    self._read_echoes(port)
                else:
                    self._read_control(port)
        self._sessions.handle_timer(self._loop.time())
        self._pump()

    # -- what goes out -----------------------------------------------------------------------------

    def _pump(self) -> None:
        self._send_all()
        while event := self._sessions.next_event():
            self._on_event(event)
        due_at = self._sessions.get_timer()
        if self._timer is not None:
            if due_at == self._timer.when():
                return
            self._timer.cancel()
        self._timer = None if due_at is None else self._loop.call_at(due_at, self._on_timer)

    def _send_all(self) -> None:
        for datagram in self._sessions.datagrams_to_send():
            if datagram.is_echo:
                is_sent = self._send_echo(datagram)
            else:
                is_sent = self._send_control(datagram)
            if not is_sent:
                self._counters.lost["bfd"] += 1

    def _send_control(self, datagram: Datagram) -> bool:
        endpoint = datagram.endpoint
        sender = self._senders.get(endpoint)
        if sender is None:
            sender = self._senders[endpoint] = SendPort(endpoint, random.random)
        is_sent = sender.send(datagram.data)
        if not is_sent or (self._faults and endpoint in self._faults):
            self._complain(endpoint, sender.fault)
        return is_sent

    def _send_echo(self, datagram: Datagram) -> bool:
        """Send an echo: over IPv4 for the peer to forward, over IPv6 for it to answer."""
        endpoint = datagram.endpoint
        sender = self._senders[endpoint]  # no echo before control packets
        if isinstance(sender.local_address, IPv4Address):
            return self._echoes.send(endpoint, sender.local_address, datagram.data)
        port = self._receivers.get(echo_key(endpoint))
        try:
            target = target_of(endpoint, ECHO_PORT)
        except OSError:
            return False
        return port is not None and port.send(datagram.data, TTL, target, endpoint.local_address)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StateChanged):
            self._on_state(event)
            return
        sender = self._senders.pop(event.endpoint, None)
        if sender is not None:
            sender.close()
        self._faults.pop(event.endpoint, None)
        self._echoes.forget(event.endpoint)
        self._open_ports()

    def _on_state(self, event: StateChanged) -> None:
        """Tell each change, also of a session that has gone on to the next state since."""
        log.log(
            logging.INFO if event.state is State.UP else logging.WARNING,
            "BFD with %s is %s: %s, the peer said %s",
            event.endpoint.peer_address,
            event.state.name,
            event.diagnostic.name,
            event.remote_state.name,
        )
        session = self._sessions.get(event.endpoint)
        if session is None:
            return  # it was taken away, and policy knows
        line = _line_of(session, time.time())
        self._tell(
            replace(
                line,
                state=event.state,
                diagnostic=event.diagnostic,
                remote_state=event.remote_state,
            )
        )


def _line_of(session: Session, at: float) -> BFDStateLine:
    return BFDStateLine(
        endpoint=session.config.endpoint,
        state=session.state,
        diagnostic=session.diagnostic,
        remote_state=session.remote_state,
        at=at,
        transmit_us=session.timing.transmit_us,
        detection_us=session.timing.detection_us,
    )


def _arrival(key: PortKey, ancillary: Ancillary, source: Any, ttl: int) -> Arrival:
    address, interface = source_of(source)
    return Arrival(
        peer_address=address,
        ttl=ttl,
        local_address=local_address_of(ancillary),
        interface=interface,
        vrf=key.vrf,
        is_multihop=key.port == MULTIHOP_PORT,
    )
