"""Pools of a kind, by their labels and families: what holds for one of a group holds for all.

An advertisement covers thousands of pools by a selector, or all of them. Whether it does, and
whether it meets another one there, is asked once for each group, and there are few: most pools have
no label, or one of a few sets. With each pool is kept how long prefixes must be that fit into its
ranges, and with each group the longest of these.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from metallb.net.addresses import Family
from metallb.net.ranges import widest_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metallb.api.advertisements import PoolChoice
    from metallb.api.meta import ObjectKey
    from metallb.api.pool_options import PoolRange

Lengths = tuple[int, int]
"""Of prefixes of IPv4 and of IPv6."""
Families = frozenset[Family]


class PoolGroup:
    """Pools with the same labels, and with ranges of the same families."""

    def __init__(self, labels: Mapping[str, str], families: Families) -> None:
        self.labels = labels
        self.families = families
        self.least: dict[ObjectKey, Lengths] = {}
        """How long prefixes must be to fit into each range of a pool, by the pool's key."""
        self._longest: Lengths | None = None

    def put(self, key: ObjectKey, least: Lengths) -> None:
        """Take in a pool."""
        self.least[key] = least
        self._longest = None

    def remove(self, key: ObjectKey) -> None:
        """Forget a pool."""
        del self.least[key]
        self._longest = None

    @property
    def longest(self) -> Lengths:
        """How long prefixes must be to fit into each range of all pools."""
        if self._longest is None:
            self._longest = (
                max(four for four, _ in self.least.values()),
                max(six for _, six in self.least.values()),
            )
        return self._longest

    def too_narrow(self, lengths: Lengths) -> Iterator[ObjectKey]:
        """Give the pools into which prefixes of these lengths do not fit."""
        if not _fits(lengths, self.longest):
            yield from (key for key, least in self.least.items() if not _fits(lengths, least))


def _fits(lengths: Lengths, least: Lengths) -> bool:
    return lengths[0] >= least[0] and lengths[1] >= least[1]


class PoolGroups:
    """All pools of a kind."""

    def __init__(self) -> None:
        self._groups: dict[Families, dict[frozenset[tuple[str, str]], PoolGroup]] = {}
        self._of: dict[ObjectKey, PoolGroup] = {}

    @property
    def families(self) -> list[Families]:
        """Give the sets of families that pools have ranges of."""
        return list(self._groups)

    def put(self, key: ObjectKey, labels: Mapping[str, str], ranges: Iterable[PoolRange]) -> None:
        """Take in a pool that is new."""
        lengths: dict[Family, int] = {}
        for item in ranges:
            family = item.range.family
            lengths[family] = max(lengths.get(family, 0), widest_prefix(item.range))
        families = frozenset(lengths)
        by_labels = self._groups.setdefault(families, {})
        group = by_labels.setdefault(frozenset(labels.items()), PoolGroup(labels, families))
        group.put(key, (lengths.get(Family.IPV4, 0), lengths.get(Family.IPV6, 0)))
        self._of[key] = group

    def remove(self, key: ObjectKey) -> None:
        """Forget a pool, if it is known."""
        group = self._of.pop(key, None)
        if group is None:
            return
        group.remove(key)
        if not group.least:
            by_labels = self._groups[group.families]
            del by_labels[frozenset(group.labels.items())]
            if not by_labels:
                del self._groups[group.families]

    def chosen(
        self, choice: PoolChoice, named: Iterable[ObjectKey], families: Iterable[Families]
    ) -> Iterator[tuple[PoolGroup, Iterable[ObjectKey]]]:
        """Give what an advertisement covers of pools of some sets of families: groups that it
        covers whole, and pools of others.

        `named` are the keys that its names stand for.
        """
        wanted = frozenset(families)
        if choice.selectors or not choice.names:
            by_labels = (found for each, found in self._groups.items() if each in wanted)
            for group in chain.from_iterable(found.values() for found in by_labels):
                if choice.covers("", group.labels):
                    yield group, group.least
        for key in named:
            found = self._of.get(key)
            if (
                found is not None
                and found.families in wanted
                and not choice.covers("", found.labels)
            ):
                yield found, (key,)
