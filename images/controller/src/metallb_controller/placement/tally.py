"""A count for each node, indexed the other way round: for each count, the nodes that have it.

    counts   a:2  b:0  c:1  d:2          levels   1: {c}   2: {a, d}          taken {a, c, d}

The nodes of a level are a mask over the ring, so "the least loaded of these nodes" is one
intersection for each level from below, and usually the first one hits. Nodes that count nothing are
not stored: they are what is not taken.

Levels are built on the first read, and anew after the ring was renumbered; writes in between only
count. Of most tallies (a Service with one VIP has one) no level is ever read: as long as they count
on a node or two, the lowest are found without. A node must count nothing when it leaves the ring.
Finding the lowest level costs a sort of the
distinct counts: two or three when loads are balanced, many when restrictions force loads apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_controller.placement.ring import Ring


_NO_LEVELS: dict[int, int] = {}
_FEW = 2


class Tally:
    """Counts by node name, with the nodes of each count at hand."""

    __slots__ = ("_counts", "_epoch", "_levels", "_ring", "_taken")

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._epoch = -1
        self._counts: dict[str, int] = {}
        self._levels: dict[int, int] = _NO_LEVELS
        self._taken = 0

    def __getitem__(self, node: str) -> int:
        return self._counts.get(node, 0)

    @property
    def counts(self) -> Mapping[str, int]:
        """The counts above zero, by name."""
        return self._counts

    def add(self, node: str) -> None:
        """Count one more on `node`."""
        count = self._counts.get(node, 0)
        self._counts[node] = count + 1
        if self._epoch == self._ring.epoch:
            self._shift(self._ring.bit[node], count, count + 1)

    def remove(self, node: str) -> None:
        """Count one less on `node`, which must count at least one."""
        count = self._counts.pop(node)
        if count > 1:
            self._counts[node] = count - 1
        if self._epoch == self._ring.epoch:
            self._shift(self._ring.bit[node], count, count - 1)

    def lowest(self, within: int) -> tuple[int, int]:
        """The smallest count in `within` and the nodes of `within` that have it.

        `within` must name present nodes only, and at least one.
        """
        if self._epoch != self._ring.epoch and len(self._counts) <= _FEW:
            taken = 0
            for node in self._counts:
                taken |= self._ring.bit[node]
        else:
            self.levels()
            taken = self._taken
        if free := within & ~taken:
            return 0, free
        levels = self.levels()
        return next((count, hit) for count in sorted(levels) if (hit := within & levels[count]))

    def highest(self, within: int) -> tuple[int, int]:
        """The largest count in `within` and its nodes; 0 and all of `within` when none counts."""
        levels = self.levels()
        for count in sorted(levels, reverse=True):
            if hit := within & levels[count]:
                return count, hit
        return 0, within

    def at_most(self, count: int) -> int:
        """The nodes that count no more than `count`, which may be negative."""
        mask = self._ring.all
        for level, nodes in self.levels().items():
            if level > count:
                mask &= ~nodes
        return mask if count >= 0 else 0

    def total(self, within: int) -> int:
        """The sum over the nodes of `within`."""
        levels = self.levels().items()
        return sum(count * (within & nodes).bit_count() for count, nodes in levels)

    def levels(self) -> Mapping[int, int]:
        """For each count above zero, its nodes."""
        if self._epoch != self._ring.epoch:
            self._rebuild()
        return self._levels

    def _shift(self, bit: int, old: int, new: int) -> None:
        levels = self._levels
        if new:
            levels[new] = levels.get(new, 0) | bit
        else:
            self._taken ^= bit
        if old:
            levels[old] ^= bit
            if not levels[old]:
                del levels[old]
        else:
            self._taken |= bit

    def _rebuild(self) -> None:
        self._epoch = self._ring.epoch
        self._levels = {}
        self._taken = 0
        for node, count in self._counts.items():
            bit = self._ring.bit[node]
            self._levels[count] = self._levels.get(count, 0) | bit
            self._taken |= bit
