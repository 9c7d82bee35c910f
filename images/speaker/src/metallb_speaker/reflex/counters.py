"""What the reflex process counts, for policy's metrics; it is told what was added since last time.

Policy adds it up, so that a series goes on when reflex is started again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar

from metallb_speaker.control import LATENESS_BOUNDS_SECONDS, counters_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metallb_speaker.bfd.config import Endpoint
    from metallb_speaker.bfd.errors import DropReason as BFDDropReason
    from metallb_speaker.control import Line
    from metallb_speaker.l2.errors import DropReason as FrameDropReason
    from metallb_speaker.liveness.errors import DropReason as HeartbeatDropReason

_Reason = TypeVar("_Reason", bound=StrEnum)


class Counters:
    """Counts since the last `take_line`; addresses are packed."""

    def __init__(self) -> None:
        self.requests: Counter[bytes] = Counter()
        self.responses: Counter[bytes] = Counter()
        self.gratuitous: Counter[bytes] = Counter()
        self.lost: Counter[str] = Counter()
        """Frames and heartbeats that the kernel would not send."""
        self.heartbeats: Counter[str] = Counter()
        """Heartbeats sent, and received and taken."""
        self._dropped_frames: Counter[FrameDropReason] = Counter()
        self._dropped_heartbeats: Counter[HeartbeatDropReason] = Counter()
        self._dropped_bfd: Counter[BFDDropReason] = Counter()
        self._late_timers = _no_timers()
        self._late_seconds = 0.0

    def drop_frame(self, reason: FrameDropReason) -> None:
        """Count a frame that got no answer."""
        self._dropped_frames[reason] += 1

    def drop_heartbeat(self, reason: HeartbeatDropReason) -> None:
        """Count a heartbeat that was not taken."""
        self._dropped_heartbeats[reason] += 1

    def drop_bfd(self, reason: BFDDropReason) -> None:
        """Count a BFD datagram that was not taken."""
        self._dropped_bfd[reason] += 1

    def timer_fired(self, late_seconds: float) -> None:
        """Count a timer that fired, so much later than it was to."""
        late_seconds = max(0.0, late_seconds)
        self._late_timers[bisect_left(LATENESS_BOUNDS_SECONDS, late_seconds)] += 1
        self._late_seconds += late_seconds

    def take_line(self, bfd: Iterable[tuple[Endpoint, Sequence[int]]] = ()) -> Line:
        """Drain the counts into a line for policy; those of BFD sessions come along."""
        by_address = (self.requests, self.responses, self.gratuitous)
        addresses = {address for found in by_address for address in found}
        line = counters_line(
            lost=dict(self.lost),
            dropped_frames=_by_word(self._dropped_frames),
            dropped_heartbeats=_by_word(self._dropped_heartbeats),
            heartbeats=dict(self.heartbeats),
            late_timers=self._late_timers,
            late_seconds=self._late_seconds,
            dropped_bfd=_by_word(self._dropped_bfd),
            bfd=bfd,
            addresses={
                str(ip_address(address)): [found[address] for found in by_address]
                for address in addresses
            },
        )
        for found in (*by_address, self.lost, self.heartbeats):
            found.clear()
        self._late_timers = _no_timers()
        self._late_seconds = 0.0
        self._dropped_frames.clear()
        self._dropped_heartbeats.clear()
        self._dropped_bfd.clear()
        return line


def _no_timers() -> list[int]:
    return [0] * (len(LATENESS_BOUNDS_SECONDS) + 1)


def _by_word(counts: Mapping[_Reason, int]) -> dict[str, int]:
    return {reason.value: count for reason, count in counts.items()}
