"""The audit sees each index that does not follow from the orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb_controller.placement.audit import audit
from metallb_controller.placement.book import Book
from metallb_controller.placement.choice import complete, first_choice
from metallb_controller.placement.model import Demand

if TYPE_CHECKING:
    from collections.abc import Callable


def settled_book() -> Book:
    book = Book("class")
    book.renew({"a": "east", "b": "east", "c": "west"})
    for vip, group in (("v1", "g"), ("v2", "g"), ("v3", "h"), ("v4", "h")):
        book.enter(Demand(vip, group), ())
        entry = book.entries[vip]
        book.write(entry, (first_choice(book, entry),))
        book.write(entry, complete(book, entry))
    for work in (book.restored, book.unfinished, book.uneven):
        work.clear()
    return book


def first_of(book: Book, vip: str) -> str:
    return book.entries[vip].order[0]


def misplace_a_displaced(book: Book) -> None:
    book.displaced["" if first_of(book, "v1") else "a"] = {"v1": None}


def swap_seconds(book: Book) -> None:
    """Both VIPs of one node get the same second: all indexes agree, but the reserve is uneven."""
    first = next(node for node, count in book.load.counts.items() if count == 2)
    entries = [entry for entry in book.entries.values() if entry.order[0] == first]
    for entry in entries:
        book.write(entry, entries[0].order)
    book.uneven.clear()


DAMAGES: dict[str, tuple[Callable[[Book], object], str]] = {
    "restored": (lambda book: book.restored.update(v1=()), "orders to settle"),
    "unfinished": (lambda book: book.unfinished.update(v1=None), "orders to settle"),
    "uneven": (lambda book: book.uneven.update(a=None), "reserves to settle"),
    "host": (lambda book: book.hosts.pop("a"), "hosts are the nodes"),
    "order": (lambda book: setattr(book.entries["v1"], "order", ("a",)), "length of the order"),
    "repeated": (
        lambda book: setattr(book.entries["v1"], "order", ("a", "a", "b")),
        "repetitions in the order",
    ),
    "ineligible": (
        lambda book: setattr(book.entries["v1"], "order", ("a", "b", "x")),
        "ineligible nodes",
    ),
    "load": (lambda book: book.load.add("a"), "counts of load"),
    "zone": (lambda book: book.zone_load.update(east=9), "load of zones"),
    "member": (lambda book: book.groups["g"].members.pop("v1"), "groups"),
    "group": (lambda book: book.groups["g"].on.add("a"), "counts of group g"),
    "holders": (lambda book: setattr(book.scopes[None], "holders", 9), "holders"),
    "suspect": (lambda book: book.suspects.update(gone=None), "suspects are groups"),
    "mention": (lambda book: book.hosts["a"].mentions.pop("v1"), "mentions of a"),
    "cell": (lambda book: book.hosts[first_of(book, "v1")].cells.clear(), "cells of"),
    "reserve": (lambda book: book.hosts["a"].reserve.add("b"), "counts of reserve of a"),
    "displaced": (misplace_a_displaced, "place of the displaced"),
    "seconds": (swap_seconds, "even reserve"),
}


def test_settled_book_passes() -> None:
    audit(settled_book())


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_damage_is_seen(damage: str) -> None:
    harm, words = DAMAGES[damage]
    book = settled_book()
    harm(book)
    with pytest.raises(AssertionError, match=words):
        audit(book)
