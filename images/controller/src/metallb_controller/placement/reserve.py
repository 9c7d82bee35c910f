"""Second choices kept even and apart: when a node fails, the others take over equal shares of its
VIPs, and of each Service.

For a node f, `reserve` counts how many of its VIPs each other node would take over. It is uneven
while some VIP of f could change its second choice for a node that counts at least two less. Such a
VIP is given a new second, from the fullest node first, until there is none: for VIPs without
restrictions the counts over the other nodes then differ by at most one. Each change lowers the sum
of squares of the counts, so it ends. Restricted VIPs are counted with the rest and improved within
their own scope, one by one; longer exchanges between scopes are not sought.

The seconds of groups that changed are then looked at: where the loss of f would leave a node with
two more of a group than another, a VIP has that one instead, in exchange with another VIP of f if
the reserve would be uneven else. So the loss of f mostly needs no exchange afterwards to separate
groups again. Best effort: `SEARCH_LIMIT` VIPs are looked at, larger groups are left alone.

Nobody's connections depend on a second choice: this rewrites orders and moves no VIP.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from metallb_controller.placement.choice import reseat, second_choice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metallb_controller.placement.book import Book, Entry, Group

SEARCH_LIMIT: Final = 64


def even_out(book: Book, first: str) -> list[Entry]:
    """Make the reserve of one node even; gives the VIPs that have another second choice now."""
    changed: list[Entry] = []
    while entry := uneven(book, first):
        second = second_choice(book, entry, first)
        assert second is not None  # it has one: that is what is uneven
        book.write(entry, reseat(book, entry, second))
        changed.append(entry)
    return changed


def separate(book: Book, group: Group) -> None:
    """Give VIPs of a group second choices that leave it better apart, where there are any."""
    if not 1 < len(group.members) <= SEARCH_LIMIT:
        return
    entries = [book.entries[vip] for vip in group.members]
    named = [node for entry in entries for node in entry.order[:2]]
    if len(set(named)) == len(named):
        return  # no loss gives a node two of them
    for entry in entries:
        if len(entry.order) > 1 and named.count(entry.order[1]) > 1:
            _separate(book, entry, *entry.order[:2])


def _separate(book: Book, entry: Entry, first: str, second: str) -> None:
    """Change a second choice alone or in exchange, so that the reserve stays as even as it is.

    Alone only where all VIPs of `first` may go to the same nodes: else one that is restricted could
    gain by it.
    """
    host = book.hosts[first]
    are_alike = all(scope is entry.scope for scope, _ in host.cells)
    for node in islice(_better(book, entry, first, second), SEARCH_LIMIT):
        partner = None
        if not are_alike or host.reserve[node] >= host.reserve[second]:
            partner = _partner(book, entry, first, node)
            if partner is None:
                continue
        book.write(entry, reseat(book, entry, node))
        if partner is not None:
            book.write(partner, reseat(book, partner, second))
        return


def _better(book: Book, entry: Entry, first: str, second: str) -> Iterator[str]:
    """The nodes that would have two less of the group after the loss of `first`, fewest first."""
    ring = book.ring
    then = _after(book, entry.group, first)
    others = entry.scope.mask & ~ring.bit[first]
    for count in range(then[second] - 1):
        yield from (name for name in ring.each(others) if then[name] == count)


def _after(book: Book, group: Group, first: str) -> Counter[str]:
    """Count the group's VIPs by node as they would be after the loss of `first`."""
    orders = (book.entries[vip].order for vip in group.members)
    nodes = (order[1:2] if order[:1] == (first,) else order[:1] for order in orders)
    return Counter(chain.from_iterable(nodes))


def _partner(book: Book, entry: Entry, first: str, node: str) -> Entry | None:
    """A VIP like this one that would go to `node`, and whose group does not lose by an exchange."""
    second = entry.order[1]
    alike = book.hosts[first].cells.get((entry.scope, node), {})
    for partner in (book.entries[vip] for vip in islice(alike, SEARCH_LIMIT)):
        if len(partner.group.members) == 1:
            return partner
        if partner.group is not entry.group and len(partner.group.members) <= SEARCH_LIMIT:
            then = _after(book, partner.group, first)
            if then[second] < then[node]:
                return partner
    return None


def uneven(book: Book, first: str) -> Entry | None:
    """A VIP whose second choice is fullest, if a node that counts two less could replace it."""
    host = book.hosts[first]
    others = book.ring.all & ~book.ring.bit[first]
    top, _ = host.reserve.highest(others)
    if top < 2 or host.reserve.lowest(others)[0] > top - 2:
        return None
    worst = 1
    found: Entry | None = None
    for (scope, second), vips in host.cells.items():
        count = host.reserve[second]
        if count > worst and scope.mask & others & host.reserve.at_most(count - 2):
            worst, found = count, book.entries[next(iter(vips))]
    return found
