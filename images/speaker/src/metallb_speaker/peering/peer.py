"""One peer: its session, and a second session while two connections collide.

    Peering ─► Peer ─► Leg ─► Session (pure)
                │       └──► Connection ─► TCP
                └► SessionTask: what connections and timers bring is taken there, in order

What the owner orders is done at once (ADR 0024). Peers share nothing but the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from metallb_speaker.bgp.collision import Contestant, Verdict, decide, replaces_established
from metallb_speaker.bgp.config import needs_reset
from metallb_speaker.bgp.events import (
    Down,
    Malformed,
    NoNextHop,
    OpenReceived,
    StateChanged,
    Up,
)
from metallb_speaker.bgp.fsm import State
from metallb_speaker.bgp.iana import CeaseSubcode
from metallb_speaker.bgp.negotiation import keepalive_seconds
from metallb_speaker.bgp.session import Session
from metallb_speaker.bgp.timers import Timer
from metallb_speaker.peering.config import BfdMode
from metallb_speaker.peering.leg import Leg
from metallb_speaker.peering.repetition import Repetition
from metallb_speaker.peering.session_task import SessionTask
from metallb_speaker.peering.status import PeerStatus

if TYPE_CHECKING:
    import socket
    from ipaddress import IPv4Address, IPv6Address

    from metallb_speaker.bgp.events import Event
    from metallb_speaker.bgp.negotiation import Negotiated
    from metallb_speaker.bgp.rib_out import RibOut
    from metallb_speaker.peering.config import PeerConfig
    from metallb_speaker.peering.connection import Connection
    from metallb_speaker.peering.leg import Surroundings

    Address = IPv4Address | IPv6Address

log = logging.getLogger(__name__)


class Peer:
    """A peer, from `start` to `stop`."""

    def __init__(self, config: PeerConfig, rib: RibOut, around: Surroundings) -> None:
        self.config = config
        self.address = config.address
        """Where it is; of an unnumbered peer, once it was found."""
        self._rib = rib
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._is_restarting = False
        self._is_complete = True
        self._bfd_is_up = False
        self._is_stopped = True
        self._state_since = self._loop.time()
        self._established_count = 0
        self._ends, self._faults = Repetition(), Repetition()
        self._task = SessionTask(config.name)
        self._main = self._leg(is_passive=config.passive)
        self._contender: Leg | None = None

    def _leg(self, *, is_passive: bool) -> Leg:
        session = Session(
            self.config.session,
            jitter=self._around.jitter,
            now=self._loop.time(),
            rib=self._rib,
            encoder=self._around.encoder,
            is_passive=is_passive,
        )
        session.is_restarting = self._is_restarting
        session.outbound.is_complete = self._is_complete
        return Leg(session, self, self._around, self._task)

    # ------------------------------------------------------------ what our owner asks

    @property
    def name(self) -> str:
        """The peer's name."""
        return self.config.name

    @property
    def waits_for_bfd(self) -> bool:
        """In strict mode there is no session before BFD is up."""
        return self.config.bfd is BfdMode.STRICT and not self._bfd_is_up

    def start(self, *, is_restarting: bool, is_complete: bool) -> None:
        """Begin; tells whether this node announced before, and whether all its routes are there."""
        self._is_restarting, self._is_complete = is_restarting, is_complete
        self._main.session.is_restarting = is_restarting
        self._main.session.outbound.is_complete = is_complete
        self._is_stopped = False
        self._task.start()
        self._begin()

    def _begin(self) -> None:
        if self._is_stopped or self.waits_for_bfd:
            return
        if self.address is None and not self.config.passive:
            return  # it is not known yet where it is; it may dial us
        self._main.session.start(self._loop.time())
        self._main.pump()

    def stop(self, subcode: CeaseSubcode, communication: str = "") -> None:
        """End it for good."""
        self._is_stopped = True
        self._end(subcode, communication)
        self._main.retire()
        self._task.end()

    def _end(self, subcode: CeaseSubcode, communication: str = "") -> None:
        now = self._loop.time()
        contender, self._contender = self._contender, None
        if contender is not None:
            contender.session.shutdown(subcode, communication, now)
            contender.pump()
            contender.retire()
        self._main.session.shutdown(subcode, communication, now)
        self._main.pump()

    def vanish(self) -> None:
        """End it as a process that dies does: without a word, so that the peer keeps our routes.

        That is what a graceful restart begins with (RFC 4724 §4); a peer that knows nothing of it
        is told (Cease, Administrative Shutdown).
        """
        negotiated = self._main.session.negotiated
        if negotiated is not None and negotiated.peer_restart is not None:
            self._main.abort()
        self.stop(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN)

    def change(self, config: PeerConfig) -> None:
        """Take other settings: as they are if a running session can, else by a new session."""
        before, self.config = self.config, config
        if before.address != config.address:
            self.address = config.address
        reasons = needs_reset(before.session, config.session) + _socket_reasons(before, config)
        if reasons:
            text = ", ".join(reasons)
            log.info("peer %s: reset, for these have changed: %s", self.name, text)
            self._end(CeaseSubcode.OTHER_CONFIGURATION_CHANGE)
            self._anew()
        else:
            self._take_over(before, config)
        self._begin()

    def _anew(self) -> None:
        self._main.abort()
        self._main.retire()
        self._main = self._leg(is_passive=self.config.passive)

    def _take_over(self, before: PeerConfig, config: PeerConfig) -> None:
        for leg in self._legs():
            leg.session.reconfigure(config.session, self._loop.time())
            leg.pump()
        self._main.session.is_passive = config.passive
        if before.passive != config.passive and not self._main.session.is_connected:
            self._anew()
        if before.password != config.password and self.address is not None:
            for leg in self._legs():
                leg.change_password(self.address)

    def routes_changed(self) -> None:
        """The peer's `RibOut` has changed."""
        self._main.pump()

    def routes_complete(self) -> None:
        """All routes are there: End-of-RIB may be said."""
        self._is_complete = True
        for leg in self._legs():
            leg.session.outbound.is_complete = True
            leg.pump()

    def bfd_up(self) -> None:
        """BFD says that the peer can be reached: do not wait any longer."""
        self._bfd_is_up = True
        if not self._main.session.is_connected:
            self._begin()

    def bfd_down(self) -> None:
        """BFD says that the peer cannot be reached (RFC 5882 §4.2, RFC 9384)."""
        self._bfd_is_up = False
        if self.config.bfd is not BfdMode.OFF:
            self._end(CeaseSubcode.BFD_DOWN)
            if self.waits_for_bfd:
                self._main.session.timers.stop(Timer.IDLE_HOLD)
                self._main.pump()

    def found_at(self, address: Address) -> None:
        """Learn where an unnumbered peer is; one with a session is where it is."""
        if self.address != address and not self._main.session.is_connected:
            log.info("peer %s: found at %s on %s", self.name, address, self.config.interface)
            self.address = address
            self._begin()

    def _legs(self) -> list[Leg]:
        return [self._main] if self._contender is None else [self._main, self._contender]

    # ------------------------------------------------------------ connections

    def accept(self, tcp: socket.socket) -> bool:
        """Take a connection that the peer made; tells whether it is taken."""
        if self._is_stopped or self.waits_for_bfd:
            return False
        session = self._main.session
        if session.state is State.ESTABLISHED and session.negotiated is not None:
            self._replace(session.negotiated)
        if session.accepts and not self._main.is_taking:
            leg = self._main
        elif session.state in (State.IDLE, State.ACTIVE):
            return False
        else:
            leg = self._contend()
        leg.take(tcp)
        return True

    def _replace(self, negotiated: Negotiated) -> None:
        if replaces_established(negotiated):
            self._main.lose("the peer has made a new connection (RFC 4724 §5)")

    def _contend(self) -> Leg:
        """Make a second leg; one that is there already is given up, as the peer has done."""
        if self._contender is not None:
            self._contender.abort()
            self._contender.retire()
        self._contender = self._leg(is_passive=True)
        self._contender.session.start(self._loop.time())
        self._contender.pump()
        return self._contender

    # ------------------------------------------------------------ what a session tells

    def happened(self, leg: Leg, event: Event) -> None:
        """Take word from a session."""
        match event:
            case OpenReceived():
                self._collide()
            case Up(negotiated):
                self._came_up(negotiated)
                self._monitor_up(leg)
            case Down():
                self._went_down(leg, event)
            case StateChanged(before, after):
                log.debug("peer %s: %s to %s", self.name, before.value, after.value)
                if leg is self._main:
                    self._state_since = self._loop.time()
                    self._around.on_change(self.name)
            case NoNextHop(afi):
                log.warning("peer %s: no next hop for %s routes", self.name, afi.name)
            case Malformed():
                self._say(logging.WARNING, self._faults, str(event))

    def sent(self, leg: Leg, data: bytes) -> None:
        """Take in what was written."""
        monitor = self._around.monitor
        if monitor is not None and leg is self._established_leg():
            monitor.sent(self, data)

    def _established_leg(self) -> Leg | None:
        return next((leg for leg in self._legs() if leg.session.state is State.ESTABLISHED), None)

    def established(self) -> tuple[Session, Connection] | None:
        """Give the session and the connection, if it is Established."""
        leg = self._established_leg()
        if leg is None or leg.connection is None:
            return None
        return leg.session, leg.connection

    def _monitor_up(self, leg: Leg) -> None:
        if self._around.monitor is not None and leg is self._established_leg():
            self._around.monitor.came_up(self)

    def _say(self, level: int, repetition: Repetition, text: str, after: str = "") -> None:
        line = repetition.take(text)
        if line is not None:
            log.log(level, "peer %s: %s%s", self.name, line, after)

    def _came_up(self, negotiated: Negotiated) -> None:
        self._established_count += 1
        self._is_restarting = False
        asn, hold = negotiated.peer_asn, negotiated.hold_seconds
        log.info("peer %s: Established with AS %d, hold time %d s", self.name, asn, hold)
        self._collide()

    def _went_down(self, leg: Leg, event: Down) -> None:
        if self._around.monitor is not None:
            self._around.monitor.went_down(self, event)
        retry_at = leg.session.get_timer()
        wait = "" if retry_at is None else f"; next try in {retry_at - self._loop.time():.1f} s"
        self._say(logging.INFO, self._ends, str(event), wait)
        contender = self._contender
        if leg is contender:
            self._contender = None
            leg.retire()
        elif leg is self._main and contender is not None and not self._is_stopped:
            self._promote(contender)

    def _promote(self, contender: Leg) -> None:
        """Go on with the peer's own connection: ours is gone."""
        before, self._main, self._contender = self._main, contender, None
        contender.session.backoff = before.session.backoff
        contender.session.is_passive = self.config.passive
        before.retire()

    def _collide(self) -> None:
        contender = self._contender
        if contender is None:
            return
        session = self.config.session
        verdict = decide(
            _contestant(self._main.session),
            _contestant(contender.session),
            router_id=session.router_id,
            asn=session.shown_asn,
        )
        if verdict is not Verdict.NEITHER:
            loser = self._main if verdict is Verdict.FIRST else contender
            loser.session.collided(self._loop.time())
            loser.pump()

    def status(self) -> PeerStatus:
        """Tell all about it."""
        session = self._main.session
        negotiated, ends = session.negotiated, session.ends
        hold = 0 if negotiated is None else negotiated.hold_seconds
        return PeerStatus(
            name=self.name,
            state=session.state,
            state_since=self._state_since,
            address=self.address,
            local_address=ends.local if ends is not None and session.is_connected else None,
            is_dialled=session.is_dialled,
            negotiated=negotiated,
            keepalive_seconds=keepalive_seconds(hold, self.config.session.keepalive_seconds),
            retry_at=None if session.is_connected else session.get_timer(),
            last_error=None if session.last_down is None else str(session.last_down),
            routes=len(self._rib),
            unsent_routes=self._rib.unsent,
            established_count=self._established_count,
            sent=dict(session.counters.sent),
            received=dict(session.counters.received),
            malformed_updates=session.counters.malformed,
            waits_for_bfd=self.waits_for_bfd,
        )


def _contestant(session: Session) -> Contestant:
    return Contestant(session.state, session.is_dialled, session.negotiated)


def _socket_reasons(before: PeerConfig, after: PeerConfig) -> tuple[str, ...]:
    """Name what changed that a connection cannot take over."""
    names = (
        "address",
        "port",
        "interface",
        "source_address",
        "bind_interface",
        "multihop",
        "ttl_security_hops",
        "tcp_ao",
    )
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    if (before.password is None) != (after.password is None):
        changed.append("password")
    return tuple(changed)
