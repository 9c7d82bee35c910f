"""All objects of both dialects as they are now: what a new one is judged against.

Kept up to date object by object, so that a judgement does not pay for the number of objects. Ranges
of all pools are in one list, sorted by their first address, with the furthest last address so far
next to each: those that share an address with a range are found by walking back from its end until
nothing before reaches it. The list is put in order when it is first asked for after a change, which
costs little as most of it is in order already.

Advertisements that cover thousands of pools are judged by groups of them
(`metallb.domain.pool_groups`).
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from metallb.domain.pool_groups import PoolGroups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb.api.meta import ObjectKey
    from metallb.api.pool_options import PoolRange
    from metallb.net.addresses import Family
    from metallb.net.ranges import AddressRange


class Overlap(NamedTuple):
    """A range of another object that shares addresses with one."""

    kind: str
    key: ObjectKey
    range: PoolRange


class Everything:
    """The objects, by kind and key, each as its reader gives it."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[ObjectKey, Any]] = {}
        self._ranges: dict[Family, _Ranges] = {}
        self._groups: dict[str, PoolGroups] = {}

    def of(self, kind: str) -> Mapping[ObjectKey, Any]:
        """Give the objects of a kind."""
        return self._kinds.setdefault(kind, {})

    def put(self, kind: str, parsed: Any) -> None:
        """Take in an object that is new, or has changed."""
        key = parsed.meta.key
        self.remove(kind, key)
        self._kinds.setdefault(kind, {})[key] = parsed
        ranges = _ranges_of(parsed)
        for item in ranges:
            self._of_family(item).add(Overlap(kind, key, item))
        if ranges:
            self.groups(kind).put(key, getattr(parsed, "labels", {}), ranges)

    def remove(self, kind: str, key: ObjectKey) -> None:
        """Forget an object, if it is known."""
        before = self._kinds.get(kind, {}).pop(key, None)
        self.groups(kind).remove(key)
        for item in _ranges_of(before):
            self._of_family(item).remove(Overlap(kind, key, item))

    def groups(self, kind: str) -> PoolGroups:
        """Give the pools of a kind in groups; those without ranges are in none."""
        return self._groups.setdefault(kind, PoolGroups())

    def overlapping(self, kind: str, key: ObjectKey, wanted: AddressRange) -> list[Overlap]:
        """Give the ranges of other objects that share addresses with one, by first address."""
        known = self._ranges.get(wanted.family)
        found = [] if known is None else known.overlapping(wanted)
        return [item for item in found if (item.kind, item.key) != (kind, key)]

    def _of_family(self, item: PoolRange) -> _Ranges:
        return self._ranges.setdefault(item.range.family, _Ranges())


class _Ranges:
    """The ranges of one family."""

    def __init__(self) -> None:
        self._items: dict[Overlap, None] = {}
        self._sorted: list[Overlap] | None = None
        self._firsts: list[int] = []
        self._furthest: list[int] = []

    def add(self, item: Overlap) -> None:
        self._items[item] = None
        self._sorted = None

    def remove(self, item: Overlap) -> None:
        del self._items[item]
        self._sorted = None

    def overlapping(self, wanted: AddressRange) -> list[Overlap]:
        ordered = self._order()
        index = bisect_right(self._firsts, wanted.last)
        found: list[Overlap] = []
        while index and self._furthest[index - 1] >= wanted.first:
            index -= 1
            if ordered[index].range.range.last >= wanted.first:
                found.append(ordered[index])
        return found[::-1]

    def _order(self) -> list[Overlap]:
        if self._sorted is None:
            self._sorted = sorted(self._items, key=_place)
            self._items = dict.fromkeys(self._sorted)
            self._firsts = [item.range.range.first for item in self._sorted]
            self._furthest = list(accumulate((i.range.range.last for i in self._sorted), max))
        return self._sorted


def _place(item: Overlap) -> tuple[int, int, str, ObjectKey]:
    return item.range.range.first, item.range.range.last, item.kind, item.key


def _ranges_of(parsed: Any) -> Iterable[PoolRange]:
    return getattr(parsed, "ranges", ())
