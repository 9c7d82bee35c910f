"""Ranges of addresses, as pools name them: ``192.168.2.0/24``, ``192.168.2.10-192.168.2.20``, a
lone address.

A prefix names a *network*: its network address and, for IPv4, its broadcast address belong to the
network and are not handed out (RFC 1122 §3.2.1.3; for IPv6 the first address is the Subnet-Router
anycast address, RFC 4291 §2.6.1). Prefixes too short for that, /31 and /32 (RFC 3021), /127 and
/128 (RFC 6164), name their addresses, and so does every range ``a-b``: whoever writes
``192.168.2.0-…`` wants ``192.168.2.0``. Host bits in a prefix are ignored, as MetalLB does. For
MetalLB a prefix names *addresses*, the first and the last among them: `parse_whole_range`.

What is taken beyond MetalLB's syntax: a lone address, spaces around a prefix. What is not, though
MetalLB takes it: a range from IPv4 to IPv6, which would be no address at all.

`RangeSet` is a set of addresses as sorted disjoint intervals of integers: its cost grows with the
number of intervals, never with the number of addresses.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING

from metallb.net.addresses import (
    TEXT_CHARACTERS,
    Family,
    IPAddress,
    family_of,
    parse_address,
    unmapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, order=True)
class AddressRange:
    """Addresses ``first`` to ``last``, both included, of one family, as integers."""

    family: Family
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"range ends before it begins: {self}")

    @property
    def size(self) -> int:
        """Number of addresses, at least 1; a Python int, so it cannot overflow."""
        return self.last - self.first + 1

    def __contains__(self, address: IPAddress) -> bool:
        return family_of(address) is self.family and self.first <= int(address) <= self.last

    def __str__(self) -> str:
        first, last = address_at(self.family, self.first), address_at(self.family, self.last)
        return str(first) if first == last else f"{first}-{last}"


def address_at(family: Family, value: int) -> IPAddress:
    """Make an address from its integer value."""
    return IPv4Address(value) if family is Family.IPV4 else IPv6Address(value)


def parse_range(text: str) -> AddressRange:
    """Read ``a/len``, ``a-b`` or ``a``; spaces around the parts do not matter.

    Raises ValueError, saying what is wrong with which text and what would be right.
    """
    if "/" in text and "-" not in text:
        network = _parse_prefix(text.strip())
        has_network = network.size > 2
        has_broadcast = has_network and network.family is Family.IPV4
        first_usable, last_usable = network.first + has_network, network.last - has_broadcast
        return AddressRange(network.family, first_usable, last_usable)
    if len(text) > TEXT_CHARACTERS:
        raise ValueError(f"{text[:TEXT_CHARACTERS]!r}… is not a range of addresses")
    first_text, dash, last_text = text.partition("-")
    try:
        first = parse_address(first_text)
        last = parse_address(last_text) if dash else first
    except ValueError as error:
        raise ValueError(
            f"{text.strip()!r} is not a range of addresses ({error}); "
            "write 192.0.2.0/24, 192.0.2.10-192.0.2.20 or 192.0.2.10"
        ) from None
    if first.version != last.version:
        raise ValueError(f"{text.strip()!r} goes from {family_of(first)} to {family_of(last)}")
    if int(first) > int(last):
        raise ValueError(f"{text.strip()!r} ends before it begins; did you mean {last}-{first}?")
    return AddressRange(family_of(first), int(first), int(last))


def parse_whole_range(text: str) -> AddressRange:
    """Read a range as MetalLB does: of a prefix every address is meant.

    Raises ValueError as `parse_range` does.
    """
    if "/" in text and "-" not in text:
        return _parse_prefix(text.strip())
    return parse_range(text)


def _parse_prefix(text: str) -> AddressRange:
    address, _, length = text.partition("/")
    try:
        if (
            len(text) > TEXT_CHARACTERS
            or "%" in address
            or not (length.isascii() and length.isdecimal())
        ):
            raise ValueError
        network = ip_network(f"{address}/{int(length)}", strict=False)
    except ValueError:
        raise ValueError(
            f"{text[:TEXT_CHARACTERS]!r} is not a prefix; "
            "write an address, a slash and a length, like 192.0.2.0/24"
        ) from None
    ends: tuple[IPAddress, IPAddress] = (network.network_address, network.broadcast_address)
    first, last = map(unmapped, ends)
    if first.version != last.version:  # shorter than ::ffff:0:0/96: IPv6 after all
        first, last = ends
    return AddressRange(family_of(first), int(first), int(last))


def widest_prefix(addresses: AddressRange) -> int:
    """Length of the shortest prefix among those that a range is the sum of (RFC 4632 §3.1)."""
    bits = 32 if addresses.family is Family.IPV4 else 128
    length = bits + 1 - addresses.size.bit_length()  # no prefix is larger than all of it
    while True:
        size = 1 << (bits - length)
        aligned = -(-addresses.first // size) * size
        if aligned + size - 1 <= addresses.last:
            return length
        length += 1


class RangeSet:
    """An immutable set of addresses of both families."""

    __slots__ = ("_firsts", "_ranges")

    def __init__(self, ranges: Iterable[AddressRange] = ()) -> None:
        merged: list[AddressRange] = []
        for item in sorted(ranges):
            if merged and merged[-1].family is item.family and item.first <= merged[-1].last + 1:
                if item.last > merged[-1].last:
                    merged[-1] = AddressRange(item.family, merged[-1].first, item.last)
            else:
                merged.append(item)
        self._ranges = tuple(merged)
        self._firsts = [(item.family, item.first) for item in merged]

    def __iter__(self) -> Iterator[AddressRange]:
        return iter(self._ranges)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(self._ranges)

    def __repr__(self) -> str:
        return f"RangeSet({', '.join(map(str, self._ranges))})"

    def __contains__(self, address: IPAddress) -> bool:
        index = bisect_right(self._firsts, (family_of(address), int(address))) - 1
        return index >= 0 and address in self._ranges[index]

    def size(self, family: Family | None = None) -> int:
        """Number of addresses, of one family or of both."""
        return sum(item.size for item in self._ranges if family in (None, item.family))

    def union(self, other: RangeSet) -> RangeSet:
        """Addresses in either set."""
        return RangeSet((*self._ranges, *other._ranges))

    def intersection(self, other: RangeSet) -> RangeSet:
        """Addresses in both sets; linear in the number of intervals."""
        found: list[AddressRange] = []
        mine, theirs = iter(self._ranges), iter(other._ranges)
        left, right = next(mine, None), next(theirs, None)
        while left is not None and right is not None:
            if left.family is right.family:
                first, last = max(left.first, right.first), min(left.last, right.last)
                if first <= last:
                    found.append(AddressRange(left.family, first, last))
            if (left.family, left.last) < (right.family, right.last):
                left = next(mine, None)
            else:
                right = next(theirs, None)
        return RangeSet(found)

    def subtract(self, other: RangeSet) -> RangeSet:
        """Addresses in this set and not in the other; linear in the number of intervals."""
        left: list[AddressRange] = []
        holes = iter(self.intersection(other))
        hole = next(holes, None)
        for item in self._ranges:
            first = item.first
            while hole is not None and hole.family is item.family and hole.last <= item.last:
                if hole.first > first:
                    left.append(AddressRange(item.family, first, hole.first - 1))
                first = hole.last + 1
                hole = next(holes, None)
            if first <= item.last:
                left.append(AddressRange(item.family, first, item.last))
        return RangeSet(left)
