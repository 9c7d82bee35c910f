"""Which VIPs are moved, where to, and which are left alone."""

from __future__ import annotations

from collections import Counter

import pytest

from metallb_controller.placement import Demand, Move, MoveReason, Node, Placement


def placement_of(nodes: str) -> Placement:
    placement = Placement("class")
    placement.set_nodes([Node(name) for name in nodes])
    return placement


def seat(placement: Placement, on: str, *vips: str, only: str = "") -> None:
    """Put VIPs that have `on` as first choice; the group is what precedes a dot in their names."""
    for vip in vips:
        eligible = frozenset(only) if only else None
        placement.put(Demand(vip, vip.partition(".")[0], eligible), (on,))


def firsts(placement: Placement, *vips: str) -> str:
    return "".join(placement.order(vip)[0] for vip in vips)


def moved(moves: list[Move]) -> dict[str, str]:
    return {move.vip: f"{move.source}>{move.target}" for move in moves}


# ---------------------------------------------------------------- loads


def test_balanced_class_needs_no_move() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2")
    seat(placement, "b", "v3", "v4")
    seat(placement, "c", "v5")
    assert placement.is_balanced()
    assert placement.rebalance() == []


def test_empty_class_needs_no_move() -> None:
    placement = Placement("class")
    placement.put(Demand("v", "v"))
    assert placement.is_balanced()
    assert placement.rebalance() == []


def test_overloaded_node_gives_what_it_has_too_much() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2", "v3", "v4", "v5", "v6")
    assert not placement.is_balanced()
    moves = placement.rebalance()
    assert placement.load() == {"a": 2, "b": 2, "c": 2}
    assert len(moves) == 4
    assert {move.reason for move in moves} == {MoveReason.BALANCE}
    assert {move.source for move in moves} == {"a"}


def test_loss_promotes_and_moves_displaced_ones_only() -> None:
    """The seconds are all on b, so promotion overloads it; what was there before stays."""
    placement = placement_of("abcd")
    for node in "bcd":
        seat(placement, node, f"{node}1", f"{node}2")
    placement.put(Demand("v1", "v1", frozenset("ab")), ("a", "b"))
    placement.put(Demand("v2", "v2", frozenset("ab")), ("a", "b"))
    placement.take_changes()
    placement.put(Demand("v1", "v1"))
    placement.put(Demand("v2", "v2"))
    placement.set_nodes([Node(name) for name in "bcd"])
    late = {"v1", "v2"}
    for move in placement.rebalance():
        assert move.vip in late
    assert max(placement.load().values()) - min(placement.load().values()) <= 1


def test_displaced_vip_moves_before_those_that_arrived_earlier() -> None:
    placement = placement_of("abc")
    seat(placement, "b", "v1", "v2")
    placement.put(Demand("v3", "v3"), ("gone", "b"))
    assert placement.order("v3")[0] == "b"
    assert set(moved(placement.rebalance(1))) == {"v3"}


@pytest.mark.parametrize("node", ["a", "b", "c"])
def test_node_with_a_displaced_vip_gives_before_others_as_loaded(node: str) -> None:
    placement = placement_of("abcd")
    for other in "abc".replace(node, ""):
        seat(placement, other, f"{other}1", f"{other}2", f"{other}3")
    seat(placement, node, "v1", "v2")
    placement.put(Demand("v3", "v3"), ("gone", node))
    assert set(moved(placement.rebalance(1))) == {"v3"}


def test_displaced_vip_leaves_its_group_before_those_that_arrived_earlier() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "v1")
    placement.put(Demand("g.2", "g"), ("gone", "a"))
    seat(placement, "b", "v2", "v3")
    assert moved(placement.rebalance()) == {"g.2": "a>b"}


def test_vip_is_no_longer_displaced_once_the_class_was_seen_balanced() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1")
    seat(placement, "b", "v2")
    seat(placement, "c", "v3")
    placement.put(Demand("v4", "v4"), ("gone", "c"))
    assert placement.is_balanced()
    seat(placement, "c", "v5")
    assert set(moved(placement.rebalance())) == {"v3"}


def test_new_node_takes_its_share() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "v1", "v2", "v3")
    seat(placement, "b", "v4", "v5", "v6")
    placement.set_nodes([Node(name) for name in "abc"])
    assert placement.load()["c"] == 0
    assert sorted(moved(placement.rebalance()).values()) == ["a>c", "b>c"]


def test_new_node_relieves_crowded_groups_first() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "g.2", "h1", "h2", "h3", "h4")
    seat(placement, "b", "g.3", "i1", "i2", "i3", "i4", "i5")
    assert placement.is_balanced()
    placement.set_nodes([Node(name) for name in "abc"])
    assert len(placement.rebalance()) == 4
    assert sorted(firsts(placement, "g.1", "g.2", "g.3")) == ["a", "b", "c"]


def test_vip_whose_group_is_on_the_target_stays() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "h.1", "v1")
    seat(placement, "b", "g.2")
    assert "g.1" not in moved(placement.rebalance(1))


def test_direct_transfer_serves_restricted_vips() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2", "v3", only="ab")
    assert moved(placement.rebalance()) in ({vip: "a>b"} for vip in ("v1", "v2", "v3"))


def test_vip_that_can_go_lowest_is_moved_before_others() -> None:
    """r could go to b, but then c would still lack one."""
    placement = placement_of("abc")
    seat(placement, "a", "r", only="ab")
    seat(placement, "a", "v1", "v2")
    seat(placement, "b", "w1", only="b")
    assert moved(placement.rebalance()) in ({"v1": "a>c"}, {"v2": "a>c"})


def test_class_that_was_balanced_is_looked_at_again_after_a_discard() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "v1", "v2")
    seat(placement, "b", "v3", "v4")
    assert placement.is_balanced()
    placement.discard("v1")
    placement.discard("v2")
    assert not placement.is_balanced()


def test_chain_of_transfers_reaches_a_node_out_of_direct_reach() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2", only="ab")
    seat(placement, "b", "w1", only="bc")
    moves = placement.rebalance()
    assert placement.load() == {"a": 1, "b": 1, "c": 1}
    assert len(moves) == 2
    assert moves[0] == Move("w1", "b", "c", MoveReason.BALANCE)  # the far link first


def test_long_chain_moves_one_vip_for_each_link() -> None:
    placement = placement_of("abcde")
    seat(placement, "a", "v1", "v2", only="ab")
    for source, target in ("bc", "cd", "de"):
        seat(placement, source, f"{source}1", only=source + target)
    assert len(placement.rebalance()) == 4
    assert set(placement.load().values()) == {1}


def test_chain_cut_by_the_budget_goes_on_where_it_stopped() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2", only="ab")
    seat(placement, "b", "w1", only="bc")
    assert moved(placement.rebalance(1)) == {"w1": "b>c"}
    assert not placement.is_balanced()
    assert len(placement.rebalance(1)) == 1
    assert placement.is_balanced()


def test_chain_prefers_a_displaced_vip_and_a_group_that_gains() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2", "v3", only="ab")
    seat(placement, "b", "g.1", "w1", only="bc")
    seat(placement, "c", "g.2")
    placement.put(Demand("w2", "w2", frozenset("bc")), ("gone", "b"))
    first, *_ = placement.rebalance(1)
    assert first == Move("w2", "b", "c", MoveReason.BALANCE)


def test_loads_held_apart_by_restrictions_are_at_rest() -> None:
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2", "v3", "v4", only="ab")
    seat(placement, "b", "w1", "w2", "w3", only="ab")
    seat(placement, "c", "x1")
    assert placement.is_balanced()
    assert placement.load() == {"a": 4, "b": 3, "c": 1}


def test_closed_nodes_do_not_hide_a_transfer_elsewhere() -> None:
    placement = placement_of("abcd")
    seat(placement, "a", "v1", "v2", "v3", "v4", only="ab")
    seat(placement, "b", "w1", "w2", "w3", only="ab")
    seat(placement, "c", "x1", "x2", "x3", only="cd")
    assert placement.rebalance()[0].source == "c"
    assert placement.load() == {"a": 4, "b": 3, "c": 2, "d": 1}


def test_search_among_restricted_vips_gives_up_and_moves_the_first() -> None:
    """Every group has one VIP on each of both nodes, so no group gains; a and b differ by more."""
    placement = placement_of("abc")
    for i in range(70):
        seat(placement, "a", f"g{i}.1", only="ab")
        seat(placement, "b", f"g{i}.2", only="bc")
    for i in range(4):
        seat(placement, "a", f"g{i}.3", f"g{i}.4", only="ab")
    placement.rebalance()
    load = placement.load()
    assert load["a"] - load["b"] <= 1
    assert load["b"] - load["c"] <= 1


# ---------------------------------------------------------------- groups


def test_group_together_is_separated_by_one_move_to_less_load() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "g.2", "v1")
    seat(placement, "b", "v2", "v3")
    moves = placement.rebalance()
    assert [move.reason for move in moves] == [MoveReason.SEPARATION]
    assert sorted(firsts(placement, "g.1", "g.2")) == ["a", "b"]


def test_crowded_group_moves_first_where_loads_must_be_levelled_anyway() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "v1", "v2", "g.1", "g.2")
    moves = [move for _ in range(3) for move in placement.rebalance(1)]
    assert len(moves) == 2
    assert moves[0] == Move("g.1", "a", "b", MoveReason.SEPARATION)


def test_chain_cut_by_the_budget_is_not_undone_for_the_sake_of_a_group() -> None:
    """Half of the chain a>b>c puts g.1 beside g.2, and c is then more loaded than b."""
    placement = placement_of("abc")
    seat(placement, "a", "v1", "v2", "v3", only="ab")
    seat(placement, "b", "g.1", only="bc")
    seat(placement, "b", "w1", only="b")
    seat(placement, "c", "g.2", only="bc")
    assert moved(placement.rebalance(1)) == {"g.1": "b>c"}
    placement.put(Demand("passing", "passing", frozenset()))
    placement.rebalance(1)
    assert placement.load() == {"a": 2, "b": 2, "c": 2}


def test_group_together_is_separated_by_an_exchange_under_equal_load() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "g.2")
    seat(placement, "b", "v1", "v2")
    moves = placement.rebalance()
    assert [move.reason for move in moves] == [MoveReason.SEPARATION] * 2
    assert sorted(firsts(placement, "g.1", "g.2")) == ["a", "b"]
    assert placement.load() == {"a": 2, "b": 2}


def test_exchange_cut_by_the_budget_is_finished_by_the_next_call() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "g.2")
    seat(placement, "b", "v1", "v2")
    (partner,) = placement.rebalance(1)
    assert (partner.source, partner.target) == ("b", "a")
    assert not placement.is_balanced()
    assert len(placement.rebalance(1)) == 1
    assert placement.is_balanced()
    assert placement.load() == {"a": 2, "b": 2}


def test_exchange_cut_by_a_change_is_planned_again_to_the_same_end() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "g.2")
    seat(placement, "b", "v1", "v2")
    placement.rebalance(1)
    placement.put(Demand("w", "w"))
    placement.rebalance()
    assert sorted(firsts(placement, "g.1", "g.2")) == ["a", "b"]
    assert max(placement.load().values()) == 3


def test_exchange_prefers_a_displaced_partner() -> None:
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "g.2")
    seat(placement, "b", "v1")
    placement.put(Demand("v2", "v2"), ("gone", "b"))
    assert "v2" in moved(placement.rebalance())


def test_group_larger_than_the_class_is_even() -> None:
    placement = placement_of("abc")
    seat(placement, "a", *(f"g.{i}" for i in range(8)))
    placement.rebalance()
    assert sorted(placement.load().values()) == [2, 3, 3]


def test_changed_group_is_separated_without_moving_others() -> None:
    placement = placement_of("abc")
    for node in "abc":
        seat(placement, node, f"{node}1", f"{node}2")
    assert placement.is_balanced()
    placement.put(Demand("a1", "one"))
    placement.put(Demand("a2", "one"))
    assert not placement.is_balanced()
    assert len(placement.rebalance()) == 2


@pytest.mark.parametrize("partners", [1, 100])
def test_group_stays_together_where_restrictions_leave_no_partner(partners: int) -> None:
    """b may not lose anything: its VIPs are bound to it, or too many to look at all of them."""
    placement = placement_of("ab")
    seat(placement, "a", "g.1", "g.2", only="ab")
    seat(placement, "a", *(f"v{i}" for i in range(partners)), only="a")
    seat(placement, "b", *(f"w{i}" for i in range(partners + 2)), only="b")
    assert placement.is_balanced()
    assert firsts(placement, "g.1", "g.2") == "aa"


def test_search_for_a_partner_gives_up_among_restricted_vips() -> None:
    """Groups with a VIP on each side gain nothing; the one partner that would comes too late."""
    placement = placement_of("abc")
    seat(placement, "a", "g.1", "g.2", only="ab")
    for i in range(70):
        seat(placement, "a", f"h{i}.1", only="ab")
        seat(placement, "b", f"h{i}.2", only="ab")
    seat(placement, "b", "v1", "v2", only="ab")
    assert placement.is_balanced()
    assert firsts(placement, "g.1", "g.2") == "aa"


def test_exchange_does_not_go_where_load_forbids_it() -> None:
    """b is held high by VIPs bound to it: rule 1 keeps the group together on a and c."""
    placement = placement_of("abc")
    seat(placement, "b", "w1", "w2", "w3", "w4", "w5", only="b")
    seat(placement, "a", "g.1", "g.2")
    seat(placement, "c", "g.3", "v1")
    assert placement.is_balanced()
    counts = Counter(firsts(placement, "g.1", "g.2", "g.3"))
    assert counts == {"a": 2, "c": 1}
