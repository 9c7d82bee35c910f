"""What to move so that loads are balanced and groups separated, one step at a time.

A step is a few transfers that belong together. The caller carries out each before it asks for the
next:

    spread    a VIP of a crowded group goes where there are fewer of it and the load is two less
    level     a VIP goes from a most loaded node to one with two less: straight if some VIP may,
              else along a chain of transfers found breadth first (optimal semi-matching)
    exchange  a VIP of a crowded group goes where there are fewer of it: alone if the load is less
              there, else in exchange for one whose group does not lose by it

"Two less" is at least two less. A group is crowded when a VIP of it could sit where the group has
two less. Steps come in rounds of these three until a round ends without an exchange. The first two
lower the sum of the squared loads; an exchange leaves it or lowers it, and does lower the sum of
the squared group counts: so it ends. Without restrictions an exchange always finds its partner: if
a has more of group g than b, and b is loaded no less, some other group has more on b than on a.

A step may be cut short (a budget, a change, a restart). Its transfers come in such a sequence that
the rest is found again, by the same kind of step or a better one: half a chain leaves a shorter
one, half an exchange a VIP that may go alone.

Displaced VIPs are taken before others. After the loss of a node from a balanced class every node
two above the lowest holds a displaced VIP, and so does every crowded one: so only displaced VIPs
move, and at most one more for each, as the partner of an exchange.

With restrictions, rule 1 (loads) is exact and rule 2 (groups) is what single transfers and
exchanges find; loads that restrictions hold apart can keep VIPs of a group together, and a search
among restricted VIPs gives up after `SEARCH_LIMIT`. Groups that stay crowded so are looked at again
after every change, which costs some tens of microseconds for each.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from metallb_controller.placement.choice import best_zone
from metallb_controller.placement.model import MoveReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metallb_controller.placement.book import Book, Entry, Group
    from metallb_controller.placement.ring import Scope


class Transfer(NamedTuple):
    """A VIP that should change its first choice."""

    entry: Entry
    target: str
    reason: MoveReason


Step = tuple[Transfer, ...]
Queues = dict[str, "Iterator[Entry]"]

SEARCH_LIMIT = 64
"""How many restricted VIPs a search looks at for one whose group gains: none need exist."""


def steps(book: Book) -> Iterator[Step]:
    """Steps to balance. Each must be carried out in `book` before the next is asked for."""
    exchanged = True
    while exchanged:
        yield from _separate(book, exchange=False)
        yield from _level(book)
        exchanged = False
        for step in _separate(book, exchange=True):
            exchanged = True
            yield step


# ---------------------------------------------------------------- loads


def _level(book: Book) -> Iterator[Step]:
    """Transfers from high to low, until no chain leads from a node to one with two less.

    `closed` are nodes searched in vain from a load at least as high: chains from there stay there,
    and all of them are loaded too much to be a target for what is left.
    """
    closed = 0
    queues: Queues = {}
    while open_ := book.ring.all & ~closed:
        top, sources = book.load.highest(open_)
        if top - book.load.lowest(book.ring.all)[0] < 2:
            return
        source = _source(book, sources)
        step = _straight(book, source, queues)
        if step is None:
            step, closed = _chain(book, source, closed)
        if step is not None:
            yield step


def _source(book: Book, sources: int) -> str:
    bit = book.ring.bit
    hurt = (node for node, vips in book.displaced.items() if vips and bit.get(node, 0) & sources)
    return next(hurt, None) or book.ring.first(sources)


def _straight(book: Book, source: str, queues: Queues) -> Step | None:
    for movable in (_displaced_on(book, source), _seated_on(book, source, queues)):
        if step := _best(book, source, movable):
            return step
    return None


def _best(book: Book, source: str, movable: Iterable[Entry]) -> Step | None:
    """Of the VIPs that can go, the first to the least load of all whose group does not lose by it.

    In want of one, the least load comes before the group.
    """
    limit = book.load[source] - 2
    least = book.load.lowest(book.ring.all)[0]
    goals: dict[Scope, tuple[int, int]] = {}
    best: tuple[tuple[int, bool], Entry, int] | None = None
    refused = 0
    for entry in movable:
        scope = entry.scope
        if scope not in goals:
            goals[scope] = book.load.lowest(scope.mask)
        level, nodes = goals[scope]
        if level > limit:
            continue
        count, nodes = entry.group.on.lowest(nodes)
        key = (level, count >= entry.group.on[source])
        if best is None or key < best[0]:
            best = (key, entry, nodes)
        refused += int(scope.mask != book.ring.all)
        if key == (least, False) or refused == SEARCH_LIMIT:
            break
    if best is None:
        return None
    _, entry, nodes = best
    return (Transfer(entry, best_zone(book, entry.group, nodes), MoveReason.BALANCE),)


def _displaced_on(book: Book, node: str) -> Iterator[Entry]:
    return (book.entries[vip] for vip in book.displaced.get(node, ()))


def _seated_on(book: Book, node: str, queues: Queues) -> Iterator[Entry]:
    """The VIPs on `node`: first those not looked at since the levelling began, then all afresh."""
    yield from (entry for entry in queues.get(node, ()) if entry.order[0] == node)
    cells = book.hosts[node].cells.values()
    queues[node] = iter([book.entries[vip] for vips in cells for vip in vips])
    yield from queues[node]


def _chain(book: Book, source: str, closed: int) -> tuple[Step | None, int]:
    """A shortest chain from `source` to a node with two less, or None and the nodes now closed."""
    ring = book.ring
    goal = book.load.at_most(book.load[source] - 2)
    seen = closed | ring.bit[source]
    came: dict[str, tuple[str, Scope]] = {}
    queue = deque([source])
    while queue:
        here = queue.popleft()
        for scope in dict.fromkeys(scope for scope, _ in book.hosts[here].cells):
            fresh = scope.mask & ~seen
            for name in ring.each(fresh):
                came[name] = (here, scope)
            if hit := fresh & goal:
                return _links(book, came, ring.first(book.load.lowest(hit)[1])), closed
            queue.extend(ring.each(fresh))
            seen |= fresh
    return None, seen


def _links(book: Book, came: dict[str, tuple[str, Scope]], target: str) -> Step:
    """The transfers of a chain, the last link first: no load rises above what it was."""
    links = []
    while target in came:
        source, scope = came[target]
        links.append(Transfer(_pick(book, source, scope, target), target, MoveReason.BALANCE))
        target = source
    return tuple(links)


def _pick(book: Book, source: str, scope: Scope, target: str) -> Entry:
    """A VIP of that scope on `source`: displaced first, then whose group gains most by `target`."""
    displaced = book.displaced.get(source, {})
    entries = (
        book.entries[vip]
        for (here, _), vips in book.hosts[source].cells.items()
        if here is scope
        for vip in vips
    )
    return min(
        entries,
        key=lambda entry: (
            entry.demand.vip not in displaced,
            entry.group.on[target] - entry.group.on[source],
        ),
    )


# ---------------------------------------------------------------- groups


def _separate(book: Book, *, exchange: bool) -> Iterator[Step]:
    """Transfers, or also exchanges, for every suspect group; strikes those that are not crowded."""
    for name in tuple(book.suspects):
        group = book.groups[name]
        while crowded := list(_crowded(book, group)):
            step = _relief(book, group, crowded, exchange=exchange)
            if step is None:
                break
            yield step
        else:
            book.suspects.pop(name, None)


def _relief(
    book: Book, group: Group, crowded: list[tuple[Entry, int]], *, exchange: bool
) -> Step | None:
    for entry, nodes in crowded:
        source = entry.order[0]
        _, nodes = group.on.lowest(nodes)
        level, nodes = book.load.lowest(nodes)
        if book.load[source] - level > (0 if exchange else 1):
            return (Transfer(entry, best_zone(book, group, nodes), MoveReason.SEPARATION),)
        if exchange:
            for target in book.ring.each(nodes):
                if partner := _partner(book, target, source):
                    return (
                        Transfer(partner, source, MoveReason.SEPARATION),
                        Transfer(entry, target, MoveReason.SEPARATION),
                    )
    return None


def _crowded(book: Book, group: Group) -> Iterator[tuple[Entry, int]]:
    """VIPs that could sit where their group has two less, fullest nodes first; with the targets."""
    everywhere = book.ring.all
    if not everywhere or group.on.highest(everywhere)[0] < 2:
        return
    for count in sorted(group.on.levels(), reverse=True):
        freer = group.on.at_most(count - 2)
        if not freer:
            return
        for entry in _ranked(book, group, count):
            if nodes := freer & entry.scope.mask:
                yield entry, nodes


def _ranked(book: Book, group: Group, count: int) -> list[Entry]:
    """The members on nodes with that count: displaced first, then from the most loaded node."""
    members = [book.entries[vip] for vip in group.members]
    return sorted(
        (entry for entry in members if entry.order and group.on[entry.order[0]] == count),
        key=lambda entry: (
            entry.demand.vip not in book.displaced.get(entry.order[0], ()),
            -book.load[entry.order[0]],
        ),
    )


def _partner(book: Book, source: str, target: str) -> Entry | None:
    """A VIP on `source` that may go to `target`, where its group has less (so not the crowded)."""
    bit = book.ring.bit[target]
    cells = book.hosts[source].cells
    seated = (
        book.entries[vip] for (scope, _), vips in cells.items() if scope.mask & bit for vip in vips
    )
    refused = 0
    for entry in chain(_displaced_on(book, source), seated):
        counts = entry.group.on
        if entry.scope.mask & bit and counts[source] > counts[target]:
            return entry
        refused += int(entry.scope.mask != book.ring.all)
        if refused == SEARCH_LIMIT:
            break
    return None
