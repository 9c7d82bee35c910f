"""Recomputation of a book from its orders, for tests: what the incremental indexes must equal.

It reads nothing but the ring, the demands and the orders, counts in the plainest way, and compares.
It also asserts what holds after every operation: orders are valid and as long as they may be,
nothing is left to settle, and reserves are even (rule 3). Balance and separation are not asserted:
they hold only when `rebalance` has finished.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from metallb_controller.placement.model import PREFERENCE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb_controller.placement.book import Book, Entry, Host
    from metallb_controller.placement.tally import Tally


def audit(book: Book) -> None:
    """AssertionError names the first difference between the book and what its orders imply."""
    _expect("orders to settle", [*book.restored, *book.unfinished], [])
    _expect("reserves to settle", [*book.uneven], [])
    _expect(
        "slots by rank",
        [book.ring.slot[name] for name in book.ring.names],
        [*range(len(book.ring.zone))],
    )
    _expect("hosts are the nodes", sorted(book.hosts), sorted(book.ring.names))
    for vip, entry in book.entries.items():
        _expect("key of an entry", vip, entry.demand.vip)
        _audit_entry(book, entry)
    placed = [entry for entry in book.entries.values() if entry.order]
    _audit_tally(book, "load", book.load, Counter(entry.order[0] for entry in placed))
    zones = Counter(book.ring.zone[entry.order[0]] for entry in placed)
    _expect("load of zones", book.zone_load, {zone: zones[zone] for zone in book.ring.zones})
    _audit_groups(book)
    for name, host in book.hosts.items():
        _audit_host(book, name, host, [entry for entry in placed if entry.order[0] == name])
    for name, vips in book.displaced.items():
        firsts = {vip: book.entries[vip].order[:1] for vip in vips}
        _expect("place of the displaced", firsts, dict.fromkeys(vips, (name,) if name else ()))


def _audit_entry(book: Book, entry: Entry) -> None:
    vip, order, eligible = entry.demand.vip, entry.order, entry.demand.eligible
    allowed = {name for name in book.ring.zone if eligible is None or name in eligible}
    _expect(f"length of the order of {vip}", len(order), min(PREFERENCE_LIMIT, len(allowed)))
    _expect(f"repetitions in the order of {vip}", len(set(order)), len(order))
    _expect(f"ineligible nodes in the order of {vip}", set(order) - allowed, set())
    _expect(f"scope of {vip}", set(book.ring.each(entry.scope.mask)), allowed)
    _expect(f"scope of {vip} is shared", book.scopes[eligible] is entry.scope, True)
    _expect(f"group of {vip}", book.groups[entry.demand.group] is entry.group, True)


def _audit_groups(book: Book) -> None:
    members: dict[str, set[str]] = {}
    for vip, entry in book.entries.items():
        members.setdefault(entry.demand.group, set()).add(vip)
    _expect("groups", {name: set(group.members) for name, group in book.groups.items()}, members)
    for name, group in book.groups.items():
        orders = [book.entries[vip].order for vip in group.members]
        counts = Counter(order[0] for order in orders if order)
        _audit_tally(book, f"group {name}", group.on, counts)
    holders = Counter(entry.demand.eligible for entry in book.entries.values())
    _expect("holders", {names: scope.holders for names, scope in book.scopes.items()}, holders)
    _expect("suspects are groups", book.suspects.keys() - book.groups.keys(), set())


def _audit_host(book: Book, name: str, host: Host, seated: list[Entry]) -> None:
    mentions = {vip for vip, entry in book.entries.items() if name in entry.order}
    _expect(f"mentions of {name}", set(host.mentions), mentions)
    cells: dict[object, set[str]] = {}
    reserve: Counter[str] = Counter()
    for entry in seated:
        second = "".join(entry.order[1:2])
        cells.setdefault((entry.scope, second), set()).add(entry.demand.vip)
        reserve.update(entry.order[1:2])
    _expect(f"cells of {name}", {key: set(vips) for key, vips in host.cells.items()}, cells)
    _audit_tally(book, f"reserve of {name}", host.reserve, reserve)
    for entry in seated:
        least = min((reserve[x] for x in book.ring.each(entry.scope.mask) if x != name), default=0)
        excess = max((reserve[second] - least for second in entry.order[1:2]), default=0)
        _expect(f"even reserve of {name}", excess > 1, False)


def _audit_tally(book: Book, what: str, tally: Tally, counts: Mapping[str, int]) -> None:
    _expect(f"counts of {what}", tally.counts, counts)
    levels: dict[int, int] = {}
    for node, count in counts.items():
        levels[count] = levels.get(count, 0) | book.ring.bit[node]
    _expect(f"levels of {what}", tally.levels(), levels)
    free = sum(bit for node, bit in book.ring.bit.items() if not counts.get(node))
    _expect(f"free nodes of {what}", tally.at_most(0), free)


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")
