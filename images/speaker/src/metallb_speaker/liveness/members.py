"""Who is alive: the core of liveness, for one speaker.

Heartbeats go out on a path to each interface of each peer (`paths`). A peer is alive while any of
its paths is UP (`sessions`); on which of its interfaces it can announce is read from the paths
themselves. What we say of ourselves is in `standing`. Heartbeats are a little closer than the
interval that they state, as RFC 5880 §6.8.7 has it, so that with a multiplier of 3 two may be lost;
and not equally so on all speakers, so that these do not send as one.

A speaker that was stalled itself (suspended, or starved of CPU) has heard nobody meanwhile, and
that proves nothing: the time in which we were deaf is not held against others.

Pure: `now` is monotonic seconds. Feed datagrams before timers, drain events and datagrams after
each call. Limits: no witnesses yet, a peer's silence is judged by each observer alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb_speaker.liveness.errors import DropReason
from metallb_speaker.liveness.events import (
    DownReason,
    Member,
    MemberChanged,
    MemberDown,
    MemberUp,
    SelfChanged,
)
from metallb_speaker.liveness.messages import Heartbeat, NodeState, decode, encode
from metallb_speaker.liveness.paths import find_paths
from metallb_speaker.liveness.sessions import PathEvent, PathState, PeerSessions, Session
from metallb_speaker.liveness.settings import LivenessSettings
from metallb_speaker.liveness.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb_speaker.liveness.events import Event
    from metallb_speaker.liveness.paths import LocalLink, Path, Peer


@dataclass(frozen=True, slots=True)
class Datagram:
    """Bytes to be sent along a path."""

    path: Path
    data: bytes


class Liveness:
    """One speaker's view of all others.

    `incarnation` should grow from run to run of this node's speaker (wall-clock nanoseconds do); if
    it does not, peers know the new run only when they have found the old one silent. `phase` in
    [0, 1), taken by chance, sets when we send.
    """

    def __init__(
        self,
        node: str,
        incarnation: int,
        keys: Sequence[bytes],
        *,
        settings: LivenessSettings | None = None,
        phase: float = 0.0,
    ) -> None:
        self.node = node
        self.incarnation = incarnation
        self.settings = settings or LivenessSettings()
        self._keys = tuple(keys)
        self._phase = phase
        self._period = self.settings.interval_seconds * (0.85 + phase / 10)
        self._peers: dict[str, PeerSessions] = {}
        self._known: dict[str, Peer] = {}
        self._links: tuple[LocalLink, ...] = ()
        self._macs: dict[str, bytes] = {}
        self._orders_version = 0
        self._version_said_at = float("-inf")
        self._challenge = incarnation
        self._sequence = 0
        self._standing = Standing(self.settings)
        self._said = self._standing.state
        self._next_send_at: float | None = None
        self._check_at: float | None = None
        self._members: dict[str, Member] = {}
        self._events: deque[Event] = deque()
        self._outgoing: list[Datagram] = []

    # -- what we are told --------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Begin to speak: peers are known. Does nothing the second time."""
        if not self._standing.has_begun:
            self._standing.begin(now)
            self._send_all()
            self._next_send_at = now + self._period * (0.5 + self._phase / 2)

    def set_keys(self, keys: Sequence[bytes]) -> None:
        """Sign with the first key from now on, and accept any."""
        self._keys = tuple(keys)

    def set_peers(self, peers: Mapping[str, Peer], now: float) -> None:
        """Take in the roll; our own entry in it does not matter."""
        self._known = {node: peer for node, peer in peers.items() if node != self.node}
        self._refresh_paths(DownReason.FORGOTTEN, now)

    def set_links(self, links: Iterable[LocalLink], now: float) -> None:
        """Take in which of our interfaces are up, and their addresses."""
        self._links = tuple(links)
        self._macs = {link.name: link.mac for link in self._links}
        self._standing.set_linked(now, has_links=bool(self._links))
        self._refresh_paths(DownReason.UNREACHABLE, now)
        self._say_standing()

    def set_orders_version(self, version: int, now: float) -> None:
        """Take in how far our orders are; others are told at once, but no more than once each
        interval.
        """
        if version != self._orders_version:
            self._orders_version = version
            if now - self._version_said_at >= self.settings.interval_seconds:
                self._version_said_at = now
                self._send_all()

    def leave(self) -> None:
        """Say that we stop; others take over what we announce."""
        self._standing.leave()
        self._say_standing()

    def _refresh_paths(self, reason: DownReason, now: float) -> None:
        wanted: dict[str, dict[str, Path]] = {}
        for path in find_paths(self._known, self._links):
            wanted.setdefault(path.node, {})[path.peer_link] = path
        for node in [node for node in self._peers if node not in self._known]:
            gone = self._peers.pop(node)
            gone.sessions.clear()
            self._report(node, gone, reason, now)
            self._standing.forget(node)
        for node in self._known:
            peer = self._peers.get(node)
            if peer is None:
                peer = self._peers[node] = PeerSessions(self._new_challenge())
            self._set_paths(peer, wanted.get(node, {}))
            self._report(node, peer, reason, now)

    def _set_paths(self, peer: PeerSessions, paths: Mapping[str, Path]) -> None:
        for name in [name for name in peer.sessions if name not in paths]:
            del peer.sessions[name]
        for name, path in paths.items():
            session = peer.sessions.get(name)
            if session is None:
                session = peer.sessions[name] = Session(path)
                self._send(peer, session)
            session.path = path

    # -- what we see -------------------------------------------------------------------------------

    @property
    def state(self) -> NodeState:
        """What we say of ourselves."""
        return self._standing.state

    def members(self) -> Mapping[str, Member]:
        """Give the living peers."""
        return self._members

    def node_of(self, mac: bytes) -> str | None:
        """Find the peer, living or not, that an interface with this MAC belongs to."""
        for node, peer in self._peers.items():
            if mac in peer.macs.values():
                return node
        return None

    @property
    def orders_version(self) -> int:
        """How far our orders are."""
        return self._orders_version

    def orders_version_of(self, node: str) -> int:
        """Tell how far a peer's orders are, as it said last."""
        peer = self._peers.get(node)
        return 0 if peer is None else peer.orders_version

    # -- datagrams ---------------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, now: float) -> DropReason | None:
        """Take in a datagram; tells why it was dropped, or None."""
        heartbeat = decode(data, self._keys)
        if isinstance(heartbeat, DropReason):
            return heartbeat
        if heartbeat.node == self.node:
            return DropReason.OWN
        peer = self._peers.get(heartbeat.node)
        session = None if peer is None else peer.sessions.get(heartbeat.link)
        if peer is None or session is None:
            return DropReason.UNKNOWN_NODE
        reason = peer.why_stale(heartbeat, session)
        if reason is None:
            self._heard(heartbeat, peer, session, now)
        return reason

    def _heard(
        self, heartbeat: Heartbeat, peer: PeerSessions, session: Session, now: float
    ) -> None:
        is_echo = heartbeat.echo == peer.challenge
        if heartbeat.incarnation != peer.incarnation:
            peer.restarted(heartbeat)
            self._standing.forget(heartbeat.node)
            self._report(heartbeat.node, peer, DownReason.RESTARTED, now)
        peer.its_challenge = heartbeat.challenge
        peer.macs[heartbeat.link] = heartbeat.mac
        peer.orders_version = heartbeat.orders_version
        changed = session.heard(heartbeat, now, is_echo=is_echo)
        if is_echo:
            peer.heard_at = now
        if changed:
            deadline = now + session.detection_seconds
            self._check_at = deadline if self._check_at is None else min(deadline, self._check_at)
            self._send(peer, session)  # an answer at once makes the path UP on both sides sooner
        if changed or peer.state is not heartbeat.state:
            peer.state = heartbeat.state
            self._report(heartbeat.node, peer, DownReason.SILENT, now)

    def datagrams_to_send(self) -> list[Datagram]:
        """Drain what is to be sent."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_event(self) -> Event | None:
        """Drain one event."""
        return self._events.popleft() if self._events else None

    # -- time --------------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """Tell when `handle_timer` is to be called; None: not before something else happens."""
        times = (self._next_send_at, self._standing.next_at(), self._check_at)
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self._forgive(now)
        if self._check_at is not None and self._check_at <= now:
            self._check_paths(now)
        self._standing.advance(self._members, now)
        self._say_standing()
        if self._next_send_at is not None and self._next_send_at <= now:
            self._send_all()
            self._next_send_at = max(self._next_send_at + self._period, now + self._period / 2)

    def _check_paths(self, now: float) -> None:
        """Find the paths that have fallen silent, and when the next one may have.

        Heartbeats only put deadlines off, so it is enough to look when the earliest deadline of
        the last look is due: the cost of a heartbeat does not grow with the number of peers.
        """
        deadlines: list[float] = []
        for node, peer in self._peers.items():
            silent = False
            for session in peer.sessions.values():
                deadline = session.deadline()
                if deadline is not None and deadline <= now:
                    silent |= session.happened(PathEvent.SILENT)
                    deadline = session.deadline()
                if deadline is not None:
                    deadlines.append(deadline)
            if silent:
                self._report(node, peer, DownReason.SILENT, now)
        self._check_at = min(deadlines, default=None)

    def _forgive(self, now: float) -> None:
        """Do not hold the time in which we were stalled ourselves against others."""
        if self._next_send_at is None:
            return
        late = now - self._next_send_at
        if late < self.settings.interval_seconds:
            return
        for peer in self._peers.values():
            for session in peer.sessions.values():
                session.forgive(late, now)
        if late >= self.settings.detection_seconds:
            self._standing.rejoin(self._members, now)

    # -- members -----------------------------------------------------------------------------------

    def _report(self, node: str, peer: PeerSessions, reason: DownReason, now: float) -> None:
        """Compare a peer with what was last said of it, and say what is new."""
        links = peer.links_up()
        before = self._members.get(node)
        if links:
            self._members[node] = Member(peer.state, links)
            if before is None:
                self._report_up(node, now)
            elif before != self._members[node]:
                self._events.append(MemberChanged(node))
        elif before is not None:
            self._report_down(node, peer, reason, now)

    def _report_up(self, node: str, now: float) -> None:
        up = MemberUp(node, self._standing.was_lost(node))
        self._standing.peer_up(node, self._members, len(self._known) + 1, now)
        self._say_standing()
        self._events.append(up)

    def _report_down(self, node: str, peer: PeerSessions, reason: DownReason, now: float) -> None:
        del self._members[node]
        peer.challenge = self._new_challenge()
        self._events.append(MemberDown(node, reason, now - peer.heard_at))
        self._standing.peer_down(node, reason)
        self._standing.advance(self._members, now)
        self._say_standing()

    # -- sending -----------------------------------------------------------------------------------

    def _new_challenge(self) -> int:
        self._challenge += 1
        return self._challenge

    def _say_standing(self) -> None:
        if self._said is not self.state:
            self._said = self.state
            self._events.append(SelfChanged(self.state))
            self._send_all()

    def _send_all(self) -> None:
        for peer in self._peers.values():
            for session in peer.sessions.values():
                self._send(peer, session)

    def _send(self, peer: PeerSessions, session: Session) -> None:
        if not self._standing.has_begun:
            return
        self._sequence += 1
        heartbeat = Heartbeat(
            node=self.node,
            link=session.path.local_link,
            state=self.state,
            incarnation=self.incarnation,
            sequence=self._sequence,
            challenge=peer.challenge,
            echo=0 if session.state is PathState.DOWN else peer.its_challenge,
            interval_seconds=self.settings.interval_seconds,
            multiplier=self.settings.multiplier,
            orders_version=self._orders_version,
            mac=self._macs.get(session.path.local_link, bytes(6)),
        )
        self._outgoing.append(Datagram(session.path, encode(heartbeat, self._keys[0])))
