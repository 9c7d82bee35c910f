"""The address space of pools: which addresses are whose to give, and which of them are free.

A pool's ranges are cut where its reservations begin and end. Each piece is a `Span`, whose free
addresses belong to one *line* (nothing is reserved) or to one line for each namespace or Service
that it is reserved for. Ranges are cut also where others' use of them begins and ends, as an IPAM
tells it; such a piece is in no line, so nobody gets its addresses. A line knows which of its spans
have free addresses, so finding the first free address looks neither at full spans nor at those of
others.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb.net.addresses import Family, IPAddress
from metallb.net.ranges import AddressRange, address_at
from metallb_controller.allocator.free import FreeNumbers
from metallb_controller.allocator.model import PoolSpace

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from metallb.api.meta import ObjectKey
    from metallb.domain.address_pools import Reservation
    from metallb_controller.allocator.model import ForeignUse

LineKey = tuple[Family, str, str]
"""A family, and for whom: a namespace and a Service's name; both empty: for all."""


@dataclass(slots=True, eq=False)
class Span:
    """A piece of a range, with what of it is free.

    `rank` is its place among its pool's, `size` the number of addresses that it has to give. With
    `foreign` others use it: what is free of it is given to nobody.
    """

    pool: str
    range: AddressRange
    free: FreeNumbers
    rank: int
    size: int
    reservations: tuple[Reservation, ...] = ()
    foreign: ForeignUse | None = None
    places: list[tuple[Line, int]] = field(default_factory=list)

    def take(self, number: int) -> None:
        """Take a free address."""
        self.free.take(number)
        for line, place in self.places:
            line.count -= 1
            if not self.free.count:
                line.with_free.take(place)

    def give(self, number: int) -> None:
        """Give an address back."""
        self.free.give(number)
        for line, place in self.places:
            line.count += 1
            if self.free.count == 1:
                line.with_free.give(place)

    def gives(self, address: IPAddress) -> bool:
        """Tell whether an address of the range is one to give, be it free or not."""
        return not (self.free.avoids_ends and int(address) & 255 in (0, 255))

    @property
    def to_give(self) -> int:
        """How many addresses of it somebody could get."""
        return 0 if self.foreign else self.free.count

    def is_for(self, service: ObjectKey) -> bool:
        """Tell whether a Service may have addresses of it."""
        return not self.reservations or any(item.is_for(service) for item in self.reservations)


class Line:
    """Spans of one family in their order, all for the same; `count` addresses are free."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        self.with_free = FreeNumbers(0, len(spans) - 1)
        self.count = 0
        for place, span in enumerate(spans):
            span.places.append((self, place))
            self.count += span.free.count
            if not span.free.count:
                self.with_free.take(place)

    def first(self, besides: Container[IPAddress] = ()) -> tuple[Span, IPAddress] | None:
        """Find the first free address that is not among some."""
        place = self.with_free.lowest()
        if place is None:
            return None
        span = self.spans[place]
        number = span.free.lowest()
        assert number is not None, f"{span.range} is not among the full ones"
        address = address_at(span.range.family, number)
        return next(self.each(besides), None) if address in besides else (span, address)

    def each(self, besides: Container[IPAddress] = ()) -> Iterator[tuple[Span, IPAddress]]:
        """Find the free addresses in order, but for some; nothing may be taken meanwhile."""
        place = self.with_free.lowest()
        while place is not None:
            span = self.spans[place]
            number = span.free.lowest()
            while number is not None:
                address = address_at(span.range.family, number)
                if address not in besides:
                    yield span, address
                number = span.free.lowest(number + 1)
            place = self.with_free.lowest(place + 1)


class Space:
    """The spans of one pool."""

    def __init__(self, name: str, wanted: PoolSpace) -> None:
        self.wanted = wanted
        self.spans = _spans(name, wanted)
        lines: dict[LineKey, list[Span]] = {}
        for span in self.spans:
            if span.foreign:
                continue
            family = span.range.family
            keys = {(family, item.namespace, item.service): None for item in span.reservations}
            for key in keys or {(family, "", ""): None}:
                lines.setdefault(key, []).append(span)
        self.lines = {key: Line(spans) for key, spans in lines.items()}
        self._open = {
            family: [self.lines[family, "", ""]] if (family, "", "") in self.lines else []
            for family in Family
        }

    def lines_for(self, family: Family, service: ObjectKey | None) -> list[Line]:
        """Give the lines of which a Service may have addresses: what is its own comes first."""
        if service is None or not self.wanted.reservations:
            return self._open[family]
        own = (family, *service), (family, service.namespace, "")
        return [self.lines[key] for key in own if key in self.lines] + self._open[family]

    def of_family(self, family: Family) -> list[Span]:
        """Give the spans of one family."""
        return [span for span in self.spans if span.range.family is family]


def _spans(name: str, wanted: PoolSpace) -> list[Span]:
    spans: list[Span] = []
    foreign = _Foreign(wanted.foreign)
    for whole in wanted.ranges:
        avoids = wanted.avoid_buggy_ips and whole.family is Family.IPV4
        near = [
            item
            for item in wanted.reservations
            if item.range.family is whole.family
            and item.range.first <= whole.last
            and whole.first <= item.range.last
        ]
        cuts = [item.range for item in near]
        cuts += [item.range for item in foreign.within(whole)]
        for piece in _cut(whole, cuts):
            mine = tuple(
                item for item in near if item.range.first <= piece.first <= item.range.last
            )
            free = FreeNumbers(piece.first, piece.last, avoid_ends=avoids)
            others = foreign.at(piece)
            spans.append(Span(name, piece, free, len(spans), free.count, mine, others))
    return spans


class _Foreign:
    """What others use, to be found by address: an IPAM may know of thousands."""

    def __init__(self, uses: Iterable[ForeignUse]) -> None:
        self._uses = sorted(uses, key=lambda item: item.range)
        self._firsts = [(item.range.family, item.range.first) for item in self._uses]

    def at(self, piece: AddressRange) -> ForeignUse | None:
        """Give the use of a piece, which is cut where uses begin and end."""
        return next(iter(self.within(piece)), None)

    def within(self, whole: AddressRange) -> list[ForeignUse]:
        """Give the uses of which some address is in a range."""
        first = max(0, bisect_right(self._firsts, (whole.family, whole.first)) - 1)
        after = bisect_left(self._firsts, (whole.family, whole.last + 1))
        return [
            item
            for item in self._uses[first:after]
            if item.range.family is whole.family and item.range.last >= whole.first
        ]


def _cut(whole: AddressRange, ranges: Iterable[AddressRange]) -> Iterator[AddressRange]:
    """Cut a range where another begins or ends."""
    firsts = {whole.first}
    for item in ranges:
        firsts.update((item.first, item.last + 1))
    inside = sorted(first for first in firsts if whole.first <= first <= whole.last)
    for first, after in zip(inside, [*inside[1:], whole.last + 1], strict=True):
        yield AddressRange(whole.family, first, after - 1)


class SpanIndex:
    """Finds the span that an address is in, of whatever pool."""

    def __init__(self, spaces: Mapping[str, Space] | None = None) -> None:
        self._spans: dict[int, list[Span]] = {4: [], 6: []}
        for space in (spaces or {}).values():
            for span in space.spans:
                self._spans[4 if span.range.family is Family.IPV4 else 6].append(span)
        self._firsts: dict[int, list[int]] = {}
        for version, spans in self._spans.items():
            spans.sort(key=lambda span: span.range.first)
            self._firsts[version] = [span.range.first for span in spans]

    def find(self, address: IPAddress) -> Span | None:
        """Find the span of an address; None: no pool has it."""
        version, number = address.version, int(address)
        index = bisect_right(self._firsts[version], number)
        if not index:
            return None
        span = self._spans[version][index - 1]
        return span if number <= span.range.last else None


NO_SPACE = Space("", PoolSpace())
