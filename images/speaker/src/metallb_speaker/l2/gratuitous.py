"""When to announce an address that was taken over, and how fast when there are thousands.

Each address gets a `Burst`: a round at once, then repeats, since one that missed the first frame
would go on sending to a dead node. A `Schedule` holds the bursts of one link and paces them: 10 000
addresses of a dead node must not leave in one breath, for switches police broadcast, and full
queues drop exactly the frames that matter. First rounds go before any repeat.

The caller asks `due` at `next_at`, sends what `unasked.announcement` builds for each address, and
comes back. Time is `now`, in seconds of one monotonic clock.

Limits: pacing counts frames of this link only. Adding an address whose first round has been sent
starts a new burst at once (for IPv6 perhaps sooner than RetransTimer after the last round), so it
should be added when it is taken over and not at each sync.
"""

import heapq
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

ARP_ROUNDS_SECONDS: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0)
"""Rounds of an IPv4 address, counted from the first.

One lost frame costs a client 0.1 s, two 0.5 s; the late ones are for a port that is not forwarding
yet (spanning tree, a bond that settles) and for Wi-Fi, which does not acknowledge broadcast. RFC
5227 §1.1 has two, 2 s apart (ANNOUNCE_NUM, ANNOUNCE_INTERVAL), for hosts that take an address which
nobody had before. Upstream sends five, 1.1 s apart.
"""

NA_ROUNDS_SECONDS: Final = (0.0, 1.0, 2.0)
"""Rounds of an IPv6 address: as many and as close as the RFC lets us.

RFC 4861 §7.2.6: "a node MAY send up to MAX_NEIGHBOR_ADVERTISEMENT unsolicited Neighbor
Advertisement messages to the all-nodes multicast address. These advertisements MUST be separated by
at least RetransTimer seconds"; §10: 3 transmissions, 1,000 milliseconds. Clients that miss all find
out by neighbor unreachability detection.
"""

ARP_FRAMES_PER_ROUND: Final = 2
NA_FRAMES_PER_ROUND: Final = 1

FRAMES_PER_SECOND: Final = 20_000
"""13 Mbit/s of 84-octet slots, 1.3 % of a gigabit port: 10 000 IPv4 addresses are out in 1 s."""

BURST_FRAMES: Final = 200
"""What may leave at once after a rest: 100 IPv4 addresses, less than a NIC's 256 descriptors."""

_BURST_SECONDS: Final = BURST_FRAMES / FRAMES_PER_SECOND
_IPV4_LENGTH: Final = 4
_STALE_ITEMS_MIN: Final = 64

_FIRST: Final = 0
_REPEAT: Final = 1


def _gaps(rounds_seconds: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(after - before for before, after in pairwise(rounds_seconds))


_ARP_GAPS_SECONDS: Final = _gaps(ARP_ROUNDS_SECONDS)
_NA_GAPS_SECONDS: Final = _gaps(NA_ROUNDS_SECONDS)


@dataclass(slots=True, eq=False)
class Burst:
    """The rounds of one address. Gaps count from the round that was sent, however late it was."""

    address: bytes
    rounds_sent: int = 0

    @property
    def frame_count(self) -> int:
        """How many frames one round sends."""
        is_ipv4 = len(self.address) == _IPV4_LENGTH
        return ARP_FRAMES_PER_ROUND if is_ipv4 else NA_FRAMES_PER_ROUND

    def advance(self, now: float) -> float | None:
        """Count a round as sent; give the time of the next, None after the last."""
        is_ipv4 = len(self.address) == _IPV4_LENGTH
        gaps = _ARP_GAPS_SECONDS if is_ipv4 else _NA_GAPS_SECONDS
        self.rounds_sent += 1
        return now + gaps[self.rounds_sent - 1] if self.rounds_sent <= len(gaps) else None


class Schedule:
    """The bursts of one link.

    A heap of (first or repeat, time, order of entry, burst). An item whose burst is not, or no
    longer, the one of its address is stale and skipped when it comes up. The pace is the generic
    cell rate algorithm (ITU-T I.371): one number, the time at which all that was sent so far would
    have left at the even rate; we may run ahead of it by a burst.
    """

    def __init__(self) -> None:
        self._bursts: dict[bytes, Burst] = {}
        self._heap: list[tuple[int, float, int, Burst]] = []
        self._entry_count = 0
        self._paced_at = float("-inf")

    def __len__(self) -> int:
        """How many addresses have rounds to come."""
        return len(self._bursts)

    def add(self, address: bytes, now: float) -> None:
        """Announce an address from now on; one that waits for its first round keeps its place."""
        burst = self._bursts.get(address)
        if burst is None or burst.rounds_sent:
            burst = self._bursts[address] = Burst(address)
            self._push(_FIRST, now, burst)

    def cancel(self, address: bytes) -> None:
        """Say nothing more about an address; unknown ones are no matter."""
        self._bursts.pop(address, None)

    def due(self, now: float, limit: int) -> list[bytes]:
        """Addresses to announce now, at most `limit`, as far as the pace allows."""
        addresses: list[bytes] = []
        while len(addresses) < limit and self._is_due(now):
            *_, burst = heapq.heappop(self._heap)
            addresses.append(burst.address)
            self._paced_at = max(self._paced_at, now) + burst.frame_count / FRAMES_PER_SECOND
            next_round_at = burst.advance(now)
            if next_round_at is None:
                del self._bursts[burst.address]
            else:
                self._push(_REPEAT, next_round_at, burst)
        return addresses

    def next_at(self) -> float | None:
        """When to ask `due`; None: nothing to wait for.

        Out of budget it waits for half a burst, so that the caller wakes 200 times a second and
        not for each frame.
        """
        self._drop_stale()
        if not self._heap:
            return None
        _, at, *_ = self._heap[0]
        if at < self._paced_at - _BURST_SECONDS:
            return self._paced_at - _BURST_SECONDS / 2
        return at

    def _is_due(self, now: float) -> bool:
        self._drop_stale()
        return bool(self._heap) and self._heap[0][1] <= now >= self._paced_at - _BURST_SECONDS

    def _push(self, rank: int, at: float, burst: Burst) -> None:
        self._entry_count += 1
        heapq.heappush(self._heap, (rank, at, self._entry_count, burst))

    def _drop_stale(self) -> None:
        """Bring a live item to the top; rebuild the heap when most of it is stale."""
        if len(self._heap) > 2 * len(self._bursts) + _STALE_ITEMS_MIN:
            self._heap = [item for item in self._heap if self._is_live(item[-1])]
            heapq.heapify(self._heap)
        while self._heap and not self._is_live(self._heap[0][-1]):
            heapq.heappop(self._heap)

    def _is_live(self, burst: Burst) -> bool:
        return self._bursts.get(burst.address) is burst
