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


# ---------------------------------------------------------------- groups


def put_group(placement: Placement, group: str, **present: str) -> None:
    for vip, order in present.items():
        placement.put(Demand(vip, group), tuple(order))


def counts_after_loss(placement: Placement, vips: str, node: str) -> dict[str, int]:
    orders = [placement.order(vip) for vip in vips.split()]
    return dict(Counter(order[1] if order[0] == node else order[0] for order in orders))


def test_a_new_second_keeps_the_group_apart() -> None:
    placement = placement_of("abc")
    put_group(placement, "web", w1="bca", w2="bac", w3="a")
    put_group(placement, "shop", s1="abc")
    assert placement.order("w3")[1] == "c"
    assert counts_after_loss(placement, "w1 w2 w3", "a") == {"b": 2, "c": 1}


def test_seconds_are_exchanged_where_that_keeps_a_group_apart() -> None:
    placement = placement_of("abc")
    put_group(placement, "web", w1="b", w2="b", w3="a")
    put_group(placement, "shop", s1="acb")
    changed = placement.take_changes()
    assert (placement.order("w3")[1], placement.order("s1")[1]) == ("c", "b")
    assert "s1" in changed
    assert counts_after_loss(placement, "w1 w2 w3", "a") == {"b": 2, "c": 1}


def test_seconds_follow_when_others_of_the_group_move() -> None:
    placement = placement_of("abc")
    put_group(placement, "web", w1="abc", w2="cab", w3="bca")
    put_group(placement, "shop", s1="acb")
    assert placement.take_changes() == {}
    placement.put(Demand("w2", "web", frozenset("b")))
    assert placement.order("w2") == ("b",)
    assert (placement.order("w1")[1], placement.order("s1")[1]) == ("c", "b")


def test_a_second_with_more_than_others_is_left_without_an_exchange() -> None:
    placement = placement_of("abc")
    put_group(placement, "web", w1="bca", w2="cab", w3="abc")
    put(placement, "s1", "abc")
    put(placement, "s2", "acb")
    assert placement.take_changes() == {}
    placement.put(Demand("w2", "web", frozenset("b")))
    assert (placement.order("w3")[1], placement.order("s1")[1]) == ("c", "b")
    assert (placement.order("s2")[1], placement.order("w1")[0]) == ("c", "b")


def test_no_exchange_within_a_group() -> None:
    placement = placement_of("abc")
    put_group(placement, "web", w1="bca", w2="cba", w3="abc", w4="acb")
    assert placement.take_changes() == {}
    placement.put(Demand("w2", "web", frozenset("b")))
    assert (placement.order("w3")[1], placement.order("w4")[1]) == ("b", "c")


def test_no_exchange_at_the_cost_of_another_group() -> None:
    placement = placement_of("abc")
    put_group(placement, "web", w1="b", w2="b", w3="a")
    put_group(placement, "shop", s1="acb", s2="bac", s3="bca")
    assert (placement.order("w3")[1], placement.order("s1")[1]) == ("b", "c")


def test_orders_of_the_ledger_are_not_exchanged() -> None:
    placement = placement_of("abc")
    put_group(placement, "web", w1="bac", w2="bca", w3="abc")
    put_group(placement, "shop", s1="acb")
    assert placement.take_changes() == {}


def test_groups_larger_than_the_search_are_left_alone() -> None:
    placement = placement_of("abc")
    placement.put(Demand("s1", "shop"), ("a", "c", "b"))
    for number in range(65):
        placement.put(Demand(f"w{number}", "web"), ("b",) if number else ("a",))
    assert placement.order("s1") == ("a", "c", "b")
