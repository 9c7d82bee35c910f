"""The sessions with one peer: one for each path, much like BFD's in asynchronous mode.

As in RFC 5880 §6.8.4 the detection time is the sender's: its interval times its multiplier. A path
is UP while heartbeats come in that *echo our challenge*, which shows that the peer hears us too. A
new challenge is made whenever the peer is down or starts anew, so nothing that was recorded before
can bring it up again. That also lets a peer in whose clock went back with its restart: its
incarnation is lower, but a recording could not echo the newest challenge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from metallb_speaker.liveness.errors import DropReason
from metallb_speaker.liveness.messages import NodeState

if TYPE_CHECKING:
    from metallb_speaker.liveness.messages import Heartbeat
    from metallb_speaker.liveness.paths import Path

_NEVER = float("-inf")


class PathState(Enum):
    """State of one path."""

    DOWN = auto()
    HEARD = auto()
    """They reach us; that we reach them is not shown."""
    UP = auto()


class PathEvent(Enum):
    """What can happen to a path."""

    ECHOED = auto()
    """A heartbeat that echoes our challenge."""
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


@dataclass(slots=True)
class Session:
    """One path: receive side. Times are monotonic seconds."""

    path: Path
    state: PathState = PathState.DOWN
    sequence: int = -1
    heard_at: float = _NEVER
    echoed_at: float = _NEVER
    detection_seconds: float = 0.0

    def deadline(self) -> float | None:
        """When the path goes down unless something is heard."""
        if self.state is PathState.DOWN:
            return None
        since = self.echoed_at if self.state is PathState.UP else self.heard_at
        return since + self.detection_seconds

    def happened(self, event: PathEvent) -> bool:
        """Take an event; tell whether the state changed."""
        before = self.state
        self.state = TRANSITIONS[before, event]
        return self.state is not before

    def heard(self, heartbeat: Heartbeat, now: float, *, is_echo: bool) -> bool:
        """Take a heartbeat; tell whether the state changed."""
        self.sequence = heartbeat.sequence
        self.heard_at = now
        self.detection_seconds = heartbeat.interval_seconds * heartbeat.multiplier
        if is_echo:
            self.echoed_at = now
        return self.happened(PathEvent.ECHOED if is_echo else PathEvent.PLAIN)

    def forgive(self, seconds: float, now: float) -> None:
        """Do not count a time in which we were deaf."""
        self.heard_at = min(now, self.heard_at + seconds)
        self.echoed_at = min(now, self.echoed_at + seconds)


@dataclass(slots=True)
class PeerSessions:
    """All paths to one peer, by its interfaces, and what it said of itself last."""

    challenge: int
    """What a heartbeat has to echo to prove that the peer hears us now."""
    sessions: dict[str, Session] = field(default_factory=dict)
    incarnation: int = 0
    highest: int = 0
    """Of all its incarnations: those up to it may have been recorded."""
    its_challenge: int = 0
    state: NodeState = NodeState.STARTING
    macs: dict[str, bytes] = field(default_factory=dict)
    orders_version: int = 0
    heard_at: float = _NEVER
    """When it was last heard, both ways, on any path."""

    def links_up(self) -> frozenset[str]:
        """Name the peer's interfaces that we reach, and that reach us."""
        return frozenset(name for name, item in self.sessions.items() if item.state is PathState.UP)

    def why_stale(self, heartbeat: Heartbeat, session: Session) -> DropReason | None:
        """Tell whether a heartbeat may be a repetition of an earlier one."""
        if heartbeat.incarnation == self.incarnation:
            is_stale = heartbeat.sequence <= session.sequence
        elif heartbeat.incarnation > self.highest:
            is_stale = False
        else:
            is_stale = heartbeat.echo != self.challenge or bool(self.links_up())
        return DropReason.REPLAYED if is_stale else None

    def restarted(self, heartbeat: Heartbeat) -> None:
        """Begin anew with another run of the peer."""
        self.incarnation = heartbeat.incarnation
        self.highest = max(self.highest, self.incarnation)
        self.state = heartbeat.state
        for session in self.sessions.values():
            session.sequence = -1
            session.happened(PathEvent.RESTARTED)
