"""What each pool may hand out, when pools (or the ranges of one) overlap.

Pools are taken in the order of their age: the older one keeps a contested address, the younger one
goes without it, and both are told which, and who the other is. Everything else of both stays in
use. The order within a pool is that in which the user wrote its ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.net.ranges import AddressRange, RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metallb.api.pool_options import PoolRange
    from metallb.domain.address_pools import AddressPool


@dataclass(frozen=True, slots=True)
class Overlap:
    """Addresses of a range that are also in a range of another pool; `keeps` them: it is older."""

    item: PoolRange
    other_pool: str
    other: PoolRange
    addresses: AddressRange
    keeps: bool = False

    def __str__(self) -> str:
        start = f"{self.item.path}: {self.item.text!r} overlaps with {self.other.text!r} of "
        if self.keeps:
            return f"{start}{self.other_pool}, which is younger and goes without {self.addresses}"
        return f"{start}{self.other_pool}, which is older and keeps {self.addresses}"


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """The ranges that a pool hands out, in order, and where it overlaps with others."""

    ranges: tuple[AddressRange, ...]
    conflicts: tuple[Overlap, ...]


def address_spaces(pools: Iterable[AddressPool]) -> dict[str, AddressSpace]:
    """Part the addresses between the pools."""
    claimed: list[tuple[AddressPool, PoolRange]] = []
    taken = RangeSet()
    ranges: dict[str, list[AddressRange]] = {}
    conflicts: dict[str, list[Overlap]] = {}
    for pool in sorted(pools, key=lambda item: (*item.meta.seniority, item.key)):
        mine = ranges[pool.key] = []
        conflicts[pool.key] = []
        for item in pool.ranges if pool.is_served else ():
            wanted = RangeSet((item.range,))
            if wanted.intersection(taken):
                for other, overlap in _overlaps(pool, item, claimed):
                    conflicts[pool.key].append(overlap)
                    theirs = Overlap(overlap.other, pool.title, item, overlap.addresses, keeps=True)
                    conflicts[other].append(theirs)
            mine.extend(wanted.subtract(taken))
            taken = taken.union(wanted)
            claimed.append((pool, item))
    return {key: AddressSpace(tuple(mine), tuple(conflicts[key])) for key, mine in ranges.items()}


def _overlaps(
    pool: AddressPool, item: PoolRange, claimed: list[tuple[AddressPool, PoolRange]]
) -> Iterator[tuple[str, Overlap]]:
    """Find the ranges of other pools that an item overlaps; its own pool's do no harm."""
    wanted = RangeSet((item.range,))
    for owner, other in claimed:
        if owner.key == pool.key:
            continue
        for addresses in wanted.intersection(RangeSet((other.range,))):
            yield owner.key, Overlap(item, owner.title, other, addresses)
