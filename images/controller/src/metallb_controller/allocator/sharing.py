"""Which addresses are held under which sharing key, and the first of them that somebody may share.

For each address its holders' ports and kinds (key and backend) are counted, so that nobody's claims
are gone through to see whether one more may join (`Occupancy`). For each key, and each *shape* of
claim that has asked (ports and backend), the addresses that are open to it are kept as a heap, so
that asking again does not look at those that are closed to it. A shape that has not asked for long
is forgotten, and costs one look at all addresses of the key when it asks again.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.api.services import ServicePort
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.model import Claim

_Counted = TypeVar("_Counted")

MOST_SHAPES = 16
"""So many shapes of claim are kept for one key."""

Rank = tuple[int, int]
"""Place of an address among its pool's: that of its range, and the number."""

OUTSIDE_RANK = 2**31
"""Instead of the place of a range, for an address that none of the pool's has (any more)."""

Backend = tuple[tuple[str, str], ...] | None


class Shape(NamedTuple):
    """All of a claim under a key that decides which addresses it may share."""

    ports: frozenset[ServicePort]
    backend: Backend


@dataclass(slots=True)
class Occupancy:
    """Who holds an address, counted."""

    most_holders: int
    holders: int = 0
    kinds: dict[tuple[str, Backend], int] = field(default_factory=dict)
    ports: dict[ServicePort, int] = field(default_factory=dict)

    def add(self, claim: Claim) -> None:
        """Count a holder."""
        self.holders += 1
        kind = claim.sharing_key, claim.backend
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        for port in claim.ports:
            self.ports[port] = self.ports.get(port, 0) + 1

    def remove(self, claim: Claim) -> None:
        """Count a holder no more."""
        self.holders -= 1
        _count_down(self.kinds, (claim.sharing_key, claim.backend))
        for port in claim.ports:
            _count_down(self.ports, port)

    def is_open(self, key: str, shape: Shape) -> bool:
        """Tell whether somebody who does not hold the address yet may share it under a key."""
        return (
            self.holders < self.most_holders
            and self.kinds.get((key, shape.backend)) == self.holders
            and self.ports.keys().isdisjoint(shape.ports)
        )


def _count_down(counts: dict[_Counted, int], item: _Counted) -> None:
    counts[item] -= 1
    if not counts[item]:
        del counts[item]


@dataclass(slots=True)
class _Open:
    """Addresses that are open to one shape, in order; what is closed again stays queued."""

    heap: list[tuple[Rank, IPAddress]] = field(default_factory=list)
    queued: set[IPAddress] = field(default_factory=set)
    members: set[IPAddress] = field(default_factory=set)

    def add(self, rank: Rank, address: IPAddress) -> None:
        self.members.add(address)
        if address not in self.queued:
            self.queued.add(address)
            heapq.heappush(self.heap, (rank, address))

    def first(self, may_have: Callable[[IPAddress], bool]) -> tuple[Rank, IPAddress] | None:
        aside: list[tuple[Rank, IPAddress]] = []
        found = None
        while self.heap and found is None:
            rank, address = self.heap[0]
            if address not in self.members:
                heapq.heappop(self.heap)
                self.queued.remove(address)
            elif may_have(address):
                found = rank, address
            else:
                aside.append(heapq.heappop(self.heap))
        for item in aside:
            heapq.heappush(self.heap, item)
        return found


class SharedAddresses:
    """The addresses of one pool and family that are held under one sharing key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.addresses: dict[IPAddress, tuple[Rank, Occupancy]] = {}
        self._shapes: dict[Shape, _Open] = {}

    def update(self, address: IPAddress, rank: Rank, occupancy: Occupancy) -> None:
        """Take in that the holders of an address, one of them under the key, have changed."""
        self.addresses[address] = rank, occupancy
        for shape, found in self._shapes.items():
            self._sort_in(shape, found, address)

    def remove(self, address: IPAddress) -> None:
        """Take in that nobody holds an address under the key."""
        del self.addresses[address]
        for found in self._shapes.values():
            found.members.discard(address)

    def _sort_in(self, shape: Shape, found: _Open, address: IPAddress) -> None:
        rank, occupancy = self.addresses[address]
        if occupancy.is_open(self._key, shape):
            found.add(rank, address)
        else:
            found.members.discard(address)

    def first(
        self, claim: Claim, may_have: Callable[[IPAddress], bool]
    ) -> tuple[Rank, IPAddress] | None:
        """Find the first address that a claim under the key may share, of those it may have."""
        shape = Shape(claim.ports, claim.backend)
        found = self._shapes.pop(shape, None)
        if found is None:
            found = _Open()
            for address in self.addresses:
                self._sort_in(shape, found, address)
            if len(self._shapes) == MOST_SHAPES:
                del self._shapes[next(iter(self._shapes))]
        self._shapes[shape] = found
        return found.first(may_have)

    def check_invariants(self) -> None:
        """Compare what is kept for shapes with the holders; raises AssertionError."""
        for shape, found in self._shapes.items():
            is_open = {
                address
                for address, (_, occupancy) in self.addresses.items()
                if occupancy.is_open(self._key, shape)
            }
            assert found.members == is_open, f"{found.members ^ is_open} are kept wrongly"
            assert found.members <= found.queued, f"{found.members - found.queued} are lost"
            assert found.queued == {address for _, address in found.heap}
