"""The nodes of a class in their order of rank, as the bits of an integer.

The rank of a node is its position among the SHA-256 digests of `salt#name`, so each class has an
order of its own and ties between nodes fall differently in each. Rank r is bit `1 << r`; a set of
nodes is an int. Set arithmetic over a thousand nodes is then a few machine words each, which is why
the rest of this package never walks the nodes to find the best one: it intersects masks.

One `Ring` lives as long as its placement and is replaced in place. Each replacement renumbers the
bits and raises `epoch`; whoever keeps a mask keeps the epoch beside it and rebuilds when they
differ (`Tally`, `Scope`). A mask must not be kept by anyone else.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Ring:
    """Ranks, bits and zones of the present nodes.

    Attributes, all read-only for others: `names` by rank; `slot` rank by name; `bit` mask by name;
    `zone` zone by name; `zones` mask by zone; `all` mask of every node; `epoch` count of
    replacements.
    """

    __slots__ = ("_digests", "_salt", "all", "bit", "epoch", "names", "slot", "zone", "zones")

    def __init__(self, salt: str) -> None:
        """Start without nodes; `salt` tells the classes apart."""
        self._salt = salt
        self._digests: dict[str, bytes] = {}
        self.names: tuple[str, ...] = ()
        self.slot: dict[str, int] = {}
        self.bit: dict[str, int] = {}
        self.zone: dict[str, str] = {}
        self.zones: dict[str, int] = {}
        self.all = 0
        self.epoch = 0

    def replace(self, zones: Mapping[str, str]) -> None:
        """Let these be the nodes: name to zone. All masks taken before become invalid."""
        known = self._digests
        self._digests = {name: known.get(name) or self._digest("#", name) for name in zones}
        self.names = tuple(sorted(zones, key=self._digests.__getitem__))
        self.slot = {name: slot for slot, name in enumerate(self.names)}
        self.bit = {name: 1 << slot for slot, name in enumerate(self.names)}
        self.zone = dict(zones)
        self.zones = {}
        for name in self.names:
            zone = zones[name]
            self.zones[zone] = self.zones.get(zone, 0) | self.bit[name]
        self.all = (1 << len(self.names)) - 1
        self.epoch += 1

    def first(self, mask: int) -> str:
        """The node of lowest rank in `mask`, which must not be empty."""
        return self.names[(mask & -mask).bit_length() - 1]

    def after(self, mask: int, slot: int) -> str:
        """The first node of `mask`, which must not be empty, met on a walk from `slot`."""
        ahead = mask >> slot
        if not ahead:
            return self.first(mask)
        return self.names[slot + (ahead & -ahead).bit_length() - 1]

    def each(self, mask: int) -> Iterator[str]:
        """The nodes of `mask` by rank."""
        while mask:
            lowest = mask & -mask
            yield self.names[lowest.bit_length() - 1]
            mask ^= lowest

    def start(self, vip: str) -> int:
        """The rank at which the tail of `vip` begins its walk. There must be nodes."""
        return int.from_bytes(self._digest("/", vip)[:8]) % len(self.names)

    def _digest(self, kind: str, name: str) -> bytes:
        return sha256(f"{self._salt}{kind}{name}".encode()).digest()


class Scope:
    """The nodes that a set of VIPs with equal restrictions may use; compared by identity.

    `names` is None for no restriction. `holders` counts the VIPs, so that its book knows when to
    forget it.
    """

    __slots__ = ("_epoch", "_mask", "_ring", "holders", "names")

    def __init__(self, ring: Ring, names: frozenset[str] | None) -> None:
        self._ring = ring
        self._epoch = -1
        self._mask = 0
        self.names = names
        self.holders = 0

    @property
    def mask(self) -> int:
        """The present nodes among `names`."""
        if self._epoch != self._ring.epoch:
            self._epoch = self._ring.epoch
            self._mask = self._ring.all if self.names is None else self._collect(self.names)
        return self._mask

    def _collect(self, names: frozenset[str]) -> int:
        mask = 0
        for name in names:  # any order: a union of bits
            mask |= self._ring.bit.get(name, 0)
        return mask
