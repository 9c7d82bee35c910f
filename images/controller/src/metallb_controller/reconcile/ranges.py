"""What each class may hand out, when classes (or the ranges of one) overlap.

Classes are taken in the order of their age: the older one keeps a contested address, the younger
one goes without it and is told which, and from whom. Everything else of both stays in use. The
order within a class is that in which the user wrote its ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metallb.net.ranges import AddressRange, RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb.api.classes import MetalLoadBalancerClass, PoolRange


@dataclass(frozen=True, slots=True)
class Overlap:
    """Addresses of a range that belong to another range: of an older class, or of the same one."""

    item: PoolRange
    other_class: str
    other: PoolRange
    addresses: AddressRange

    def __str__(self) -> str:
        return (
            f"{self.item.path}: {self.item.text!r} overlaps with {self.other.text!r} of class "
            f"{self.other_class}, which is older and keeps {self.addresses}"
        )


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """The ranges that a class hands out, in order, and what was taken from it."""

    ranges: tuple[AddressRange, ...]
    conflicts: tuple[Overlap, ...]


def address_spaces(classes: Iterable[MetalLoadBalancerClass]) -> dict[str, AddressSpace]:
    """Part the addresses between the classes."""
    claimed: list[tuple[str, PoolRange]] = []
    taken = RangeSet()
    spaces: dict[str, AddressSpace] = {}
    for owner in sorted(classes, key=lambda item: item.meta.seniority):
        ranges: list[AddressRange] = []
        conflicts: list[Overlap] = []
        for item in owner.ranges if owner.is_layer2 else ():
            wanted = RangeSet((item.range,))
            if wanted.intersection(taken):
                conflicts.extend(_overlaps(owner.name, item, claimed))
            ranges.extend(wanted.subtract(taken))
            taken = taken.union(wanted)
            claimed.append((owner.name, item))
        spaces[owner.name] = AddressSpace(tuple(ranges), tuple(conflicts))
    return spaces


def _overlaps(
    name: str, item: PoolRange, claimed: list[tuple[str, PoolRange]]
) -> Iterable[Overlap]:
    """Find the ranges of other classes that an item overlaps; its own class's do no harm."""
    wanted = RangeSet((item.range,))
    for other_class, other in claimed:
        if other_class == name:
            continue
        for addresses in wanted.intersection(RangeSet((other.range,))):
            yield Overlap(item, other_class, other, addresses)
