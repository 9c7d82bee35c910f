"""The placement of one class: changes go in, orders of nodes come out.

    p = Placement(salt="ingress")
    p.set_nodes([Node("a"), Node("b"), Node("c")])
    p.put(Demand("192.0.2.1", group="web/nginx"))
    p.take_changes()                                # {"192.0.2.1": ("b", "c", "a")}

A change takes note, and promotes where a node was lost at once. What else follows (places for new
VIPs, second choices, tails) is decided when somebody looks: every method that answers settles
first. All changes between two looks are thus one batch, which makes a restart simple: tell the
nodes and put every VIP with its order from the ledger, in whatever sequence, then look. What is
valid is kept, and only then new VIPs are placed in the gaps, group by group.

A first choice changes for two reasons only: the node is no longer eligible (the next of the order
takes over, as the speakers have done already), or `rebalance`, which the caller paces.

Limits. One object for one class, one caller at a time. Loads are exact with restricted VIPs too,
the separation of groups only without (`balance`); zones are best effort below both. A placement
costs time in proportion to the number of zones: tens are fine, a zone for each of a thousand nodes
is not. Not persistent: the ledger is the caller's.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from metallb_controller.placement.audit import audit
from metallb_controller.placement.balance import steps
from metallb_controller.placement.book import Book
from metallb_controller.placement.choice import complete, first_choice
from metallb_controller.placement.model import Move
from metallb_controller.placement.reserve import even_out, separate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb_controller.placement.balance import Transfer
    from metallb_controller.placement.book import Entry
    from metallb_controller.placement.model import Demand, Node, Order


class Placement:
    """Decides for each VIP of a class which nodes may announce it, in order of preference."""

    def __init__(self, salt: str) -> None:
        """Start empty. `salt` (the name of the class) makes classes prefer different nodes."""
        self._book = Book(salt)
        self._told: dict[str, Order] = {}
        self._at_rest = False  # no step was found, and nothing changed since

    def set_nodes(self, nodes: Iterable[Node]) -> None:
        """Replace the set of nodes; of equal names the last counts.

        VIPs of lost nodes go to the next of their order. New nodes take nothing before `rebalance`,
        but enter orders that are short and reserves that are uneven without them. A change of zone
        counts from now on and rewrites nothing.
        """
        zones = {node.name: node.zone for node in nodes}
        if zones != self._book.ring.zone:
            self._at_rest = False
            self._book.renew(zones)

    def put(self, demand: Demand, present: Order = ()) -> None:
        """Add a VIP or change what it wants; nothing happens if that is as before.

        `present` is the order found in the ledger after a restart. It counts for a VIP that is new
        here, and is kept as far as its nodes are known and eligible when somebody looks next. A VIP
        that is known stays on its node while that is eligible, whatever else it wants now.
        """
        entry = self._book.entries.get(demand.vip)
        if entry is None:
            self._at_rest = False
            self._told[demand.vip] = tuple(present)
            self._book.enter(demand, tuple(present))
        elif entry.demand != demand:
            self._at_rest = False
            self._book.amend(entry, demand)

    def discard(self, vip: str) -> None:
        """Remove a VIP, known or not. It is not reported as a change."""
        entry = self._book.entries.get(vip)
        if entry is not None:
            self._at_rest = False
            self._book.forget(entry)
            del self._told[vip]

    def order(self, vip: str) -> Order:
        """The nodes that may announce `vip`, the preferred first; () when none is eligible.

        KeyError when the VIP is unknown.
        """
        self._settle()
        return self._book.entries[vip].order

    def load(self) -> Mapping[str, int]:
        """For each node, how many VIPs have it as first choice; a copy."""
        self._settle()
        return {name: self._book.load[name] for name in self._book.ring.names}

    def rebalance(self, max_moves: int | None = None) -> list[Move]:
        """Move VIPs to restore balance and separation, at most `max_moves` (None: all it takes).

        One entry for each VIP that ends on another node than before the call. Repeated calls with
        any positive budget come to an end. A step that the budget cuts short (a chain, an exchange)
        leaves loads or groups uneven for as long; the next call finds the rest.
        """
        self._settle()
        moved: dict[str, Move] = {}
        ahead = chain.from_iterable(steps(self._book))
        while not self._at_rest and (max_moves is None or len(moved) < max_moves):
            transfer = next(ahead, None)
            if transfer is None:
                self._rest()
            else:
                self._transfer(transfer, moved)
        self._settle()
        return list(moved.values())

    def is_balanced(self) -> bool:
        """Whether `rebalance` would do nothing."""
        self._settle()
        if not self._at_rest and next(steps(self._book), None) is None:
            self._rest()
        return self._at_rest

    def take_changes(self) -> dict[str, Order]:
        """The orders that differ from what was last taken, or from `present`; drains."""
        self._settle()
        entries, told = self._book.entries, self._told
        orders = {vip: entries[vip].order for vip in self._book.touched}
        changes = {vip: order for vip, order in orders.items() if order != told[vip]}
        told.update(changes)
        self._book.touched.clear()
        return changes

    def check_invariants(self) -> None:
        """Recompute everything from the orders and compare.

        AssertionError names the first difference. Costs a walk over everything: for tests.
        """
        self._settle()
        audit(self._book)

    def _rest(self) -> None:
        self._at_rest = True
        self._book.displaced.clear()

    def _transfer(self, transfer: Transfer, moved: dict[str, Move]) -> None:
        entry, target, reason = transfer
        vip = entry.demand.vip
        earlier = moved.pop(vip, None)
        source = earlier.source if earlier else entry.order[0]
        if source != target:
            moved[vip] = Move(vip, source, target, reason)
        self._book.write(entry, (target,))
        self._book.unfinished[vip] = None

    def _settle(self) -> None:
        """Decide all that is open: first choices, then seconds and tails, then even reserves."""
        book = self._book
        for vip, present in book.restored.items():
            book.keep(book.entries[vip], present)
        book.restored.clear()
        for entry in _by_group(book):
            if not entry.order and entry.scope.mask:
                book.write(entry, (first_choice(book, entry),))
        changed: list[Entry] = []
        for vip in book.unfinished:
            entry = book.entries[vip]
            if entry.order:
                if len(entry.order) == 1:
                    changed.append(entry)
                book.write(entry, complete(book, entry))
        book.unfinished.clear()
        for first in book.uneven:
            changed += even_out(book, first)
        for group in dict.fromkeys(entry.group for entry in changed):
            separate(book, group)
        book.uneven.clear()


def _by_group(book: Book) -> list[Entry]:
    """The unfinished VIPs, each group together at the place of its first: zones count on it."""
    groups: dict[str, list[Entry]] = {}
    for vip in book.unfinished:
        entry = book.entries[vip]
        groups.setdefault(entry.demand.group, []).append(entry)
    return [entry for group in groups.values() for entry in group]
