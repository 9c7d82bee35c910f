"""Who is alive: the core of liveness, for one speaker.

Each path to a peer's interface is a small session, much like BFD's in asynchronous mode (RFC 5880
§6.8.4): heartbeats go out at our interval, and a path is UP while heartbeats that *echo our
incarnation* come in, at most `multiplier` of the sender's intervals apart. A peer is alive while
any of its paths is UP; on which of its interfaces it can announce is read from the paths
themselves.

What a speaker says of itself is part of it. One that was away, because it has just started, was
stalled, or was cut off from most others, comes back as JOINING: others go on announcing, and it
takes nothing from them until `hold_down_seconds` have passed and the controller has had time to
give it its share. If nobody is READY, waiting helps nobody, and it is READY at once.

A speaker that was stalled itself (suspended, or starved of CPU) has heard nobody meanwhile, and
that proves nothing: the time in which we were deaf is not held against others.

Pure: `now` is monotonic seconds. Feed datagrams before timers, drain events and datagrams after
each call. Limits: no witnesses yet, a peer's silence is judged by each observer alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING

from metallb_speaker.liveness.errors import DropReason
from metallb_speaker.liveness.messages import Heartbeat, NodeState, decode, encode
from metallb_speaker.liveness.paths import LocalLink, Path, Peer, find_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class PathState(Enum):
    """State of one path."""

    DOWN = auto()
    HEARD = auto()
    """They reach us; that we reach them is not shown."""
    UP = auto()


class PathEvent(Enum):
    """What can happen to a path."""

    ECHOED = auto()
    """A heartbeat that echoes our incarnation."""
    PLAIN = auto()
    """A heartbeat that does not."""
    SILENT = auto()
    """The detection time has passed."""
    RESTARTED = auto()
    """The peer has a new incarnation."""


TRANSITIONS: dict[tuple[PathState, PathEvent], PathState] = {
    (PathState.DOWN, PathEvent.ECHOED): PathState.UP,
    (PathState.DOWN, PathEvent.PLAIN): PathState.HEARD,
    (PathState.DOWN, PathEvent.SILENT): PathState.DOWN,
    (PathState.DOWN, PathEvent.RESTARTED): PathState.DOWN,
    (PathState.HEARD, PathEvent.ECHOED): PathState.UP,
    (PathState.HEARD, PathEvent.PLAIN): PathState.HEARD,
    (PathState.HEARD, PathEvent.SILENT): PathState.DOWN,
    (PathState.HEARD, PathEvent.RESTARTED): PathState.DOWN,
    (PathState.UP, PathEvent.ECHOED): PathState.UP,
    (PathState.UP, PathEvent.PLAIN): PathState.UP,  # its time runs on from the last echo
    (PathState.UP, PathEvent.SILENT): PathState.DOWN,
    (PathState.UP, PathEvent.RESTARTED): PathState.DOWN,
}


class DownReason(StrEnum):
    """Why a peer is alive no more."""

    SILENT = "Silent"
    RESTARTED = "Restarted"
    UNREACHABLE = "Unreachable"
    """No link of ours that is up leads to it."""
    FORGOTTEN = "Forgotten"
    """It is not in the roll any more."""


@dataclass(frozen=True, slots=True)
class MemberUp:
    """A peer is alive; `was_lost` tells that it is the run of it which had fallen silent."""

    node: str
    was_lost: bool = False


@dataclass(frozen=True, slots=True)
class MemberDown:
    """A peer is alive no more; `silent_seconds` is how long ago it was last heard."""

    node: str
    reason: DownReason
    silent_seconds: float


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A living peer says something else of itself, or can be reached on other interfaces."""

    node: str


@dataclass(frozen=True, slots=True)
class SelfChanged:
    """We say something else of ourselves."""

    state: NodeState


Event = MemberUp | MemberDown | MemberChanged | SelfChanged


@dataclass(frozen=True, slots=True)
class Member:
    """A living peer: what it says of itself, and its interfaces that we reach."""

    state: NodeState
    links: frozenset[str]


@dataclass(frozen=True, slots=True)
class Datagram:
    """Bytes to be sent along a path."""

    path: Path
    data: bytes


@dataclass(frozen=True, slots=True)
class LivenessSettings:
    """How liveness works; times in seconds."""

    interval_seconds: float = 0.05
    multiplier: int = 3
    startup_seconds: float = 0.3
    """How long a new speaker listens before it may announce: twice the detection time."""
    hold_down_seconds: float = 2.0
    """How long one that is back takes nothing from others: the controller decides meanwhile."""

    @property
    def detection_seconds(self) -> float:
        """How long we may be silent before others take us for dead."""
        return self.interval_seconds * self.multiplier


@dataclass(slots=True)
class _Session:
    """One path: receive side. Times are monotonic seconds."""

    path: Path
    state: PathState = PathState.DOWN
    sequence: int = -1
    heard_at: float = float("-inf")
    echoed_at: float = float("-inf")
    detection_seconds: float = 0.0

    def deadline(self) -> float | None:
        """When the path goes down unless something is heard."""
        match self.state:
            case PathState.DOWN:
                return None
            case PathState.HEARD:
                return self.heard_at + self.detection_seconds
            case PathState.UP:
                return self.echoed_at + self.detection_seconds

    def happened(self, event: PathEvent) -> bool:
        """Take an event; tell whether the state changed."""
        before = self.state
        self.state = TRANSITIONS[before, event]
        return self.state is not before


@dataclass(slots=True)
class _Peer:
    sessions: dict[str, _Session] = field(default_factory=dict)
    incarnation: int = 0
    state: NodeState = NodeState.STARTING
    macs: dict[str, bytes] = field(default_factory=dict)

    def links_up(self) -> frozenset[str]:
        return frozenset(name for name, item in self.sessions.items() if item.state is PathState.UP)

    def last_heard_at(self) -> float:
        return max((item.echoed_at for item in self.sessions.values()), default=float("-inf"))


class Liveness:
    """One speaker's view of all others.

    `incarnation` must grow from run to run of this node's speaker (wall-clock nanoseconds do).
    `phase` in [0, 1) sets when in the interval we send, so that speakers do not send as one.
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
        self.state = NodeState.STARTING
        self._keys = tuple(keys)
        self._phase = phase
        self._peers: dict[str, _Peer] = {}
        self._known: dict[str, Peer] = {}
        self._links: tuple[LocalLink, ...] = ()
        self._macs: dict[str, bytes] = {}
        self._sequence = 0
        self._listen_until: float | None = None
        self._ready_at = float("inf")
        self._next_send_at: float | None = None
        self._lost: set[str] = set()
        self._members: dict[str, Member] = {}
        self._events: deque[Event] = deque()
        self._outgoing: list[Datagram] = []

    # -- what we are told --------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Begin to speak: peers are known. Does nothing the second time."""
        if self._listen_until is None:
            self._listen_until = now + self.settings.startup_seconds
            self._send_all()
            self._next_send_at = now + self.settings.interval_seconds * (0.5 + self._phase / 2)

    def set_keys(self, keys: Sequence[bytes]) -> None:
        """Sign with the first key from now on, and accept any."""
        self._keys = tuple(keys)

    def set_peers(self, peers: Mapping[str, Peer], now: float) -> None:
        """Take in the roll; our own entry in it does not matter."""
        self._known = {node: peer for node, peer in peers.items() if node != self.node}
        self._refresh_paths(now)

    def set_links(self, links: Iterable[LocalLink], now: float) -> None:
        """Take in which of our interfaces are up, and their addresses."""
        self._links = tuple(links)
        self._macs = {link.name: link.mac for link in self._links}
        self._refresh_paths(now)

    def leave(self, now: float) -> None:
        """Say that we stop; others take over what we announce."""
        self._become(NodeState.LEAVING)

    def _refresh_paths(self, now: float) -> None:
        wanted: dict[str, dict[str, Path]] = {}
        for path in find_paths(self._known, self._links):
            wanted.setdefault(path.node, {})[path.peer_link] = path
        for node in [node for node in self._peers if node not in self._known]:
            peer = self._peers.pop(node)
            self._lost.discard(node)
            self._report(node, peer, DownReason.FORGOTTEN, now, is_gone=True)
        for node in self._known:
            paths = wanted.get(node, {})
            peer = self._peers.setdefault(node, _Peer())
            for name in [name for name in peer.sessions if name not in paths]:
                del peer.sessions[name]
            for name, path in paths.items():
                session = peer.sessions.get(name)
                if session is None:
                    session = peer.sessions[name] = _Session(path)
                    self._send(peer, session)
                session.path = path
            self._report(node, peer, DownReason.UNREACHABLE, now)

    # -- what we see -------------------------------------------------------------------------------

    def members(self) -> Mapping[str, Member]:
        """Give the living peers."""
        return self._members

    def last_heard_at(self, node: str) -> float | None:
        """Tell when a known peer was last heard, both ways."""
        peer = self._peers.get(node)
        return None if peer is None else peer.last_heard_at()

    def node_of(self, mac: bytes) -> str | None:
        """Find the peer, living or not, that an interface with this MAC belongs to."""
        for node, peer in self._peers.items():
            if mac in peer.macs.values():
                return node
        return None

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
        if heartbeat.incarnation < peer.incarnation:
            return DropReason.REPLAYED
        if heartbeat.incarnation > peer.incarnation:
            self._restarted(heartbeat, peer, now)
        elif heartbeat.sequence <= session.sequence:
            return DropReason.REPLAYED
        self._heard(heartbeat, peer, session, now)
        return None

    def _restarted(self, heartbeat: Heartbeat, peer: _Peer, now: float) -> None:
        peer.incarnation = heartbeat.incarnation
        self._lost.discard(heartbeat.node)
        peer.state = heartbeat.state
        for session in peer.sessions.values():
            session.sequence = -1
            session.happened(PathEvent.RESTARTED)
        self._report(heartbeat.node, peer, DownReason.RESTARTED, now)

    def _heard(self, heartbeat: Heartbeat, peer: _Peer, session: _Session, now: float) -> None:
        session.sequence = heartbeat.sequence
        peer.macs[heartbeat.link] = heartbeat.mac
        session.heard_at = now
        session.detection_seconds = heartbeat.interval_seconds * heartbeat.multiplier
        is_echo = heartbeat.your_incarnation == self.incarnation
        if is_echo:
            session.echoed_at = now
        changed = session.happened(PathEvent.ECHOED if is_echo else PathEvent.PLAIN)
        if changed:
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
        times = [
            deadline
            for peer in self._peers.values()
            for session in peer.sessions.values()
            if (deadline := session.deadline()) is not None
        ]
        times += [time for time in (self._next_send_at, self._next_turn_at()) if time is not None]
        return min(times, default=None)

    def _next_turn_at(self) -> float | None:
        if self.state is NodeState.STARTING:
            return self._listen_until
        return self._ready_at if self.state is NodeState.JOINING else None

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self._forgive(now)
        for node, peer in list(self._peers.items()):
            silent = False
            for session in peer.sessions.values():
                deadline = session.deadline()
                if deadline is not None and deadline <= now:
                    silent |= session.happened(PathEvent.SILENT)
            if silent:
                self._report(node, peer, DownReason.SILENT, now)
        self._advance(now)
        if self._next_send_at is not None and self._next_send_at <= now:
            self._send_all()
            interval = self.settings.interval_seconds
            self._next_send_at = max(self._next_send_at + interval, now + interval / 2)

    def _forgive(self, now: float) -> None:
        """Do not hold the time in which we were stalled ourselves against others."""
        if self._next_send_at is None:
            return
        late = now - self._next_send_at
        if late < self.settings.interval_seconds:
            return
        for peer in self._peers.values():
            for session in peer.sessions.values():
                session.heard_at = min(now, session.heard_at + late)
                session.echoed_at = min(now, session.echoed_at + late)
        if late >= self.settings.detection_seconds and self.state is NodeState.READY:
            self._rejoin(now)

    def _advance(self, now: float) -> None:
        """Take the next turn from STARTING to READY when it is time."""
        if self.state is NodeState.STARTING and self._is_past(self._listen_until, now):
            self._rejoin(now)
        if self.state is NodeState.JOINING and (
            now >= self._ready_at or not self._has_ready_peer()
        ):
            self._become(NodeState.READY)

    @staticmethod
    def _is_past(at: float | None, now: float) -> bool:
        return at is not None and at <= now

    def _has_ready_peer(self) -> bool:
        return any(member.state is NodeState.READY for member in self._members.values())

    def _rejoin(self, now: float) -> None:
        self._ready_at = now + self.settings.hold_down_seconds
        self._become(NodeState.JOINING)

    def _become(self, state: NodeState) -> None:
        if self.state is not state and self.state is not NodeState.LEAVING:
            self.state = state
            self._events.append(SelfChanged(state))
            self._send_all()

    # -- members -----------------------------------------------------------------------------------

    def _report(
        self, node: str, peer: _Peer, reason: DownReason, now: float, *, is_gone: bool = False
    ) -> None:
        """Compare a peer with what was last said of it, and say what is new."""
        links = frozenset[str]() if is_gone else peer.links_up()
        before = self._members.get(node)
        if not links:
            if before is not None:
                del self._members[node]
                self._events.append(MemberDown(node, reason, now - peer.last_heard_at()))
                if reason in (DownReason.SILENT, DownReason.UNREACHABLE):
                    self._lost.add(node)
                self._advance(now)
            return
        self._members[node] = Member(peer.state, links)
        if before is None:
            self._events.append(MemberUp(node, node in self._lost))
            self._found_again(node, now)
        elif before != self._members[node]:
            self._events.append(MemberChanged(node))

    def _found_again(self, node: str, now: float) -> None:
        """Rejoin when we had lost most of the others: it was rather we who were away."""
        if node in self._lost:
            was_isolated = 2 * len(self._lost) > len(self._known)
            self._lost.discard(node)
            if was_isolated and self.state is NodeState.READY:
                self._rejoin(now)

    # -- sending -----------------------------------------------------------------------------------

    def _send_all(self) -> None:
        for peer in self._peers.values():
            for session in peer.sessions.values():
                self._send(peer, session)

    def _send(self, peer: _Peer, session: _Session) -> None:
        if self._listen_until is None:
            return
        self._sequence += 1
        heard = session.state is not PathState.DOWN
        heartbeat = Heartbeat(
            node=self.node,
            link=session.path.local_link,
            state=self.state,
            incarnation=self.incarnation,
            sequence=self._sequence,
            your_incarnation=peer.incarnation if heard else 0,
            interval_seconds=self.settings.interval_seconds,
            multiplier=self.settings.multiplier,
            mac=self._macs.get(session.path.local_link, bytes(6)),
        )
        self._outgoing.append(Datagram(session.path, encode(heartbeat, self._keys[0])))
