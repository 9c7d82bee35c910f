"""The choices for one VIP: its first node, its second, and the tail of its order.

Each choice narrows a mask of candidates, key by key, until the ring's order decides:

    first    fewest VIPs of the group, least load, zone with fewest of the group, zone of least
             load; then rank
    second   least reserve of the first node, no VIP of the group, least load, another zone; a walk
             from the rank after the first node, so that two first nodes prefer different seconds
    tail     a zone not yet in the order; a walk from a rank hashed from the VIP

The keys of the second make the failure of a node land evenly: its reserve is spread over the
others, and what it lands on is what carries least. They are weighed when the second is chosen;
later changes of load do not rewrite it, only uneven reserve does (`reserve`).

A tail takes one node of each zone while there are new zones and room. Zones assigned or appearing
later do not rewrite full orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_controller.placement.model import PREFERENCE_LIMIT

if TYPE_CHECKING:
    from metallb_controller.placement.book import Book, Entry, Group
    from metallb_controller.placement.model import Order


def first_choice(book: Book, entry: Entry) -> str:
    """The node for a VIP that has none. Its scope must name a node."""
    _, nodes = entry.group.on.lowest(entry.scope.mask)
    _, nodes = book.load.lowest(nodes)
    return best_zone(book, entry.group, nodes)


def second_choice(book: Book, entry: Entry, first: str) -> str | None:
    """The node that takes over from `first`; None when no other is eligible."""
    ring = book.ring
    others = entry.scope.mask & ~ring.bit[first]
    if not others:
        return None
    _, nodes = book.hosts[first].reserve.lowest(others)
    _, apart = entry.group.on.lowest(nodes)
    _, nodes = book.load.lowest(apart)
    return ring.after(nodes & ~ring.zones[ring.zone[first]] or nodes, ring.slot[first] + 1)


def best_zone(book: Book, group: Group, nodes: int) -> str:
    """Of otherwise equal nodes the one whose zone has fewest of the group, then least load."""
    if len(book.ring.zones) > 1 and nodes & (nodes - 1):
        best, chosen = None, 0
        for zone, mask in book.ring.zones.items():
            if here := nodes & mask:
                key = (group.on.total(mask), book.zone_load[zone])
                if best is None or key < best:
                    best, chosen = key, here
                elif key == best:
                    chosen |= here
        nodes = chosen
    return book.ring.first(nodes)


def complete(book: Book, entry: Entry) -> Order:
    """The order of a VIP that has a first choice, with a second and a tail as long as may be."""
    order = entry.order
    if len(order) == 1:
        second = second_choice(book, entry, order[0])
        order = order if second is None else (order[0], second)
    room = min(PREFERENCE_LIMIT, entry.scope.mask.bit_count()) - len(order)
    return (*order, *_tail(book, entry, order, room)) if room else order


def reseat(book: Book, entry: Entry, second: str) -> Order:
    """The order of a VIP with another second choice; the rest keeps its sequence."""
    first, *rest = entry.order
    order = [first, second, *(name for name in rest if name != second)]
    if len(order) > PREFERENCE_LIMIT:
        del order[_expendable(book, order)]
    return tuple(order)


def _tail(book: Book, entry: Entry, order: Order, room: int) -> list[str]:
    ring = book.ring
    left = entry.scope.mask
    fresh = left
    for name in order:
        left &= ~ring.bit[name]
        fresh &= ~ring.zones[ring.zone[name]]
    slot = ring.start(entry.demand.vip)
    tail = []
    for _ in range(room):
        name = ring.after(fresh or left, slot)
        left ^= ring.bit[name]
        if fresh:
            fresh &= ~ring.zones[ring.zone[name]]
        slot = ring.slot[name] + 1
        tail.append(name)
    return tail


def _expendable(book: Book, order: list[str]) -> int:
    """The position of the last name whose zone the order has twice, else of the last."""
    zones = [book.ring.zone[name] for name in order]
    twice = (at for at in range(len(order) - 1, 1, -1) if zones.count(zones[at]) > 1)
    return next(twice, len(order) - 1)
