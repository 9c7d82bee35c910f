from __future__ import annotations

from itertools import permutations

from metallb.api.fields import Problem
from metallb.api.ip_address_pools import IPAddressPool, read_ip_address_pool
from metallb.api.meta import ObjectKey
from metallb.domain.objects import Notes, in_order, unique
from support.objects import native_object


def pool(name: str, namespace: str, day: int, address: str = "10.0.0.1") -> IPAddressPool:
    created = f"2026-01-{day:02}T00:00:00Z"
    value = native_object(
        "IPAddressPool", name, namespace=namespace, created=created, addresses=[address]
    )
    return read_ip_address_pool(value)


def test_objects_are_sorted_by_name_then_age() -> None:
    wanted = [pool("a", "z", 3), pool("b", "y", 1), pool("b", "x", 2)]
    for some in permutations(wanted):
        assert in_order(some) == wanted


def test_of_one_name_the_oldest_is_given_and_the_others_are_told() -> None:
    first, second, third = pool("a", "y", 1), pool("a", "x", 2), pool("a", "w", 3, "?")
    for some in permutations([first, second, third]):
        notes = Notes()
        assert list(unique(notes, "K", some)) == [first]
        assert {of: len(problems) for of, problems in notes.result().items()} == {
            ("K", ObjectKey("w", "a")): 2,
            ("K", ObjectKey("x", "a")): 1,
        }


def test_notes_are_by_object_and_sorted() -> None:
    notes = Notes()
    wrong = pool("a", "x", 1, "?")
    assert notes.taken("K", [wrong]) == [wrong]
    notes.add(("A", ObjectKey("", "z")), Problem(".p", "m"), Problem(".q", "n"))
    notes.add(("A", ObjectKey("", "y")))
    assert list(notes.result()) == [("A", ObjectKey("", "z")), ("K", ObjectKey("x", "a"))]
    assert notes.result()["K", ObjectKey("x", "a")] == wrong.problems
