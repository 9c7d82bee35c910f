"""What callers see: changes in, orders and their differences out."""

from __future__ import annotations

import pytest

from metallb_controller.placement import Demand, Node, Placement


def nodes(names: str) -> list[Node]:
    return [Node(name) for name in names]


def placement_of(names: str) -> Placement:
    placement = Placement("class")
    placement.set_nodes(nodes(names))
    return placement


# ---------------------------------------------------------------- changes and questions


def test_new_vip_is_reported_once() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v", "g"))
    assert placement.take_changes() == {"v": placement.order("v")}
    assert placement.take_changes() == {}


def test_unknown_vip_has_no_order() -> None:
    with pytest.raises(KeyError):
        placement_of("ab").order("v")


def test_discarded_vip_is_forgotten_and_not_reported() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v", "g"))
    placement.discard("v")
    assert placement.take_changes() == {}
    assert placement.load() == {"a": 0, "b": 0}
    with pytest.raises(KeyError):
        placement.order("v")
    placement.check_invariants()


def test_discarding_an_unknown_vip_does_nothing() -> None:
    placement = placement_of("ab")
    placement.discard("v")
    assert placement.take_changes() == {}


def test_discarding_one_of_a_group_keeps_the_others() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v1", "g"))
    placement.put(Demand("v2", "g"))
    placement.discard("v1")
    assert sorted(placement.load().values()) == [0, 1]
    placement.check_invariants()


def test_load_is_a_copy() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v", "g"))
    before = placement.load()
    placement.discard("v")
    assert sum(before.values()) == 1


def test_order_that_changes_back_is_not_reported() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v", "v"), ("a", "b"))
    placement.set_nodes(nodes("a"))
    assert placement.order("v") == ("a",)
    placement.set_nodes(nodes("ab"))
    assert placement.take_changes() == {}


def test_same_demand_again_changes_nothing() -> None:
    placement = placement_of("abc")
    placement.put(Demand("v", "g", frozenset("ab")))
    placement.take_changes()
    placement.put(Demand("v", "g", frozenset("ab")), ("c", "a"))
    assert placement.take_changes() == {}


def test_group_changes_without_a_move() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v1", "g"))
    placement.put(Demand("v2", "h"))
    placement.take_changes()
    placement.put(Demand("v2", "g"))
    assert placement.take_changes() == {}
    placement.check_invariants()


# ---------------------------------------------------------------- restrictions


def test_vip_keeps_its_node_while_that_is_eligible() -> None:
    placement = placement_of("abc")
    placement.put(Demand("v", "v"), ("b", "a", "c"))
    placement.put(Demand("v", "v", frozenset("bc")))
    assert placement.order("v") == ("b", "c")


def test_vip_goes_to_the_next_of_its_order_when_its_node_is_not_eligible_any_more() -> None:
    placement = placement_of("abcd")
    placement.put(Demand("v", "v"), ("b", "a", "c", "d"))
    placement.take_changes()
    placement.put(Demand("v", "v", frozenset("cd")))
    assert placement.take_changes() == {"v": ("c", "d")}


def test_lifted_restriction_extends_the_order() -> None:
    placement = placement_of("abc")
    placement.put(Demand("v", "v", frozenset("b")))
    assert placement.order("v") == ("b",)
    placement.put(Demand("v", "v"))
    assert placement.order("v")[0] == "b"
    assert sorted(placement.order("v")) == ["a", "b", "c"]


def test_restriction_to_all_nodes_is_none() -> None:
    placement = placement_of("abc")
    placement.put(Demand("v1", "v1"), ("a", "b", "c"))
    placement.put(Demand("v2", "v2", frozenset("abcxyz")))
    placement.put(Demand("v1", "v1", frozenset("abc")))
    assert set(placement.take_changes()) == {"v2"}
    assert len(placement.order("v2")) == 3


@pytest.mark.parametrize("eligible", [frozenset[str](), frozenset({"x"})])
def test_vip_without_eligible_nodes_has_an_empty_order(eligible: frozenset[str]) -> None:
    placement = placement_of("ab")
    placement.put(Demand("v", "v", eligible))
    assert placement.order("v") == ()
    assert placement.take_changes() == {}
    assert placement.load() == {"a": 0, "b": 0}
    assert placement.is_balanced()
    placement.check_invariants()


def test_waiting_vip_is_placed_when_its_node_appears() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v", "v", frozenset("x")))
    placement.take_changes()
    placement.set_nodes(nodes("abx"))
    assert placement.take_changes() == {"v": ("x",)}


def test_vip_that_loses_its_last_node_waits_and_is_still_displaced() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v1", "v1"), ("b",))
    placement.put(Demand("v2", "v2", frozenset("a")), ("a",))
    placement.take_changes()
    placement.set_nodes(nodes("b"))
    assert placement.take_changes() == {"v1": ("b",), "v2": ()}
    placement.put(Demand("v2", "v2"))
    assert placement.load() == {"b": 2}
    placement.check_invariants()
    placement.set_nodes(nodes("bc"))
    assert [move.vip for move in placement.rebalance()] == ["v2"]


def test_waiting_displaced_vip_can_be_discarded() -> None:
    placement = placement_of("a")
    placement.put(Demand("v", "v"), ("a",))
    placement.load()
    placement.set_nodes([])
    placement.discard("v")
    placement.check_invariants()


# ---------------------------------------------------------------- nodes


def test_lost_node_is_struck_and_lists_are_filled_up_at_the_end() -> None:
    placement = placement_of("abcdefghij")
    placement.put(Demand("v", "v"), tuple("abcdefgh"))
    placement.take_changes()
    placement.set_nodes(nodes("abdefghij"))
    order = placement.order("v")
    assert order[:7] == tuple("abdefgh")
    assert order[7] in "ij"


def test_lost_first_promotes_the_second() -> None:
    placement = placement_of("abcd")
    placement.put(Demand("v", "v"), tuple("acbd"))
    placement.take_changes()
    placement.set_nodes(nodes("bcd"))
    assert placement.order("v") == ("c", "b", "d")


def test_new_node_moves_nothing_by_itself() -> None:
    placement = placement_of("ab")
    for i in range(4):
        placement.put(Demand(f"v{i}", f"v{i}"))
    before = {f"v{i}": placement.order(f"v{i}")[0] for i in range(4)}
    placement.set_nodes(nodes("abc"))
    assert {f"v{i}": placement.order(f"v{i}")[0] for i in range(4)} == before
    assert all(len(placement.order(vip)) == 3 for vip in before)


def test_new_node_does_not_enter_full_orders() -> None:
    placement = placement_of("abcdefgh")
    placement.put(Demand("v", "v"))
    placement.take_changes()
    placement.set_nodes(nodes("abcdefghi"))
    assert placement.take_changes() == {}


def test_changed_zone_rewrites_nothing_and_counts_from_now_on() -> None:
    placement = placement_of("abcd")
    placement.put(Demand("v1", "g"), ("a",))
    placement.put(Demand("w", "w"), ("c",))
    placement.take_changes()
    placement.set_nodes(
        [Node("a", "east"), Node("b", "east"), Node("c", "west"), Node("d", "west")]
    )
    assert placement.take_changes() == {}
    placement.put(Demand("v2", "g"))
    assert placement.order("v2")[0] == "d"
    placement.check_invariants()


def test_same_nodes_again_change_nothing_and_cut_no_exchange() -> None:
    placement = placement_of("ab")
    for vip, group, node in (("g1", "g", "a"), ("g2", "g", "a"), ("v", "v", "b"), ("w", "w", "b")):
        placement.put(Demand(vip, group), (node,))
    placement.rebalance(1)
    placement.take_changes()
    placement.set_nodes(nodes("ba"))
    assert placement.take_changes() == {}
    assert len(placement.rebalance(1)) == 1


def test_last_of_equal_names_counts() -> None:
    placement = Placement("class")
    placement.set_nodes([Node("a", "east"), Node("a", "west")])
    placement.put(Demand("v", "v"))
    assert placement.order("v") == ("a",)


# ---------------------------------------------------------------- restart


def test_restart_rewrites_nothing() -> None:
    placement = placement_of("abcdef")
    demands = [Demand(f"v{i}", f"g{i % 3}", frozenset("abc") if i % 4 else None) for i in range(20)]
    for demand in demands:
        placement.put(demand)
    placement.rebalance()
    ledger = {demand.vip: placement.order(demand.vip) for demand in demands}
    reborn = Placement("class")
    for demand in reversed(demands):
        reborn.put(demand, ledger[demand.vip])
    reborn.set_nodes(nodes("fedcba"))  # the sequence of the calls does not matter
    assert reborn.take_changes() == {}
    assert reborn.load() == placement.load()


def test_new_vip_of_a_restart_finds_the_gap() -> None:
    placement = placement_of("abc")
    placement.put(Demand("new", "new"))
    placement.put(Demand("v1", "v1"), ("a", "b", "c"))
    placement.put(Demand("v2", "v2"), ("c", "b", "a"))
    assert placement.order("new")[0] == "b"


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (("gone", "b", "a", "c"), ("b", "a", "c")),
        (("b", "gone", "c", "a"), ("b", "c", "a")),
        (("c", "c", "a", "c", "b"), ("c", "a", "b")),
    ],
)
def test_present_order_is_kept_as_far_as_valid(
    present: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    placement = placement_of("abc")
    placement.put(Demand("v", "v"), present)
    assert placement.take_changes() == {"v": expected}


def test_present_order_longer_than_the_limit_is_cut() -> None:
    placement = placement_of("abcdefghij")
    placement.put(Demand("v", "v"), tuple("abcdefghij"))
    assert placement.take_changes() == {"v": tuple("abcdefgh")}


def test_present_order_without_any_valid_node_is_reported_as_gone() -> None:
    placement = placement_of("ab")
    placement.put(Demand("v", "v", frozenset("x")), ("gone",))
    assert placement.take_changes() == {"v": ()}


def test_demand_may_change_before_anybody_looks() -> None:
    placement = placement_of("abc")
    placement.put(Demand("v", "v"), ("a", "b", "c"))
    placement.put(Demand("v", "v", frozenset("bc")))
    assert placement.take_changes() == {"v": ("b", "c")}


# ---------------------------------------------------------------- budget


@pytest.mark.parametrize("budget", [0, -1])
def test_no_budget_no_move(budget: int) -> None:
    placement = placement_of("ab")
    for i in range(4):
        placement.put(Demand(f"v{i}", f"v{i}"), ("a", "b"))
    assert placement.rebalance(budget) == []
    assert not placement.is_balanced()


def test_budget_bounds_the_moves() -> None:
    placement = placement_of("ab")
    for i in range(10):
        placement.put(Demand(f"v{i}", f"v{i}"), ("a", "b"))
    assert [len(placement.rebalance(2)) for _ in range(4)] == [2, 2, 1, 0]
    assert placement.load() == {"a": 5, "b": 5}


def test_vip_that_moves_twice_in_one_call_is_one_move() -> None:
    placement = placement_of("abc")
    placement.put(Demand("v1", "g"), ("c",))
    placement.put(Demand("v2", "g", frozenset("c")), ("c",))
    placement.put(Demand("w", "w", frozenset("ac")), ("c",))
    assert placement.order("v1")[0] == "c"
    moves = placement.rebalance()
    assert {move.vip: (move.source, move.target) for move in moves} == {
        "v1": ("c", "b"),
        "w": ("c", "a"),
    }


def test_vip_that_comes_back_in_one_call_has_not_moved() -> None:
    """v1 goes to c first, c hands one on to a, and separation takes v1 back in exchange for v2."""
    placement = placement_of("abc")
    placement.put(Demand("v1", "g", frozenset("bc")), ("b",))
    placement.put(Demand("v2", "g", frozenset("bc")), ("b",))
    placement.put(Demand("v3", "g"), ("c",))
    placement.put(Demand("w", "w", frozenset("b")), ("b",))
    moves = placement.rebalance()
    assert [(move.vip, move.source, move.target) for move in moves] == [
        ("v3", "c", "a"),
        ("v2", "b", "c"),
    ]
    assert placement.order("v1")[0] == "b"
    assert placement.is_balanced()


def test_order_after_a_move_begins_with_the_target() -> None:
    placement = placement_of("abcdefghij")
    for i in range(2):
        placement.put(Demand(f"v{i}", f"v{i}"), tuple("abcdefgh"))
    placement.take_changes()
    (move,) = placement.rebalance()
    changes = placement.take_changes()
    assert changes[move.vip][0] == move.target
    assert len(changes[move.vip]) == 8
