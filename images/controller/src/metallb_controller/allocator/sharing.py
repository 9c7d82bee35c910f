"""Which addresses are held under which sharing key, and the first of them that somebody may share.

For each address its holders' ports and kinds (key and backend) are counted, so that nobody's claims
are gone through to see whether one more may join (`Occupancy`). For each key and backend the
addresses are in a heap, and those that lack a port in another, for each port that has been in the
way before. So a port that all addresses have is found out at once. A heap is brought up to date
when it is looked at: only addresses that may have opened are put into it when something changes.

Limits: a claim of several ports goes through the addresses that lack one of them and have another.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from metallb.api.services import ServicePort
    from metallb.net.addresses import IPAddress
    from metallb_controller.allocator.model import Claim

_Counted = TypeVar("_Counted")

MOST_LISTS = 128
"""So many ports have lists of their own, for one key; the oldest list goes first."""

FEW = 8
"""So many addresses are passed over before the port that is in the way gets a list."""

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
class _List:
    """Addresses that lack a port (None: whatever they have), first ones first.

    Some may have got it meanwhile, or be full, or gone.
    """

    heap: list[tuple[Rank, IPAddress]] = field(default_factory=list)
    queued: set[IPAddress] = field(default_factory=set)

    def add(self, rank: Rank, address: IPAddress) -> None:
        if address not in self.queued:
            self.queued.add(address)
            heapq.heappush(self.heap, (rank, address))

    def pop(self) -> tuple[Rank, IPAddress]:
        rank, address = heapq.heappop(self.heap)
        self.queued.remove(address)
        return rank, address


class SharedAddresses:
    """The addresses of one pool and family that are held under one sharing key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.addresses: dict[IPAddress, tuple[Rank, Occupancy]] = {}
        self._lists: dict[tuple[Backend, ServicePort | None], _List] = {}

    def update(
        self, address: IPAddress, rank: Rank, occupancy: Occupancy, *, may_open: bool = True
    ) -> None:
        """Take in that the holders of an address, one of them under the key, have changed.

        `may_open` false: somebody came, and nothing else happened.
        """
        is_new = address not in self.addresses
        self.addresses[address] = rank, occupancy
        if may_open or is_new:
            for (backend, port), found in self._lists.items():
                if self._lacks(address, backend, port):
                    found.add(rank, address)

    def remove(self, address: IPAddress) -> None:
        """Take in that nobody holds an address under the key."""
        del self.addresses[address]

    def _lacks(self, address: IPAddress, backend: Backend, port: ServicePort | None) -> bool:
        """Tell whether an address is open to somebody with one port, or with none."""
        found = self.addresses.get(address)
        ports: frozenset[ServicePort] = frozenset() if port is None else frozenset((port,))
        return found is not None and found[1].is_open(self._key, Shape(ports, backend))

    def first(
        self, claim: Claim, may_have: Callable[[IPAddress], bool]
    ) -> tuple[Rank, IPAddress] | None:
        """Find the first address that a claim under the key may share, of those it may have."""
        shape = Shape(claim.ports, claim.backend)
        port = self._rarest(shape)
        found = self._list(shape.backend, port)
        aside: list[tuple[Rank, IPAddress]] = []
        in_the_way: Counter[ServicePort] = Counter()
        first = None
        while found.heap and first is None:
            rank, address = found.heap[0]
            if not self._lacks(address, shape.backend, port):
                found.pop()
                continue
            occupancy = self.addresses[address][1]
            if not occupancy.is_open(self._key, shape):
                in_the_way.update(occupancy.ports.keys() & shape.ports)
                aside.append(found.pop())
            elif may_have(address):
                first = rank, address
            else:
                aside.append(found.pop())
        for item in aside:
            found.add(*item)
        self._learn(shape.backend, in_the_way)
        return first

    def _rarest(self, shape: Shape) -> ServicePort | None:
        """Choose the port that the fewest addresses lack, of those that have a list."""
        listed = [port for port in shape.ports if (shape.backend, port) in self._lists]
        if not listed:
            return None
        return min(listed, key=lambda port: (len(self._lists[shape.backend, port].heap), port))

    def _list(self, backend: Backend, port: ServicePort | None) -> _List:
        found = self._lists.get((backend, port))
        if found is None:
            if len(self._lists) == MOST_LISTS:
                del self._lists[next(iter(self._lists))]
            found = self._lists[backend, port] = _List()
            for address, (rank, _) in self.addresses.items():
                if self._lacks(address, backend, port):
                    found.add(rank, address)
        return found

    def _learn(self, backend: Backend, in_the_way: Counter[ServicePort]) -> None:
        """Give a list to a port for which many addresses were passed over."""
        for port, times in in_the_way.most_common(1):
            if times > FEW:
                self._list(backend, port)

    def check_invariants(self) -> None:
        """Compare the lists with the holders; raises AssertionError."""
        for (backend, port), found in self._lists.items():
            lacking = {item for item in self.addresses if self._lacks(item, backend, port)}
            assert lacking <= found.queued, f"{lacking - found.queued} are lost"
            assert found.queued == {address for _, address in found.heap}
