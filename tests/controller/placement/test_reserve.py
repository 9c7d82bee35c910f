"""Second choices stay even through every change, and nothing moves for it."""

from __future__ import annotations

from collections import Counter

import pytest

from metallb_controller.placement import Demand, Node, Placement


def placement_of(nodes: str) -> Placement:
    placement = Placement("class")
    placement.set_nodes([Node(name) for name in nodes])
    return placement


def put(placement: Placement, vip: str, present: str, only: str = "") -> None:
    placement.put(Demand(vip, vip, frozenset(only) if only else None), tuple(present))


def seconds(placement: Placement, vips: list[str]) -> dict[str, int]:
    return dict(Counter(placement.order(vip)[1] for vip in vips))


def test_even_reserve_is_left_alone() -> None:
    placement = placement_of("abcd")
    for vip, present in (("v1", "abcd"), ("v2", "acdb"), ("v3", "adbc"), ("v4", "adcb")):
        put(placement, vip, present)
    assert placement.take_changes() == {}


def test_uneven_reserve_is_evened_by_the_fewest_changes() -> None:
    placement = placement_of("abcd")
    vips = [f"v{i}" for i in range(6)]
    for vip in vips:
        put(placement, vip, "abcd")
    changes = placement.take_changes()
    assert len(changes) == 4
    assert seconds(placement, vips) == {"b": 2, "c": 2, "d": 2}
    assert all(order[0] == "a" for order in changes.values())


def test_rest_of_a_changed_order_keeps_its_sequence() -> None:
    placement = placement_of("abcde")
    put(placement, "v1", "abcde")
    put(placement, "v2", "abcde")
    put(placement, "v3", "acdeb")
    (changed,) = placement.take_changes().values()
    assert changed in (("a", "d", "b", "c", "e"), ("a", "e", "b", "c", "d"))


def test_discard_on_one_second_evens_the_rest() -> None:
    placement = placement_of("abc")
    for i in range(4):
        put(placement, f"b{i}", "abc")
        put(placement, f"c{i}", "acb")
    assert placement.take_changes() == {}
    for i in range(4):
        placement.discard(f"b{i}")
    assert len(placement.take_changes()) == 2
    assert seconds(placement, [f"c{i}" for i in range(4)]) == {"b": 2, "c": 2}


def test_new_node_takes_its_part_of_the_seconds_at_once() -> None:
    placement = placement_of("abc")
    vips = [f"v{i}" for i in range(6)]
    for vip in vips:
        put(placement, vip, "abc" if vip < "v3" else "acb")
    placement.take_changes()
    placement.set_nodes([Node(name) for name in "abcd"])
    assert seconds(placement, vips) == {"b": 2, "c": 2, "d": 2}
    assert placement.load() == {"a": 6, "b": 0, "c": 0, "d": 0}


@pytest.mark.parametrize(
    ("unrestricted", "expected"),
    [(0, {"b": 4}), (2, {"b": 4, "c": 1, "d": 1}), (8, {"b": 4, "c": 4, "d": 4})],
)
def test_unrestricted_fill_up_what_restricted_leave(
    unrestricted: int, expected: dict[str, int]
) -> None:
    placement = placement_of("abcd")
    vips = [f"r{i}" for i in range(4)]
    for vip in vips:
        put(placement, vip, "a", only="ab")
    for i in range(unrestricted):
        vips.append(f"u{i}")
        put(placement, vips[-1], "abcd")
    assert seconds(placement, vips) == expected
    placement.check_invariants()


def test_restricted_are_even_within_their_scope() -> None:
    placement = placement_of("abcd")
    vips = [f"r{i}" for i in range(4)]
    for vip in vips:
        put(placement, vip, "abc", only="abc")
    assert seconds(placement, vips) == {"b": 2, "c": 2}
