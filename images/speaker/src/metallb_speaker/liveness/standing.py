"""What a speaker says of itself, and when it may say more.

    STARTING ──it has listened──► JOINING ──hold-down, or nobody was there──► READY
        ▲                            ▲                                           │
        │                            └──────── it was away: it rejoins ──────────┤
        └───────────────────────────────────── its last link is lost ────────────┘
    LEAVING  from any of them, for good

Listening takes links: without any, a node hears nobody, and that proves nothing about the others.
So one whose cable is plugged in again claims nothing before it has heard who is there.

One that was away, because it has just started, was stalled, or was cut off from most others, comes
back as JOINING: others go on announcing, and it takes nothing from them until `hold_down_seconds`
have passed and the controller has had time to give it its share. If nobody was READY before it
came, nobody can have taken over from it, and it is READY at once: so a whole fleet that starts
together does not wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_speaker.liveness.events import DownReason
from metallb_speaker.liveness.messages import NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_speaker.liveness.events import Member
    from metallb_speaker.liveness.settings import LivenessSettings


class Standing:
    """Our own state, and what it depends on: which peers we lost, which were there before us."""

    def __init__(self, settings: LivenessSettings) -> None:
        self._settings = settings
        self.state = NodeState.STARTING
        self.has_begun = False
        """Whether we speak at all."""
        self._has_links = False
        self._listen_until: float | None = None
        self._ready_at = float("inf")
        self._lost: set[str] = set()
        self._was_unreachable = False
        self._established: set[str] = set()

    def begin(self, now: float) -> None:
        """Begin to speak, and to listen for others."""
        self.has_begun = True
        self._listen(now)

    def set_linked(self, now: float, *, has_links: bool) -> None:
        """Take in whether we have a link at all; without one we begin anew."""
        if has_links is not self._has_links:
            self._has_links = has_links
            if self.state is not NodeState.LEAVING:
                self.state = NodeState.STARTING
                self._listen(now)

    def _listen(self, now: float) -> None:
        can = self.has_begun and self._has_links
        self._listen_until = now + self._settings.startup_seconds if can else None

    def leave(self) -> None:
        """Stop, for good."""
        self.state = NodeState.LEAVING

    def rejoin(self, members: Mapping[str, Member], now: float) -> None:
        """Be careful, as one who was away: whoever is READY may have taken over from us."""
        if self.state is NodeState.READY:
            self._established |= {
                node for node, member in members.items() if member.state is NodeState.READY
            }
            self._join(now)

    def _join(self, now: float) -> None:
        self._ready_at = now + self._settings.hold_down_seconds
        self.state = NodeState.JOINING

    def next_at(self) -> float | None:
        """Tell when `advance` is to be called."""
        if self.state is NodeState.STARTING:
            return self._listen_until
        return self._ready_at if self.state is NodeState.JOINING else None

    def advance(self, members: Mapping[str, Member], now: float) -> None:
        """Take the next turn when it is time."""
        if (
            self.state is NodeState.STARTING
            and self._listen_until is not None
            and self._listen_until <= now
        ):
            self._join(now)
        if self.state is NodeState.JOINING and (
            now >= self._ready_at or not self._has_established(members)
        ):
            self.state = NodeState.READY

    def _has_established(self, members: Mapping[str, Member]) -> bool:
        """Tell whether a peer was READY before we were there: it may have taken over from us."""
        return any(
            member.state is NodeState.READY and node in self._established
            for node, member in members.items()
        )

    # -- peers -------------------------------------------------------------------------------------

    def was_lost(self, node: str) -> bool:
        """Tell whether the run of a peer that is known had fallen silent."""
        return node in self._lost

    def peer_up(self, node: str, members: Mapping[str, Member], speakers: int, now: float) -> None:
        """Take in that a peer is alive; rejoin when it was rather we who were away.

        That is: without a link, or with the smaller part of all `speakers`. After a split in equal
        halves nobody rejoins: both parts have served, and the orders say who goes on.
        """
        if members[node].state is NodeState.READY:
            self._established.add(node)
        if node not in self._lost:
            return
        was_away = self._was_unreachable or 2 * len(self._lost) > speakers
        self._lost.discard(node)
        self._was_unreachable &= bool(self._lost)
        if was_away:
            self.rejoin(members, now)

    def peer_down(self, node: str, reason: DownReason) -> None:
        """Take in that a peer is alive no more."""
        self._established.discard(node)
        if reason in (DownReason.SILENT, DownReason.UNREACHABLE):
            self._lost.add(node)
            self._was_unreachable |= reason is DownReason.UNREACHABLE

    def forget(self, node: str) -> None:
        """Take in that a peer is another run of it, or none any more."""
        self._lost.discard(node)
