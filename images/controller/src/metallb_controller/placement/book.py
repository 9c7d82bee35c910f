"""Who sits where: every VIP of a class with its order, and the indexes that follow from the orders.

`write` is the only way to change an order and keeps every index in step, so that each can be
recomputed from the orders alone (`audit` does). What changes besides is remembered on work lists,
for the others to take up:

    restored    orders that new VIPs had in the ledger, not looked at yet        (placement)
    unfinished  orders that may want a first choice, a second or a longer tail   (choice)
    uneven      nodes whose second choices changed and may be uneven             (reserve)
    suspects    groups of two or more whose nodes changed and may be crowded     (balance)
    touched     VIPs whose order may differ from what was last told              (placement)

Dictionaries with `None` values serve as sets that remember the order of insertion: sets of strings
iterate differently in each process, and every decision here must be reproducible.

A VIP taken off a node that it may no longer use is *displaced* until the class is balanced again:
its clients have been cut off already, so it is the first to be moved once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metallb_controller.placement.model import PREFERENCE_LIMIT
from metallb_controller.placement.ring import Ring, Scope
from metallb_controller.placement.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_controller.placement.model import Demand, Order


@dataclass(slots=True, eq=False)
class Group:
    """VIPs that keep apart: how many sit on each node, and which they are."""

    on: Tally
    members: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Entry:
    """One VIP."""

    demand: Demand
    scope: Scope
    group: Group
    order: Order = ()


@dataclass(slots=True, eq=False)
class Host:
    """One node as the VIPs see it.

    `cells`: VIPs that sit here by their scope and second choice ("" for none); `reserve`: how many
    of them each other node would take over; `mentions`: VIPs that have the node anywhere in their
    order.
    """

    reserve: Tally
    cells: dict[tuple[Scope, str], dict[str, None]] = field(default_factory=dict)
    mentions: dict[str, None] = field(default_factory=dict)


class Book:
    """The state of one class. `load` counts first choices; `zone_load` sums them by zone."""

    def __init__(self, salt: str) -> None:
        self.ring = Ring(salt)
        self.entries: dict[str, Entry] = {}
        self.groups: dict[str, Group] = {}
        self.scopes: dict[frozenset[str] | None, Scope] = {}
        self.hosts: dict[str, Host] = {}
        self.load = Tally(self.ring)
        self.zone_load: dict[str, int] = {}
        self.displaced: dict[str, dict[str, None]] = {}  # by node; "" for those without one
        self.restored: dict[str, Order] = {}
        self.unfinished: dict[str, None] = {}
        self.uneven: dict[str, None] = {}
        self.suspects: dict[str, None] = {}
        self.touched: dict[str, None] = {}

    def enter(self, demand: Demand, present: Order) -> None:
        """Add a VIP, for the time being without an order. It must be new."""
        scope, group = self._hold(demand)
        self.entries[demand.vip] = Entry(demand, scope, group)
        self.restored[demand.vip] = present
        self.unfinished[demand.vip] = None
        self.touched[demand.vip] = None

    def amend(self, entry: Entry, demand: Demand) -> None:
        """Change what a VIP wants, and keep of its order what the new wish allows."""
        before = entry.order
        self.write(entry, ())
        self._release(entry)
        entry.demand = demand
        entry.scope, entry.group = self._hold(demand)
        self.keep(entry, before)

    def keep(self, entry: Entry, order: Order) -> None:
        """Give a VIP the valid part of `order`; displaced if that loses the first choice."""
        valid = self._eligible(entry, order)
        self.write(entry, valid)
        if valid[:1] != order[:1]:
            self.displace(entry)
        self.unfinished[entry.demand.vip] = None

    def forget(self, entry: Entry) -> None:
        """Remove a VIP with all its traces."""
        vip = entry.demand.vip
        self.write(entry, ())
        self._release(entry)
        del self.entries[vip]
        self.displaced.get("", {}).pop(vip, None)
        self.restored.pop(vip, None)
        self.unfinished.pop(vip, None)
        self.touched.pop(vip, None)

    def displace(self, entry: Entry) -> None:
        """Note that the clients of a VIP have lost their connections already."""
        node = entry.order[0] if entry.order else ""
        self.displaced.setdefault(node, {})[entry.demand.vip] = None

    def renew(self, zones: Mapping[str, str]) -> None:
        """Replace the nodes (name to zone): strike the lost from all orders, then renumber."""
        lost = [name for name in self.ring.names if name not in zones]
        gained = [name for name in zones if name not in self.ring.slot]
        struck = {vip: None for name in lost for vip in self.hosts[name].mentions}
        for vip in struck:
            entry = self.entries[vip]
            first = entry.order[0]
            self.write(entry, tuple(name for name in entry.order if name in zones))
            self.unfinished[vip] = None
            if first not in zones:
                self.displace(entry)
        for name in lost:
            del self.hosts[name]
            self.uneven.pop(name, None)
            self.displaced.pop(name, None)
        self.ring.replace(zones)
        for name in gained:
            self.hosts[name] = Host(Tally(self.ring))
        self.zone_load = {zone: self.load.total(mask) for zone, mask in self.ring.zones.items()}
        if gained:
            self._reconsider()

    def write(self, entry: Entry, order: Order) -> None:
        """Give a VIP this order, which must name eligible nodes of the ring only."""
        old = entry.order
        if order == old:
            return
        vip = entry.demand.vip
        if order[:2] != old[:2]:
            self._leave_cell(entry, vip)
            if order[:1] != old[:1]:
                self._shift_load(entry, old, order)
            self._join_cell(entry, vip, order)
        for name in old:
            if name not in order:
                del self.hosts[name].mentions[vip]
        for name in order:
            if name not in old:
                self.hosts[name].mentions[vip] = None
        entry.order = order
        self.touched[vip] = None

    def _eligible(self, entry: Entry, order: Order) -> Order:
        mask, bit = entry.scope.mask, self.ring.bit
        return tuple(dict.fromkeys(n for n in order if bit.get(n, 0) & mask))[:PREFERENCE_LIMIT]

    def _reconsider(self) -> None:
        """After new nodes: all orders may grow, all reserves and groups may be uneven."""
        for vip, entry in self.entries.items():
            if len(entry.order) < PREFERENCE_LIMIT:
                self.unfinished[vip] = None
        self.uneven.update(dict.fromkeys(self.hosts))
        for name, group in self.groups.items():
            if len(group.members) > 1:
                self.suspects[name] = None

    def _hold(self, demand: Demand) -> tuple[Scope, Group]:
        scope = self.scopes.get(demand.eligible)
        if scope is None:
            scope = self.scopes[demand.eligible] = Scope(self.ring, demand.eligible)
        scope.holders += 1
        group = self.groups.get(demand.group)
        if group is None:
            group = self.groups[demand.group] = Group(Tally(self.ring))
        group.members[demand.vip] = None
        return scope, group

    def _release(self, entry: Entry) -> None:
        demand = entry.demand
        entry.scope.holders -= 1
        if not entry.scope.holders:
            del self.scopes[demand.eligible]
        del entry.group.members[demand.vip]
        if not entry.group.members:
            del self.groups[demand.group]
            self.suspects.pop(demand.group, None)

    def _leave_cell(self, entry: Entry, vip: str) -> None:
        if not entry.order:
            return
        first, *rest = entry.order[:2]
        host = self.hosts[first]
        key = (entry.scope, rest[0] if rest else "")
        del host.cells[key][vip]
        if not host.cells[key]:
            del host.cells[key]
        if rest:
            host.reserve.remove(rest[0])
            self.uneven[first] = None

    def _join_cell(self, entry: Entry, vip: str, order: Order) -> None:
        if not order:
            return
        first, *rest = order[:2]
        host = self.hosts[first]
        host.cells.setdefault((entry.scope, rest[0] if rest else ""), {})[vip] = None
        if rest:
            host.reserve.add(rest[0])
            self.uneven[first] = None

    def _shift_load(self, entry: Entry, old: Order, order: Order) -> None:
        """Move a VIP between nodes in all counts of first choices."""
        vip = entry.demand.vip
        if old:
            self.load.remove(old[0])
            self.zone_load[self.ring.zone[old[0]]] -= 1
            entry.group.on.remove(old[0])
        if order:
            self.load.add(order[0])
            self.zone_load[self.ring.zone[order[0]]] += 1
            entry.group.on.add(order[0])
        if len(entry.group.members) > 1:
            self.suspects[entry.demand.group] = None
        pool = self.displaced.get(old[0] if old else "")
        if pool and vip in pool:
            del pool[vip]
            self.displaced.setdefault(order[0] if order else "", {})[vip] = None
