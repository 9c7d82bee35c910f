"""Second choices kept even: when a node fails, the others take over equal shares of its VIPs.

For a node f, `reserve` counts how many of its VIPs each other node would take over. It is uneven
while some VIP of f could change its second choice for a node that counts at least two less. Such a
VIP is given a new second, from the fullest node first, until there is none: for VIPs without
restrictions the counts over the other nodes then differ by at most one. Each change lowers the sum
of squares of the counts, so it ends. Restricted VIPs are counted with the rest and improved within
their own scope, one by one; longer exchanges between scopes are not sought.

Nobody's connections depend on a second choice: this rewrites orders and moves no VIP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_controller.placement.choice import reseat, second_choice

if TYPE_CHECKING:
    from metallb_controller.placement.book import Book, Entry


def even_out(book: Book, first: str) -> None:
    """Make the reserve of one node even."""
    while entry := uneven(book, first):
        second = second_choice(book, entry, first)
        assert second is not None  # it has one: that is what is uneven
        book.write(entry, reseat(book, entry, second))


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
