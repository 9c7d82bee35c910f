"""First, second and tail of one order, key by key."""

from __future__ import annotations

from collections import Counter

import pytest

from metallb_controller.placement import Demand, Node, Placement
from metallb_controller.placement.ring import Ring


def placement_of(*nodes: str, salt: str = "class") -> Placement:
    """Nodes are written `name` or `name/zone`."""
    placement = Placement(salt)
    placement.set_nodes([Node(*node.split("/")) for node in nodes])
    return placement


def put(placement: Placement, vip: str, group: str = "", *, on: str = "", only: str = "") -> None:
    """Add a VIP; `on` is its present first choice, `only` its eligible nodes, one letter each."""
    demand = Demand(vip, group or vip, frozenset(only) if only else None)
    placement.put(demand, tuple(on))


def ranks(*names: str, salt: str = "class") -> list[str]:
    ring = Ring(salt)
    ring.replace(dict.fromkeys(names, ""))
    return list(ring.names)


# ---------------------------------------------------------------- first


def test_empty_class_gives_first_vip_to_the_lowest_rank() -> None:
    placement = placement_of("a", "b", "c")
    put(placement, "v")
    assert placement.order("v")[0] == ranks("a", "b", "c")[0]


def test_classes_prefer_different_nodes() -> None:
    names = [f"node-{i}" for i in range(9)]
    firsts = set()
    for salt in ("blue", "green", "red", "white"):
        placement = placement_of(*names, salt=salt)
        put(placement, "v")
        firsts.add(placement.order("v")[0])
    assert len(firsts) > 1


def test_load_decides_among_nodes_without_the_group() -> None:
    placement = placement_of("a", "b", "c")
    put(placement, "v1", on="a")
    put(placement, "v2", on="b")
    put(placement, "v3")
    assert placement.order("v3")[0] == "c"


def test_group_comes_before_load() -> None:
    placement = placement_of("a", "b")
    put(placement, "v1", "g", on="a")
    for vip in ("w1", "w2", "w3"):
        put(placement, vip, on="b")
    put(placement, "v2", "g")
    assert placement.order("v2")[0] == "b"


def test_group_larger_than_the_class_goes_round() -> None:
    placement = placement_of("a", "b", "c")
    for i in range(7):
        put(placement, f"v{i}", "g")
    assert sorted(placement.load().values()) == [2, 2, 3]


def test_zone_of_the_group_comes_before_load_of_the_zone() -> None:
    placement = placement_of("a/east", "b/east", "c/west", "d/west")
    put(placement, "v1", "g", on="a")
    put(placement, "w1", on="c")  # the loads of the zones are equal, b and d empty
    put(placement, "v2", "g")
    assert placement.order("v2")[0] == "d"


@pytest.mark.parametrize("busy", ["a", "b", "c", "d", "e", "f"])
def test_load_of_the_zone_comes_before_rank(busy: str) -> None:
    zones = {"a": "east", "b": "east", "c": "west", "d": "west", "e": "north", "f": "north"}
    placement = placement_of(*(f"{name}/{zone}" for name, zone in zones.items()))
    put(placement, "w1", on=busy)
    put(placement, "v1")
    free = [name for name in ranks(*zones) if zones[name] != zones[busy]]
    assert placement.order("v1")[0] == free[0]


def test_load_comes_before_zone_when_groups_grow_turn_about() -> None:
    """The limit of the zone rule: the lowest level has a node left in the group's own zone only."""
    placement = placement_of("a/east", "b/east", "c/west", "d/west")
    put(placement, "v1", "g", on="a")
    put(placement, "w1", on="c")
    put(placement, "w2", on="d")
    put(placement, "v2", "g")
    assert placement.order("v2")[0] == "b"
    assert placement.is_balanced()


@pytest.mark.parametrize("salt", ["k", "l", "m", "n", "o", "p", "q", "r"])
def test_batch_is_placed_group_by_group(salt: str) -> None:
    placement = placement_of("a/east", "b/east", "c/west", "d/west", salt=salt)
    for vip in ("v1", "w1", "x1", "v2", "w2"):
        put(placement, vip, vip[0])
    for group in "vw":
        zones = {"ab".find(placement.order(f"{group}{i}")[0]) < 0 for i in (1, 2)}
        assert len(zones) == 2


# ---------------------------------------------------------------- second


def test_seconds_of_one_node_are_spread() -> None:
    placement = placement_of("a", "b", "c", "d")
    for i in range(6):
        put(placement, f"v{i}", on="a")
    seconds = Counter(placement.order(f"v{i}")[1] for i in range(6))
    assert seconds == {"b": 2, "c": 2, "d": 2}


def test_second_avoids_the_group() -> None:
    placement = placement_of("a", "b", "c")
    put(placement, "v1", "g", on="a")
    put(placement, "v2", "g", on="b")
    put(placement, "w1", on="c")
    assert placement.order("v1")[1] == "c"
    assert placement.order("v2")[1] == "c"


def test_second_is_a_node_of_least_load() -> None:
    placement = placement_of("a", "b", "c", "d")
    for vip, node in (("w1", "b"), ("w2", "b"), ("w3", "c")):
        put(placement, vip, on=node)
    put(placement, "v", on="a")
    assert placement.order("v")[1] == "d"


def test_second_is_in_another_zone() -> None:
    placement = placement_of("a/east", "b/east", "c/east", "d/west")
    for vip, node in (("w1", "b"), ("w2", "c"), ("w3", "d"), ("v", "a")):
        put(placement, vip, on=node)
    assert placement.order("v")[1] == "d"


def test_different_nodes_prefer_different_seconds() -> None:
    names = list("abcdefghi")
    placement = placement_of(*names)
    for name in names:
        put(placement, f"v-{name}", on=name)
    assert len({placement.order(f"v-{name}")[1] for name in names}) == len(names)


def test_only_eligible_node_has_no_second() -> None:
    placement = placement_of("a", "b")
    put(placement, "v", only="a")
    assert placement.order("v") == ("a",)


# ---------------------------------------------------------------- tail


def test_small_class_is_listed_whole() -> None:
    placement = placement_of("a", "b", "c", "d", "e")
    put(placement, "v")
    assert sorted(placement.order("v")) == ["a", "b", "c", "d", "e"]


def test_large_class_is_listed_up_to_the_limit() -> None:
    placement = placement_of(*(f"node-{i}" for i in range(30)))
    put(placement, "v")
    assert len(set(placement.order("v"))) == 8


def test_restricted_vip_lists_its_eligible_nodes_only() -> None:
    placement = placement_of(*"abcdefghijkl")
    put(placement, "v", only="cfkxyz")
    assert sorted(placement.order("v")) == ["c", "f", "k"]


def test_tail_reaches_every_zone() -> None:
    nodes = [f"node-{i}/{'main' if i else 'other'}" for i in range(30)]
    placement = placement_of(*nodes)
    for i in range(40):
        put(placement, f"v{i}")
        assert "node-0" in placement.order(f"v{i}")


def test_no_node_is_in_tails_far_more_than_others() -> None:
    placement = placement_of(*(f"node-{i}" for i in range(40)))
    for i in range(2000):
        put(placement, f"v{i}")
    tails = Counter(name for i in range(2000) for name in placement.order(f"v{i}")[2:])
    assert sum(tails.values()) == 2000 * 6
    assert 200 < min(tails.values()) <= max(tails.values()) < 420  # the mean is 300


def test_repaired_list_keeps_its_only_node_of_another_zone() -> None:
    """A second chosen anew pushes out a name whose zone the order has twice, not the last."""
    names = list("abcdefgh")
    placement = placement_of(*(f"{name}/east" for name in names), "z/west")
    rest = ("c", "d", "e", "f", "g", "z")
    for i in range(4):
        placement.put(Demand(f"v{i}", f"v{i}"), ("a", "b", *rest))
    seconds = Counter(placement.order(f"v{i}")[1] for i in range(4))
    assert max(seconds.values()) == 1
    for i in range(4):
        order = placement.order(f"v{i}")
        assert len(order) == 8
        assert "z" in order


def test_repaired_list_of_distinct_zones_loses_its_last() -> None:
    placement = placement_of(*(f"{name}/zone-{name}" for name in "abcdefghi"))
    for name in "bcdefgh":
        put(placement, f"w-{name}", on=name)
    for vip in ("v1", "v2"):
        placement.put(Demand(vip, vip), tuple("abcdefgh"))
    assert placement.order("v1") == tuple("aibcdefg")
    assert placement.order("v2") == tuple("abcdefgh")
